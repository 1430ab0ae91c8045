// What the model wrote: how the rewards are spread, step by step, and the rollouts themselves.
import { ask, runPath } from '../api.js';
import { HeatMap } from '../canvas/grid.js';
import { behind, button, choice, input, link, make, refill, say, table } from '../dom.js';
import { toRun } from '../place.js';
import { count, figure, oneLine, plain } from '../text.js';

const KEEP = ['step', 'phase', 'environment', 'order', 'many', 'errored', 'truncated', 'min_reward', 'max_reward',
  'text', 'quantity'];

export function openRollouts(host, context, parameters) {
  const set = Object.fromEntries(KEEP.map((name) => [name, parameters.get(name) ?? '']));
  set.order ||= 'worst';
  set.many ||= '20';
  let chart = null;
  let heat = null;
  let typing = 0;
  let asking = 0;
  const plot = make('div', { class: 'chart' });
  const heatPanel = make('section', { class: 'panel', 'aria-label': 'How rewards are spread', hidden: true });
  const form = make('form', { class: 'controls', onsubmit: (event) => event.preventDefault() });
  const summary = make('p', { class: 'lead', 'aria-live': 'polite' });
  const list = make('ol', { class: 'rollouts', 'aria-label': 'Rollouts' });
  host.append(heatPanel, form, summary, list);

  const change = (name, value) => {
    set[name] = value === true ? '1' : value || '';
    context.note({ ...set, order: set.order === 'worst' ? '' : set.order, many: set.many === '20' ? '' : set.many });
    if (['phase', 'environment', 'quantity'].includes(name)) loadHeat();
    clearTimeout(typing);
    typing = setTimeout(loadRollouts, name === 'text' || name.endsWith('reward') ? 250 : 0);
  };
  const check = (name, text) =>
    make('label', { class: 'check' },
      make('input',
        { type: 'checkbox', checked: set[name] === '1', onchange: (event) => change(name, event.target.checked) }),
        text);
  const typed = (label, name, properties) => {
    const field = input(label, { value: set[name], ...properties }, () => {});
    field.querySelector('input').addEventListener('input', (event) => change(name, event.target.value.trim()));
    return field;
  };

  function buildForm() {
    const phases = heat?.phases ?? [];
    const environments = heat?.environments ?? [];
    refill(form, typed('Step', 'step', { type: 'number', min: 0, placeholder: 'newest', class: 'short' }),
      choice('Show', [['worst', 'the worst'], ['best', 'the best']], set.order, (value) => change('order', value)),
      choice('How many', [['20', '20'], ['50', '50'], ['100', '100']], set.many, (value) => change('many', value)),
      phases.length > 1
        ? choice('Phase', [['', 'all'], ...phases.map((name) => [name, oneLine(name)])], set.phase,
          (value) => change('phase', value)) : null,
      environments.length > 1
        ? choice('Environment', [['', 'all'], ...environments.map((name) => [name, oneLine(name)])], set.environment,
          (value) => change('environment', value)) : null,
      typed('Reward from', 'min_reward', { type: 'number', step: 'any', class: 'short' }),
        typed('to', 'max_reward', { type: 'number', step: 'any', class: 'short' }),
      typed('Text', 'text', { type: 'search', placeholder: 'in prompt or completion' }), check('errored', 'errored'),
        check('truncated', 'cut off'));
  }

  async function loadHeat() {
    try {
      heat = await ask(runPath(context.run, 'rollouts/heat'),
        { phase: set.phase, environment: set.environment, quantity: set.quantity, columns: 300 });
      if (!form.contains(document.activeElement)) buildForm();
      heatPanel.hidden = !heat.steps.length;
      if (heat.steps.length) drawHeat();
    } catch {
      heatPanel.hidden = true;  // a run without rollout files: the list below says so
      if (!form.childElementCount) buildForm();
    }
  }

  function drawHeat() {
    if (!chart) {
      chart = new HeatMap(plot,
        { label: 'How many rollouts of each step have which value', height: 220, steps: [],
          tip: (column, row) => tip(column, row), pick: (column, row) => pick(column, row) });
    }
    const quantities = heat.quantities ?? [];
    const picker = quantities.length > 1
      ? choice('Quantity', quantities.map((name) => [name, oneLine(name)]), heat.quantity,
        (value) => change('quantity', value)) : null;
    if (!heatPanel.contains(document.activeElement)) {
      refill(heatPanel,
        make('div', { class: 'bartop' }, make('h2', {}, `${oneLine(heat.quantity)} of the rollouts, by step`),
          make('span', { class: 'counted' }, 'the line is the mean; a click opens the step'), picker), plot,
        behind('How many rollouts have which value',
          (caption) =>
            table(caption,
              ['Step', ...heat.edges.map((edge) => `≤ ${figure(edge)}`),
                `> ${figure(heat.edges[heat.edges.length - 1])}`],
          heat.steps.map((step, index) => [step, ...heat.counts[index].map(String)]).reverse())));
    }
    chart.set(heat);
  }

  const between = (row) => {
    const { edges } = heat;
    if (row === 0) return `up to ${figure(edges[0])}`;
    return row >= edges.length ? `above ${figure(edges[edges.length - 1])}`
      : `${figure(edges[row - 1])} to ${figure(edges[row])}`;
  };

  function tip(column, row) {
    const mean = heat.mean?.[column];
    return [make('strong', {}, `step ${count(heat.steps[column])}`),
      make('div', {}, `${count(heat.counts[column][row] ?? 0)} with ${oneLine(heat.quantity)} ${between(row)}`),
      mean === null || mean === undefined ? null : make('div', { class: 'muted' }, `mean ${figure(mean)}`)];
  }

  function pick(column, row) {
    const { edges } = heat;
    const rewards = heat.quantity === 'reward';
    Object.assign(set,
      { step: String(heat.steps[column]), min_reward: rewards && row > 0 ? String(edges[row - 1]) : '',
        max_reward: rewards && row < edges.length ? String(edges[row]) : '' });
    buildForm();
    change('step', set.step);
    list.scrollIntoView({ block: 'start', behavior: 'smooth' });
  }

  async function loadRollouts() {
    const mine = (asking += 1);
    const { order, many, quantity: _, ...filters } = set;
    try {
      const answer = await ask(runPath(context.run, 'rollouts'), { ...filters, [order]: many });
      if (mine !== asking) return;
      say(summary, oneLine(answer.unread ? `${answer.answer} ${count(answer.unread)} not read.` : answer.answer));
      refill(list, answer.rollouts.map((rollout) => entry(rollout, context.run)));
    } catch (error) {
      if (mine !== asking) return;
      list.replaceChildren();
      say(summary, error.message);
    }
  }

  loadHeat();
  loadRollouts();
  return {
    refresh() {
      loadHeat();
      if (!set.step && !list.contains(document.activeElement) && !list.querySelector('details[open]')) loadRollouts();
    },
    close() {
      clearTimeout(typing);
      chart?.close();
    },
  };
}

