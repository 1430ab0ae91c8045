// One rollout: its reward, what is notable about it, what the model was asked and what it wrote.
import { ask, runPath } from '../api.js';
import { button, link, make, put, refill } from '../dom.js';
import { toRun } from '../place.js';
import { figure, oneLine, plain } from '../text.js';

const LONG = 600;   // characters of a text before it is folded
const FIGURES = 8;

export function rolloutEntry(rollout, run) {
  const { solved, truncated, cancelled, error, reward, environment, phase, step, file, line } = rollout;
  const flags = [solved && 'solved', truncated && 'cut off', cancelled && 'cancelled', error
    && 'errored'].filter(Boolean);
  const figures = Object.entries(rollout.figures).slice(0, FIGURES).map(([name, value]) => `${name} ${figure(value)}`);
  const known = [environment, phase, step === null ? '' : `step ${step}`, ...figures].filter(Boolean);
  const texts = make('div', {});
  const more = button('Whole texts', async () => {
    const { offset, number } = rollout;
    try {
      const whole = await ask(runPath(run, 'rollouts/one'), { file, offset, number });
      refill(texts, block('Prompt', whole.prompt), block('Completion', whole.completion));
    } catch (failure) {
      more.replaceWith(make('p', { class: 'error' }, failure.message));
    }
  }, { class: 'quiet', hidden: !isLong(rollout.prompt) && !isLong(rollout.completion) });
  put(texts, block('Prompt', rollout.prompt, true), block('Completion', rollout.completion, true), more);
  return make('li', { class: 'rollout', data: { errored: Boolean(error) } },
    make('div', { class: 'head' }, make('strong', { class: 'reward' }, `reward ${figure(reward)}`),
      flags.map((flag) => make('span', { class: 'kind' }, flag)),
      make('span', { class: 'muted' }, oneLine(known.join('  ·  '))),
      link(toRun(run, 'logs', { step }), {}, 'log lines')),
    error ? make('pre', { class: 'bad' }, plain(error)) : null, texts,
    make('p', { class: 'facts' }, oneLine(`${file}:${line}`)));
}

const joined = (parts) => parts.map(plain).join('\n\n');
const isLong = (parts) => joined(parts).length > LONG;

function block(name, parts, folded = false) {
  const text = joined(parts);
  const shown = folded && text.length > LONG ? `${text.slice(0, LONG)} …` : text;
  return make('div', {}, make('h4', {}, name), make('pre', { tabindex: 0, 'aria-label': name }, shown || '(empty)'));
}
