// How the page writes numbers, times and the text of logs. Nothing here builds HTML.

// Control and format characters (ANSI, bidirectional overrides, zero-width and tag characters), line separators, lone
// surrogates and private use: a reader sees their code, the browser never obeys them.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;

export function plain(value) {
  return String(value ?? '').replace(HIDDEN, (found) => {
    if (found === '\n' || found === '\t') return found;
    const code = found.codePointAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

export const oneLine = (value) => plain(value).replace(/\s*\n\s*/g, ' ⏎ ').replace(/\t/g, ' ');

// Four significant digits, short: 0.05218, 1,238, 1.2e-7.
export function figure(value) {
  if (value === null || value === undefined) return '–';
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(2).replace('e+', 'e');
  if (size >= 10000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(4)));
}

const UNITS = { seconds: 's', bytes: 'B', tokens: 'tokens', tokens_per_second: 'tokens/s', steps: 'steps',
  nats: 'nats' };

export function inUnit(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return figure(value);
  if (unit === 'seconds') return duration(value);
  if (unit === 'bytes') return bytes(value);
  if (unit === 'ratio') return `${figure(value * 100)} %`;
  const word = UNITS[unit];
  return word ? `${figure(value)} ${word}` : figure(value);
}

export function bytes(value) {
  const steps = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let index = 0;
  for (; value >= 1024 && index < steps.length - 1; index += 1) value /= 1024;
  return `${figure(value)} ${steps[index]}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  const size = Math.abs(seconds);
  if (size < 1) return `${figure(seconds * 1000)} ms`;
  if (size < 10) return `${seconds.toFixed(1)} s`;
  if (size < 120) return `${Math.round(seconds)} s`;
  if (size < 7200) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (size < 172800) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.round((seconds % 86400) / 3600)} h`;
}

const two = (number) => String(number).padStart(2, '0');

export function clock(time, fraction = false) {
  if (time === null || time === undefined) return '–';
  const date = new Date(time * 1000);
  const tail = fraction ? `.${String(date.getMilliseconds()).padStart(3, '0')}` : '';
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}${tail}`;
}

export function day(time) {
  const date = new Date(time * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

export const stamp = (time) => (time === null || time === undefined ? '–' : `${day(time)} ${clock(time)}`);

// A time to come: the hour, with the day where it is not today.
export function when(time, now) {
  const hour = clock(time).slice(0, 5);
  return day(time) === day(now) ? hour : `${day(time)} ${hour}`;
}

export function ago(time, now) {
  const seconds = now - time;
  return seconds < 2 ? 'now' : `${duration(seconds)} ago`;
}

export const count = (number) => Number(number).toLocaleString('en-US');
export const plural = (number, word, more = `${word}s`) => `${count(number)} ${number === 1 ? word : more}`;

// A common metric in words, and its unit, which its name ends in: rl_sequence_length_mean_tokens is “sequence length
// mean” in tokens.
const ENDS = [['_tokens_per_second', 'tokens_per_second'], ['_seconds', 'seconds'], ['_bytes', 'bytes'],
  ['_ratio', 'ratio'], ['_tokens', 'tokens']];

export function metricWords(metric) {
  const end = ENDS.find(([suffix]) => metric.endsWith(suffix));
  const stem = end ? metric.slice(0, -end[0].length) : metric;
  return oneLine(stem.replace(/^rl_/, '').replaceAll('_', ' '));
}

export const metricUnit = (metric) => ENDS.find(([suffix]) => metric.endsWith(suffix))?.[1] ?? null;