const LONG = 600;  // characters of a text before it is folded

function entry(rollout, run) {
  const flags = [rollout.solved && 'solved', rollout.truncated && 'cut off', rollout.cancelled && 'cancelled',
    rollout.error && 'errored'].filter(Boolean);
  const facts = Object.entries(rollout.figures ?? {}).slice(0, 8).map(([name, value]) => `${name} ${figure(value)}`);
  return make('li', { class: 'rollout', data: { errored: Boolean(rollout.error) } },
    make('div', { class: 'head' }, make('strong', { class: 'reward' }, `reward ${figure(rollout.reward)}`),
      flags.map((flag) => make('span', { class: 'kind' }, flag)),
      make('span', { class: 'muted' },
        oneLine([rollout.environment, rollout.phase, `step ${rollout.step}`, ...facts].filter(Boolean).join('  ·  '))),
      link(toRun(run, 'logs', { step: rollout.step }), {}, 'log lines')),
    rollout.error ? make('pre', { class: 'bad' }, plain(rollout.error)) : null,
    texts('Prompt', rollout.prompt), texts('Completion', rollout.completion),
    make('p', { class: 'facts' }, oneLine(`${rollout.file}:${rollout.line}`)));
}

function texts(name, parts) {
  const whole = [parts].flat().filter((part) => part !== null && part !== undefined).map(plain).join('\n\n');
  const block = make('pre', { tabindex: 0, 'aria-label': name }, whole.length > LONG ? `${whole.slice(0, LONG)} …`
    : whole || '(empty)');
  const more = whole.length > LONG ? button(`all ${count(whole.length)} characters`, () => {
    block.textContent = whole;
    more.remove();
  }, { class: 'quiet' }) : null;
  return make('div', { class: 'text' }, make('h4', {}, name), block, more);
}
