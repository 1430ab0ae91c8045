// Intervals and marks in words: in the box beside the pointer, aloud, and as a table.
import { stateColour } from '../colours.js';
import { link, make, table } from '../dom.js';
import { toRun } from '../place.js';
import { clock, duration, oneLine, stamp } from '../text.js';

const ROWS = 300;  // of the table behind the timeline
const MARKS = 6;   // in one box

// `found`: {lane, interval, state}, or {marks}. `now`: until when open intervals last.
export function* intervalsOf(answer) {
  for (const { lane, intervals } of answer.lanes) {
    for (const interval of intervals) yield { lane, interval, state: answer.states[interval[2]] };
  }
}

export function swatch(state, text = state) {
  const colour = make('i', { 'aria-hidden': 'true' });
  colour.style.background = stateColour(state);
  return make('span', { class: 'swatch' }, colour, oneLine(text));
}

const stepOf = ([, , , step]) => (step === null ? '' : `step ${step}`);

function lasted([start, end], now) {
  return end === null ? `${duration(now - start)}, running` : duration(end - start);
}

export function inWords({ lane, interval, state }, now) {
  const many = interval[4] > 1 ? `${interval[4]} intervals, most of them ` : '';
  const parts = [`${lane}: ${many}${state}`, stepOf(interval), lasted(interval, now), `from ${clock(interval[0])}`];
  return oneLine(parts.filter(Boolean).join(', '));
}

export function boxOf(found, now) {
  if (found.marks) return found.marks.slice(0, MARKS).map(markLine);
  const { lane, interval, state } = found;
  const end = interval[1] === null ? 'now' : clock(interval[1], true);
  return [
    make('strong', {}, swatch(state)),
    make('div', {}, [lasted(interval, now), stepOf(interval)].filter(Boolean).join('  ·  ')),
    make('div', { class: 'muted' }, `${oneLine(lane)}  ${clock(interval[0], true)} – ${end}`),
    interval[4] > 1 ? make('div', { class: 'muted' }, `${interval[4]} intervals here: zoom in`) : null,
  ];
}

function markLine({ kind, time, title, count }) {
  const many = count > 1 ? ` ×${count}` : '';
  return make('div', {}, make('strong', {}, kind), ` ${clock(time)}  ${oneLine(title).slice(0, 160)}${many}`);
}

// Where a click leads: to the lines of the log, from an alert to what it says.
export function placeOf(run, found) {
  if (!found.marks) return toRun(run, 'logs', { at: found.interval[0] });
  const [mark] = found.marks;
  if (mark.kind === 'alert') return toRun(run, 'problems');
  return toRun(run, 'logs', { at: mark.time, file: mark.file, line: mark.line });
}

export function intervalTable(caption, run, answer, [from, to], now) {
  const rows = [...intervalsOf(answer)]
    .filter(({ interval }) => (interval[1] ?? Infinity) >= from && interval[0] <= to)
    .sort((a, b) => b.interval[0] - a.interval[0]).slice(0, ROWS);
  const some = rows.length === ROWS ? `, ${ROWS} of them` : '';
  return table(`${caption}, newest first${some}`, ['Lane', 'State', 'Step', 'From', 'Lasted', ''], rows.map((found) => {
    const { lane, interval, state } = found;
    const lines = link(placeOf(run, found), {}, 'log lines');
    return [oneLine(lane), oneLine(state), interval[3] ?? '', stamp(interval[0]), lasted(interval, now), lines];
  }));
}
