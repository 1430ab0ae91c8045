// Where to put the marks of an axis, and what to write there.
import { clock, day, duration, figure } from '../text.js';

// About `wanted` round numbers in [from, to].
export function ticks(from, to, wanted) {
  const span = to - from;
  if (!(span > 0) || wanted < 1) return [];
  const raw = span / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const found = [];
  for (let index = Math.ceil(from / step); index * step <= to; index += 1) found.push(Number((index * step)
    .toPrecision(12)));
  return found;
}

const SPANS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000,
];

// The same for seconds: on full minutes, hours, days, counted from `zero`.
export function timeTicks(from, to, wanted, zero = 0) {
  const raw = (to - from) / wanted;
  if (raw < 1) return ticks(from, to, wanted);
  const step = SPANS.find((size) => size >= raw) ?? SPANS[SPANS.length - 1];
  const found = [];
  const first = Math.ceil((from - zero) / step) * step + zero;
  for (let place = first; place <= to; place += step) found.push(place);
  return found;
}

// [place, what is written there] for each mark. `kind`: step, time (Unix seconds) or relative (seconds).
export function axis(kind, from, to, wanted) {
  if (kind === 'step') return ticks(from, to, wanted).filter(Number.isInteger).map((place) => [place, figure(place)]);
  if (kind === 'relative') return timeTicks(from, to, wanted)
    .map((place) => [place, place === 0 ? '0' : duration(place)]);
  const midnight = new Date(from * 1000).getTimezoneOffset() * 60;
  const places = timeTicks(from, to, wanted, midnight);
  return places.map((place) => [place, hour(place, to - from, places[1] - places[0])]);
}

function hour(time, span, step) {
  if (span > 2 * 86400) return day(time).slice(5);
  if (span > 600) return clock(time).slice(0, 5);
  return clock(time, step < 1);
}

// Lower and upper end of an axis for values in [low, high], with some air.
export function padded(low, high, part = 0.06) {
  if (!(high > low)) {
    const air = Math.abs(low) * 0.1 || 1;
    return [low - air, low + air];
  }
  const air = (high - low) * part;
  return [low - air, high + air];
}

// The index of the first element of the sorted `list` that is not below `value`.
export function lowerBound(list, value, read = (item) => item) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (read(list[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
