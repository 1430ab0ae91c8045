// The timeline's intervals as they are drawn: bands of steps apart from the phases, and how many phases contain one.
import { lowerBound } from './scale.js';

// An interval is [start, end | null, index of the state, step | null, count]; `depth` is how many others contain it.
export function lanesOf(answer) {
  const whole = answer.states.indexOf('step');
  return answer.lanes.map(({ lane, intervals }) => {
    const phases = intervals.filter((interval) => interval[2] !== whole);
    return { lane, phases: nested(phases), steps: nested(intervals.filter((interval) => interval[2] === whole)) };
  });
}

function nested(intervals) {
  const sorted = [...intervals].sort((a, b) => a[0] - b[0] || (b[1] ?? Infinity) - (a[1] ?? Infinity));
  const around = [];
  const depths = new Uint8Array(sorted.length);
  let longest = 0;
  sorted.forEach(([start, end], index) => {
    const until = end ?? Infinity;
    while (around.length && around[around.length - 1] <= start + 1e-6) around.pop();
    depths[index] = Math.min(3, around.filter((other) => other >= until - 1e-6).length);
    around.push(until);
    around.sort((a, b) => b - a);
    if (end !== null) longest = Math.max(longest, end - start);
  });
  const open = sorted.filter((interval) => interval[1] === null);
  return { sorted, depths, longest, open, firstOpen: open.length ? open[0][0] : Infinity };
}

// The indexes [begin, end) of what may be seen between `from` and `to`.
export function seen({ sorted, longest, firstOpen }, from, to) {
  const earliest = Math.min(from - longest, firstOpen < to ? firstOpen : Infinity);
  return [lowerBound(sorted, earliest, (interval) => interval[0]), lowerBound(sorted, to, (interval) => interval[0])];
}

// The innermost interval at `time`, a little of slack on both sides; null where there is none.
export function at(group, time, now, slack) {
  const [begin, end] = seen(group, time - slack, time + slack);
  let found = null;
  let deepest = -1;
  for (let index = begin; index < end; index += 1) {
    const interval = group.sorted[index];
    const until = interval[1] ?? now;
    if (interval[0] - slack > time || until + slack < time) continue;
    if (group.depths[index] >= deepest) {
      found = interval;
      deepest = group.depths[index];
    }
  }
  return found;
}

// Where most of the intervals are, if a gap without any takes most of the time: a break between two attempts, or files
// whose times are not those of the log. Null where everything is worth seeing.
export function bulk({ begin, end, lanes }) {
  const all = lanes.flatMap(({ intervals }) => intervals).map(([from, to, , , count]) => [from, to ?? end, count])
    .sort((a, b) => a[0] - b[0]);
  const clusters = [];
  const gap = (end - begin) / 2;
  for (const [from, to, count] of all) {
    const last = clusters[clusters.length - 1];
    if (last && from - last.to < gap) {
      last.to = Math.max(last.to, to);
      last.count += count;
    } else clusters.push({ from, to, count });
  }
  const best = clusters.sort((a, b) => b.count - a.count)[0];
  if (!best || best.to - best.from > gap) return null;
  const air = (best.to - best.from) * 0.02 + 0.5;
  return [best.from - air, best.to + air];
}
