// The reports on runs (docs/status.md).

// The states of a run's life in which it is over.
const OVER = ['finished', 'failed', 'cancelled', 'preempted'];

export const isOver = (report) => OVER.includes(report.progress.life);

// How a run is, in a word.
export const wordOf = (report) => (isOver(report) ? report.progress.life : report.health);

export const seriesOf = (report) => [
  ...(report?.quality ?? []), ...(report?.stability ?? []), ...(report?.performance?.series ?? []),
];

// The stream tells in brief: the newest values, which sparklines show, stay as they were asked for last.
export function merged(newer, older) {
  const key = ({ metric, environment }) => `${metric} ${environment ?? ''}`;
  const known = new Map(seriesOf(older).map((one) => [key(one), one.values]));
  for (const one of seriesOf(newer)) if (!one.values?.length) one.values = known.get(key(one));
  return newer;
}
