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

const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

// The same for local time: on full seconds, minutes, hours, days.
export function timeTicks(from, to, wanted) {
  const raw = (to - from) / wanted;
  if (raw < 1) return ticks(from, to, wanted);
  const step = SPANS.find((size) => size >= raw) ?? Math.ceil(raw / 86400) * 86400;
  const shift = new Date(from * 1000).getTimezoneOffset() * 60;
  const found = [];
  const first = Math.ceil((from - shift) / step) * step + shift;
  for (let place = first; place <= to; place += step) found.push(place);
  return found;
}

// `kind`: step, time (Unix seconds) or relative (seconds).
export function axis(kind, from, to, wanted) {
  if (kind === 'time') {
    const places = timeTicks(from, to, wanted);
    const long = to - from > 2 * 86400;
    return places.map((place) =>
      [place, long ? day(place).slice(5) : clock(place, places[1] - places[0] < 1)
        .replace(to - from > 600 ? /:\d\d$/ : /$^/, '')]);
  }
  if (kind === 'relative') return timeTicks(from, to, wanted)
    .map((place) => [place, place === 0 ? '0' : duration(place)]);
  return ticks(from, to, wanted).filter(Number.isInteger).map((place) => [place, figure(place)]);
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
