// What each lane does now, and for how long: grows by itself between two answers of the agent.
import { make, refill, say } from '../dom.js';
import { duration, oneLine } from '../text.js';
import { intervalsOf, swatch } from './intervals.js';

const LATE = 3;  // times what is usual

export class OpenStates {
  constructor() {
    this.list = make('ul', { class: 'lanes', 'aria-label': 'What each lane does' });
    this.element = make('section', { class: 'panel', 'aria-label': 'Now' }, make('h2', {}, 'Now'), this.list);
    this.shown = [];
  }

  show(answer, report, now) {
    const usual = usualSeconds(report);
    const open = [...intervalsOf(answer)].filter(({ interval }) => interval[1] === null);
    const busy = new Set(open.filter(({ state }) => state !== 'step').map(({ lane }) => lane));
    const told = open.filter(({ lane, state }) => state !== 'step' || !busy.has(lane));
    this.shown = told.map((found) => this.entry(found, usual.get(`${found.lane} ${found.state}`)));
    refill(this.list, this.shown.map(({ item }) => item));
    if (!told.length) refill(this.list, make('li', { class: 'muted' }, 'No state is open.'));
    this.tick(now);
  }

  entry({ lane, interval, state }, usual) {
    const elapsed = make('strong', { class: 'elapsed' });
    const known = [usual ? `usually ${duration(usual)}` : '', interval[3] === null ? '' : `step ${interval[3]}`];
    const item = make('li', {}, swatch(state, oneLine(lane)), make('span', {}, oneLine(state)), elapsed,
      make('span', { class: 'muted' }, known.filter(Boolean).join('  ·  ')));
    return { item, elapsed, start: interval[0], usual };
  }

  tick(now) {
    for (const { item, elapsed, start, usual } of this.shown) {
      say(elapsed, duration(now - start));
      item.dataset.late = Boolean(usual && now - start > LATE * usual);
    }
  }
}

function usualSeconds(report) {
  const known = new Map();
  for (const { lane, state, usual_seconds: usual, seconds } of report?.usual ?? []) known.set(`${lane} ${state}`, usual
    ?? seconds);
  for (const { lane, state, usual_seconds: usual } of report?.lanes ?? []) if (usual) known.set(`${lane} ${state}`,
    usual);
  return known;
}
