// The answer: one sentence, why it is not healthy, how far it is and when it ends.
import { make, refill, say } from '../dom.js';
import { OVER } from './life.js';
import { ago, clock, count, day, duration, oneLine } from '../text.js';

export class Health {
  constructor(host) {
    this.pill = make('span', { class: 'pill' });
    this.answer = make('p', { class: 'answer', 'aria-live': 'polite' });
    this.reasons = make('ul', { class: 'reasons' });
    this.fill = make('div', { class: 'fill' });
    this.bar = make('div', { class: 'bar', role: 'progressbar', 'aria-label': 'Steps done', 'aria-valuemin': 0 }, this.fill);
    this.facts = make('p', { class: 'facts' });
    this.element = make('section', { class: 'health', 'aria-label': 'How is it?' },
      make('div', { class: 'sentence' }, this.pill, this.answer), this.reasons, this.bar, this.facts);
    host.append(this.element);
  }

  show(report) {
    const { progress } = report;
    this.element.dataset.health = report.health;
    say(this.pill, OVER.includes(progress.life) ? progress.life : report.health);
    say(this.answer, oneLine(report.answer));
    const reasons = report.reasons.filter((reason) => reason !== 'finished');
    refill(this.reasons, reasons.map((reason) => make('li', {}, oneLine(reason))));
    this.reasons.hidden = !reasons.length || report.health === 'Healthy';
    const share = progress.max_steps ? Math.min(1, (progress.step ?? 0) / progress.max_steps) : null;
    this.bar.hidden = share === null;
    this.fill.style.width = `${(share ?? 0) * 100}%`;
    this.bar.setAttribute('aria-valuemax', progress.max_steps ?? 0);
    this.bar.setAttribute('aria-valuenow', progress.step ?? 0);
    say(this.facts, factsOf(report).join('  ·  '));
  }
}

function factsOf({ time, run, progress, performance = {} }) {
  const facts = [];
  const say = (value, text) => value !== null && value !== undefined && facts.push(text(value));
  say(progress.step, (step) => `step ${count(step)}${progress.max_steps ? ` of ${count(progress.max_steps)}` : ''}`);
  if (progress.life === 'running') say(progress.finishes_at, (end) => `ends ${day(end) === day(time) ? '' : `${day(end)} `}about ${clock(end).slice(0, 5)}, in ${duration(end - time)}`);
  say(progress.step_seconds, (seconds) => `a step usually takes ${duration(seconds)}`);
  if (progress.life === 'running') say(progress.last_step_at, (then) => `newest step ${ago(then, time)}`);
  say(progress.checkpoint_step, (step) => `checkpoint at step ${count(step)}`);
  say(performance.waits, (text) => text);
  if (run.attempt > 1) facts.push(`attempt ${run.attempt}${run.resumed_from ? `, resumed from step ${run.resumed_from}` : ''}`);
  for (const fact of [run.framework, run.model]) say(fact, oneLine);
  return facts.map(oneLine);
}
