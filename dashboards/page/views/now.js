// The timeline, what runs now, the figures that tell most, and the newest troubles.
import { ask, runPath } from '../api.js';
import { bulk } from '../canvas/lanes.js';
import { Timeline } from '../canvas/timeline.js';
import { Viewport } from '../canvas/viewport.js';
import { behind, button, make, refill, say } from '../dom.js';
import { go } from '../place.js';
import { count, plural } from '../text.js';
import { figureCards, troublePanel } from './figures.js';
import { boxOf, intervalsOf, intervalTable, inWords, placeOf, swatch } from './intervals.js';
import { OpenStates } from './open_states.js';

const NEWEST = 6;    // steps that the button of that name shows
const SETTLED = 150; // ms without a move before a closer look is asked for
const TICK = 250;    // ms between two looks at the clock

export function openNow(host, context) {
  const viewport = new Viewport();
  let answer = null;
  let heard = 0;
  let running = null;
  let waiting = 0;
  const now = () => answer.to + (context.going() ? (performance.now() - heard) / 1000 : 0);

  const counted = make('span', { class: 'counted', id: 'interval-count' });
  const legend = make('div', { class: 'legend' });
  const spoken = make('p', { class: 'unseen', 'aria-live': 'polite' });
  const open = new OpenStates();
  const figures = make('div', { class: 'figures' });
  const troubles = make('div', {});
  const chart = make('div', { class: 'chart' });
  const zoom = make('div', { class: 'buttons' },
    button('−', () => viewport.zoom(1.6), { 'aria-label': 'Zoom out' }),
    button('+', () => viewport.zoom(0.6), { 'aria-label': 'Zoom in' }),
    button('All', () => viewport.reset()),
    button('Newest', () => showNewest()));
  host.append(
    make('section', { class: 'panel', 'aria-label': 'Timeline' },
      make('div', { class: 'bartop' }, make('h2', {}, 'Timeline'), counted, zoom), chart, legend, spoken,
      behind('The intervals in view',
        (caption) => intervalTable(caption, context.run, answer, viewport.range, now()))),
    open.element, figures, troubles);
  const timeline = new Timeline(chart, {
    viewport,
    now: () => (answer ? now() : 0),
    tip: (found) => boxOf(found, now()),
    pick: (found) => go(placeOf(context.run, found)),
    told: (found) => say(spoken, inWords(found, now())),
  });
  const unwatch = viewport.watch((what) => {
    if (what !== 'range') return;
    clearTimeout(waiting);
    waiting = setTimeout(load, SETTLED);
  });

  async function load() {
    clearTimeout(waiting);
    running?.abort();
    const mine = new AbortController();
    running = mine;
    const [from, to] = viewport.whole ? [null, null] : viewport.range;
    const width = Math.max(300, Math.round(timeline.surface.width || 1200));
    try {
      const newer = await ask(runPath(context.run, 'timeline'), { from, to, width }, mine.signal);
      if (running !== mine) return;
      const first = answer === null ? bulk(newer) : null;
      answer = newer;
      heard = performance.now();
      show();
      if (first) viewport.show(...first);
    } catch (error) {
      context.fail(error);
    }
  }

  function show() {
    timeline.set(answer);
    viewport.setLimits(answer.begin, Math.max(answer.end, answer.to));
    const found = [...intervalsOf(answer)];
    const going = found.filter(({ interval }) => interval[1] === null).length;
    const where = viewport.whole ? '' : ' in view';
    say(counted, `${plural(answer.total, 'interval')}${where}${going ? `, ${count(going)} running` : ''}`);
    const states = new Set(found.map(({ state }) => state).filter((state) => state !== 'step'));
    const marks = new Set(answer.marks.map(({ kind }) => kind));
    refill(legend, [...states].map((state) => swatch(state)),
      [...marks].map((kind) => make('span', { class: `mark ${kind}` }, kind)));
    open.show(answer, context.report(), now());
  }

  function showNewest() {
    const [begin, end] = viewport.limits;
    const step = context.report()?.progress.step_seconds ?? (end - begin) / 20;
    viewport.show(end - step * NEWEST, end);
  }

  // Open intervals grow, also between two answers of the agent.
  function tick() {
    if (!answer || document.hidden || !context.going()) return;
    open.tick(now());
    viewport.setLimits(viewport.limits[0], Math.max(viewport.limits[1], now()));
    timeline.surface.request();
  }

  function status(report) {
    refill(figures, figureCards(context.run, report));
    refill(troubles, troublePanel(context.run, report));
    if (answer) open.show(answer, report, now());
  }

  const timer = setInterval(tick, TICK);
  load();
  if (context.report()) status(context.report());
  return {
    refresh: load,
    status,
    route() {},
    close() {
      clearInterval(timer);
      clearTimeout(waiting);
      running?.abort();
      unwatch();
      timeline.close();
    },
  };
}
