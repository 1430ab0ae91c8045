// What the model wrote: how the rewards are spread, step by step, and the rollouts themselves.
import { ask, runPath } from '../api.js';
import { choice, input, make, refill, say } from '../dom.js';
import { count, oneLine } from '../text.js';
import { HeatPanel } from './heat_panel.js';
import { rolloutEntry } from './rollout_entry.js';

// What the reader set, by the names of the API's parameters, and what stands for nothing set.
const UNSET = {
  step: '', phase: '', environment: '', order: 'worst', many: '20', errored: '', truncated: '', min_reward: '',
    max_reward: '',
  prompt: '', quantity: '',
};
const TYPED = 250;  // ms without a key before an answer is asked for

export function openRollouts(host, context, parameters) {
  const set = Object.fromEntries(Object.entries(UNSET).map(([name, unset]) => [name, parameters.get(name) ?? unset]));
  let typing = 0;
  let asking = 0;
  const heat = new HeatPanel(context.run, picked, (quantity) => change('quantity', quantity));
  const form = make('form', { class: 'controls', onsubmit: (event) => event.preventDefault() });
  const summary = make('p', { class: 'lead', 'aria-live': 'polite' });
  const list = make('ol', { class: 'rollouts', 'aria-label': 'Rollouts' });
  host.append(heat.element, form, summary, list);

  function change(name, value, wait = 0) {
    set[name] = value;
    context.note(Object.fromEntries(Object.entries(set).filter(([key, one]) => one !== UNSET[key])));
    if (['phase', 'environment', 'quantity'].includes(name)) loadHeat();
    clearTimeout(typing);
    typing = setTimeout(load, wait);
  }

  function picked({ step, low, high }) {
    Object.assign(set, { min_reward: String(low ?? ''), max_reward: String(high ?? '') });
    change('step', String(step));
    fillForm();
    list.scrollIntoView({ block: 'start', behavior: 'smooth' });
  }

  const check = (name, text) => {
    const onchange = (event) => change(name, event.target.checked ? '1' : '');
    return make('label', { class: 'check' }, make('input', { type: 'checkbox', checked: set[name] === '1', onchange }),
      text);
  };
  const typed = (label, name, properties) => {
    const oninput = (event) => change(name, event.target.value.trim(), TYPED);
    return input(label, { value: set[name], ...properties, oninput });
  };
  const chosen = (label, name, options) => choice(label, options, set[name], (value) => change(name, value));
  const named = (label, name, names = []) => {
    return names.length > 1 ? chosen(label, name, [['', 'all'], ...names.map((one) => [one, oneLine(one)])]) : null;
  };

  function fillForm() {
    const number = { type: 'number', class: 'short' };
    refill(form,
      typed('Step', 'step', { ...number, min: 0, placeholder: 'newest' }),
      chosen('Show', 'order', [['worst', 'the worst'], ['best', 'the best']]),
      chosen('How many', 'many', [['20', '20'], ['50', '50'], ['100', '100']]),
      named('Phase', 'phase', heat.heat?.phases),
      named('Environment', 'environment', heat.heat?.environments),
      typed('Reward from', 'min_reward', { ...number, step: 'any' }),
      typed('to', 'max_reward', { ...number, step: 'any' }),
      typed('Prompt', 'prompt', { type: 'search', placeholder: 'has this text' }),
      check('errored', 'errored'), check('truncated', 'cut off'));
  }

  async function loadHeat() {
    await heat.load(set);
    if (!form.contains(document.activeElement)) fillForm();
  }

  async function load() {
    const mine = (asking += 1);
    const { order, many, quantity: _, ...filters } = set;
    try {
      const answer = await ask(runPath(context.run, 'rollouts'), { ...filters, [order]: many });
      if (mine !== asking) return;
      say(summary, oneLine(answer.unread ? `${answer.answer} ${count(answer.unread)} not read.` : answer.answer));
      refill(list, answer.rollouts.map((rollout) => rolloutEntry(rollout, context.run)));
    } catch (error) {
      if (mine !== asking) return;
      list.replaceChildren();
      say(summary, error.message);
    }
  }

  loadHeat();
  load();
  return {
    refresh() {
      loadHeat();
      if (!set.step && !list.contains(document.activeElement)) load();
    },
    close() {
      clearTimeout(typing);
      heat.close();
    },
  };
}
