// The answer: one sentence, why it is not healthy, how far it is and when it ends.
import { make, refill, say } from '../dom.js';
import { wordOf } from '../report.js';
import { ago, count, duration, oneLine, when } from '../text.js';

export class Health {
  constructor(host) {
    this.pill = make('span', { class: 'pill', hidden: true });
    this.answer = make('p', { class: 'answer', 'aria-live': 'polite' }, 'Asking the agent …');
    this.reasons = make('ul', { class: 'reasons' });
    this.fill = make('div', { class: 'fill' });
    this.bar = make('div', { class: 'bar', role: 'progressbar', 'aria-label': 'Steps done', 'aria-valuemin': 0,
      hidden: true }, this.fill);
    this.facts = make('p', { class: 'facts' });
    this.element = make('section', { class: 'health', 'aria-label': 'How is it?' },
      make('div', { class: 'sentence' }, this.pill, this.answer), this.reasons, this.bar, this.facts);
    host.append(this.element);
  }

  fail(message) {
    say(this.answer, message);
  }

  show(report) {
    const { progress } = report;
    this.pill.hidden = false;
    this.element.dataset.health = report.health;
    say(this.pill, wordOf(report));
    say(this.answer, oneLine(report.answer));
    const reasons = report.reasons.filter((reason) => !report.answer.startsWith(reason));
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
  const { step, max_steps: most, step_seconds: usual, finishes_at: end, last_step_at: last } = progress;
  const { checkpoint_step: saved } = progress;
  const going = progress.life === 'running';
  const known = (value) => value !== null && value !== undefined;
  return [
    known(step) && `step ${count(step)}${most ? ` of ${count(most)}` : ''}`,
    going && known(end) && `ends about ${when(end, time)}, in ${duration(end - time)}`,
    known(usual) && `a step usually takes ${duration(usual)}`,
    going && known(last) && `newest step ${ago(last, time)}`,
    known(saved) && `checkpoint at step ${count(saved)}`,
    performance.waits,
    run.attempt > 1 && `attempt ${run.attempt}`,
    known(run.resumed_from) && `resumed from step ${count(run.resumed_from)}`,
    run.framework,
    run.model,
  ].filter(Boolean).map(oneLine);
}

// The hour, with its day where that is another one.