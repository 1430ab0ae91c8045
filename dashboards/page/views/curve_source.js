// Curves from the agent: of this run by their series, of the runs laid over it by the same series or common metric.
import { ask, runPath } from '../api.js';

const SERIES = 8;   // of one card
const BATCH = 60;   // of one request; the agent takes 64
const POINTS = 1000;
const BESIDE = 0.1; // of the range, on both sides: lines go on to the edge

export class CurveSource {
  // `settings.x`: step, time or relative (time from the beginning of the run).
  constructor(run, settings) {
    this.run = run;
    this.others = [];
    this.settings = settings;
    this.begins = new Map();
  }

  // group → [{run, curve, other, shift}], this run first. `range`: the part of the axis, null for all of it.
  async curves(groups, range) {
    const asked = [this.run, ...this.others].flatMap((run) => batches(groups)
      .map((batch) => this.ofRun(run, batch, range)));
    const found = new Map(groups.map((group) => [group, []]));
    for (const { run, batch, curves, shift } of await Promise.all(asked)) {
      const other = run !== this.run;
      for (const group of batch) {
        const ids = idsOf(group);
        const fits = (curve) => ids.includes(curve.id) || (other && group.metric && curve.metric === group.metric);
        found.get(group)
          .push(...curves.filter((curve) => curve.x.length && fits(curve))
            .map((curve) => ({ run, curve, other, shift })));
      }
    }
    return found;
  }

  async ofRun(run, batch, range) {
    const shift = this.settings.x === 'relative' ? await this.begin(run) : 0;
    const window = range ? { from: range[0] + shift - beside(range), to: range[1] + shift + beside(range) } : {};
    const own = run === this.run;
    const { curves } = await ask(runPath(run, 'curves'), {
      id: batch.filter((group) => own || !group.metric).flatMap(idsOf),
      metric: own ? [] : batch.map((group) => group.metric).filter(Boolean),
      x: this.settings.x === 'step' ? 'step' : 'time',
      points: POINTS,
      ...window,
    });
    return { run, batch, curves, shift };
  }

  async begin(run) {
    if (!this.begins.has(run)) {
      const { begin } = await ask(runPath(run, 'timeline'), { width: 10 });
      this.begins.set(run, begin);
    }
    return this.begins.get(run);
  }
}

const idsOf = (group) => group.series.slice(0, SERIES).map((one) => one.id);
const beside = ([from, to]) => (to - from) * BESIDE;

function batches(groups) {
  const made = [[]];
  let size = 0;
  for (const group of groups) {
    const more = Math.min(SERIES, group.series.length);
    if (size + more > BATCH) {
      made.push([]);
      size = 0;
    }
    made[made.length - 1].push(group);
    size += more;
  }
  return made;
}

// Series of one common metric, or of one key, are one card.
export function grouped(series) {
  const groups = new Map();
  for (const one of series) {
    const title = one.metric ?? one.name;
    if (!groups.has(title)) {
      const { metric, unit, help, name } = one;
      groups.set(title, { title, metric, unit, help, native: name, series: [] });
    }
    groups.get(title).series.push(one);
  }
  return [...groups.values()];
}
