// The timeline, what runs now, the figures that tell most, and the newest troubles.
import { ask, runPath } from '../api.js';
import { bulk } from '../canvas/lanes.js';
import { Timeline } from '../canvas/timeline.js';
import { Viewport } from '../canvas/viewport.js';
import { stateColour } from '../colours.js';
import { behind, button, link, make, refill, say, table } from '../dom.js';
import { go, toRun } from '../place.js';
import { clock, count, duration, inUnit, metricUnit, metricWords, oneLine, plural, stamp } from '../text.js';
import { spark } from './spark.js';

const ROWS = 300;  // of the table behind the timeline

export function openNow(host, context) {
  const viewport = new Viewport();
  let answer = null;
  let heard = performance.now();
  let timer = 0;
  let running = null;
  let ahead = 0;
  let waiting = 0;
  let looked = false;
  const now = () => answer.to + (context.going() ? (performance.now() - heard) / 1000 : 0);

  const counted = make('span', { class: 'counted', id: 'interval-count' });
  const legend = make('div', { class: 'legend' });
  const spoken = make('p', { class: 'unseen', 'aria-live': 'polite' });
  const lanes = make('ul', { class: 'lanes', 'aria-label': 'What each lane does' });
  const figures = make('div', { class: 'figures' });
  const troubles = make('div', {});
  const zoom = make('div', { class: 'buttons' },
    button('−', () => viewport.zoom(1.6), { 'aria-label': 'Zoom out' }), button('+', () => viewport.zoom(0.6), { 'aria-label': 'Zoom in' }),
    button('All', () => viewport.reset()), button('Newest', () => newest()));
  const chart = make('div', { class: 'chart' });
  host.append(
    make('section', { class: 'panel', 'aria-label': 'Timeline' }, make('div', { class: 'bartop' }, make('h2', {}, 'Timeline'), counted, zoom), chart, legend, spoken,
      behind('The intervals that are seen', (caption) => intervalTable(caption))),
    make('section', { class: 'panel', 'aria-label': 'Now' }, make('h2', {}, 'Now'), lanes),
    figures, troubles);
  const timeline = new Timeline(chart, {
    viewport, now: () => (answer ? now() : 0), tip: (found) => tipOf(found, now), pick: (found) => go(placeOf(context.run, found)),
    told: (found) => say(spoken, words(found, now)),
  });
  const unwatch = viewport.watch((what) => {
    if (what === 'hover') return;
    clearTimeout(waiting);
    waiting = setTimeout(load, 150);
  });

  const asked = () => (viewport.whole ? {} : { from: viewport.range[0], to: viewport.range[1] });

  async function load() {
    clearTimeout(waiting);
    running?.abort();
    running = new AbortController();
    const mine = (ahead += 1);
    try {
      const newer = await ask(runPath(context.run, 'timeline'), { ...asked(), width: Math.max(300, Math.round(timeline.surface.width || 1200)) }, running.signal);
      if (mine !== ahead) return;
      answer = newer;
      heard = performance.now();
      show();
    } catch (error) {
      context.fail(error);
    }
  }

  function show() {
    timeline.set(answer);
    const open = answer.lanes.flatMap((lane) => lane.intervals).filter((interval) => interval[1] === null).length;
    say(counted, `${plural(answer.total, 'interval')}${viewport.whole ? '' : ' in view'}${open ? `, ${count(open)} running` : ''}`);
    counted.dataset.total = answer.total;
    quietly(() => viewport.setLimits(answer.begin, Math.max(answer.end, answer.to)));
    const first = looked ? null : bulk(answer);
    looked = true;
    if (first) viewport.show(...first);
    refill(legend, [...used()].map((state) => swatch(state)), [...new Set(answer.marks.map((mark) => mark.kind))].map((kind) => make('span', { class: `mark ${kind}` }, kind)));
    showLanes();
  }

  // Limits that follow the run ask for nothing again: the answer that they came with is it.
  function quietly(change) {
    change();
    clearTimeout(waiting);
  }

  const used = () => new Set(answer.lanes.flatMap(({ intervals }) => intervals.map((interval) => answer.states[interval[2]])).filter((state) => state !== 'step'));
  const newest = () => {
    const [, to] = viewport.limits;
    const step = context.report()?.progress.step_seconds ?? (to - viewport.limits[0]) / 20;
    viewport.show(to - step * 6, to);
  };

  function showLanes() {
    const report = context.report();
    const usual = new Map((report?.usual ?? []).map((state) => [`${state.lane} ${state.state}`, state.usual_seconds ?? state.seconds]));
    for (const state of report?.lanes ?? []) usual.set(`${state.lane} ${state.state}`, state.usual_seconds);
    const open = answer.lanes.flatMap(({ lane, intervals }) => intervals.filter((interval) => interval[1] === null).map((interval) => ({ lane, interval, state: answer.states[interval[2]] })));
    const shown = open.filter(({ lane, state }) => state !== 'step' || !open.some((other) => other.lane === lane && other.state !== 'step'));
    refill(lanes, shown.length ? shown.map(({ lane, interval, state }) => {
      const expected = usual.get(`${lane} ${state}`);
      const late = expected && now() - interval[0] > 3 * expected;
      return make('li', { data: { since: interval[0], late: Boolean(late) } }, swatch(state, oneLine(lane)), make('span', {}, oneLine(state)),
        make('strong', { class: 'elapsed' }, duration(now() - interval[0])),
        make('span', { class: 'muted' }, expected ? `usually ${duration(expected)}` : '', interval[3] === null ? '' : `  step ${interval[3]}`));
    }) : make('li', { class: 'muted' }, 'No state is open.'));
  }

  // Open intervals grow, also between two answers of the agent.
  function tick() {
    if (!answer || document.hidden || !context.going()) return;
    for (const item of lanes.querySelectorAll('[data-since]')) say(item.querySelector('.elapsed'), duration(now() - Number(item.dataset.since)));
    if (viewport.whole || viewport.range[1] >= viewport.limits[1]) quietly(() => viewport.setLimits(viewport.limits[0], Math.max(viewport.limits[1], now())));
    timeline.surface.request();
  }

  function intervalTable(caption) {
    const [from, to] = viewport.range;
    const rows = answer.lanes.flatMap(({ lane, intervals }) => intervals.map((interval) => ({ lane, interval, state: answer.states[interval[2]] })))
      .filter(({ interval }) => (interval[1] ?? Infinity) >= from && interval[0] <= to)
      .sort((a, b) => b.interval[0] - a.interval[0]).slice(0, ROWS);
    return table(`${caption}, newest first${rows.length === ROWS ? `, ${ROWS} of them` : ''}`, ['Lane', 'State', 'Step', 'From', 'Lasted', ''],
      rows.map((found) => [oneLine(found.lane), oneLine(found.state), found.interval[3] ?? '', stamp(found.interval[0]), lasted(found.interval, now),
        link(placeOf(context.run, found), {}, 'log lines')]));
  }

  function showFigures(report) {
    const series = [...(report.quality ?? []), ...(report.stability ?? []), ...(report.performance?.series ?? [])];
    refill(figures, series.map((one) => link(toRun(context.run, 'curves', { q: one.metric }), { class: 'figure', data: { spike: Boolean(one.spikes?.length) } },
      make('span', { class: 'what' }, metricWords(one.metric), one.environment ? ` · ${oneLine(one.environment)}` : ''),
      make('strong', {}, inUnit(one.value, metricUnit(one.metric))),
      make('span', { class: 'muted' }, one.median === null || one.median === undefined ? '' : `usually ${inUnit(one.median, metricUnit(one.metric))}`),
      one.values?.length > 2 ? spark(one.values, metricWords(one.metric)) : null)));
    const told = (report.messages ?? []).filter((message) => message.open);
    const rows = [
      ...told.map((message) => make('li', { data: { severity: message.severity } }, make('time', {}, clock(message.time)), make('span', { class: 'kind' }, message.kind),
        link(toRun(context.run, 'problems'), {}, oneLine(message.title)))),
      ...(report.problems ?? []).map((problem) => make('li', { data: { severity: problem.level.toLowerCase() } }, make('time', {}, clock(problem.time)), make('span', { class: 'kind' }, problem.kind),
        link(toRun(context.run, 'logs', { at: problem.time, file: problem.file, line: problem.line }), {}, oneLine(problem.message).slice(0, 240)),
        problem.count > 1 ? make('span', { class: 'badge' }, `×${problem.count}`) : null)),
    ];
    refill(troubles, rows.length ? make('section', { class: 'panel', 'aria-label': 'Newest problems and alerts' },
      make('h2', {}, 'Newest problems and alerts'), make('ul', { class: 'troubles' }, rows)) : null);
  }

  timer = setInterval(tick, 250);
  load();
  if (context.report()) showFigures(context.report());
  return {
    refresh: load,
    status(report) {
      showFigures(report);
      if (answer) showLanes();
    },
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

function swatch(state, text = state) {
  const colour = make('i', { 'aria-hidden': 'true' });
  colour.style.background = stateColour(state);
  return make('span', { class: 'swatch' }, colour, oneLine(text));
}

const lasted = (interval, now) => (interval[1] === null ? `${duration(now() - interval[0])}, running` : duration(interval[1] - interval[0]));

function words({ lane, interval, state }, now) {
  const step = interval[3] === null ? '' : `, step ${interval[3]}`;
  const many = interval[4] > 1 ? `${interval[4]} intervals, most of them ` : '';
  return oneLine(`${lane}: ${many}${state}${step}, ${lasted(interval, now)}, from ${clock(interval[0])}`);
}

function tipOf(found, now) {
  if (found.marks) return found.marks.slice(0, 6).map((mark) => make('div', {}, make('strong', {}, mark.kind), ` ${clock(mark.time)}  ${oneLine(mark.title).slice(0, 160)}${mark.count > 1 ? ` ×${mark.count}` : ''}`));
  const { lane, interval, state } = found;
  return [make('strong', {}, swatch(state)), make('div', {}, lasted(interval, now), interval[3] === null ? '' : `  ·  step ${interval[3]}`),
    make('div', { class: 'muted' }, `${oneLine(lane)}  ${clock(interval[0], true)} – ${interval[1] === null ? 'now' : clock(interval[1], true)}`),
    interval[4] > 1 ? make('div', { class: 'muted' }, `${interval[4]} intervals here: zoom in`) : null];
}

function placeOf(run, found) {
  if (!found.marks) return toRun(run, 'logs', { at: found.interval[0] });
  const mark = found.marks[0];
  if (mark.kind === 'alert') return toRun(run, 'problems');
  return toRun(run, 'logs', { at: mark.time, file: mark.file, line: mark.line });
}
