// A card of the curves' view: one quantity, a curve for each of its series and for each run that is laid over.
import { Chart, nearest } from '../canvas/chart.js';
import { smooth } from '../canvas/smooth.js';
import { curveColour } from '../colours.js';
import { behind, make, refill, table } from '../dom.js';
import { duration, figure, inUnit, metricWords, oneLine, stamp } from '../text.js';

const ROWS = 300;  // of the table behind a chart
const LONG = 90;    // characters of a curve's name
const USUAL = new Set(['project', 'experiment_name', 'run', 'framework']);

export class Card {
  // `group`: {title, metric, unit, help, series: [series]}; `settings`: {x, weight, log}.
  constructor(group, viewport, settings) {
    this.group = group;
    this.settings = settings;
    this.answers = [];
    this.drawn = [];
    this.stale = true;  // it should be asked for when it is seen
    this.legend = make('div', { class: 'legend' });
    const plot = make('div', { class: 'chart' });
    this.element = make('section', { class: 'card', 'aria-label': group.title, data: { name: group.title } },
      make('h3', { title: group.help },
        make('span', {}, group.metric ? metricWords(group.metric) : oneLine(group.title)),
        group.metric ? make('code', {}, oneLine(group.native)) : null),
      plot, this.legend, behind(`Values of ${group.title}`, (caption) => this.table(caption)));
    this.chart = new Chart(plot,
      { viewport, height: 190, kind: 'step', label: `Curve of ${group.title}`, tip: (x) => this.tip(x) });
  }

  // `answers`: as CurveSource.curves has them.
  show(answers) {
    this.stale = false;
    this.answers = answers;
    this.draw();
  }

  draw() {
    const { x, weight, log } = this.settings;
    this.drawn = this.answers.map(({ run, curve, other, shift }, index) => {
      const xs = shift ? curve.x.map((value) => value - shift) : curve.x;
      const raw = curve.y.map((value) => value ?? NaN);
      const smoothed = smooth(raw, weight);
      return { run, curve, x: xs, y: smoothed, faint: smoothed === raw ? null : raw, colour: curveColour(index),
        dashed: Boolean(other) };
    });
    const first = this.answers[0]?.curve;
    const kind = x === 'step' && first?.x_is === 'time' ? 'time' : x;
    this.chart.set(this.drawn, { band: first?.healthy, log, kind });
    const healthy = first?.healthy ? make('span', { class: 'band' }, `healthy ${range(first.healthy)}`) : null;
    refill(this.legend, this.drawn.map((one) => this.entry(one)), healthy);
    this.element.dataset.points = this.answers.reduce((sum, { curve }) => sum + curve.x.length, 0);
    this.element.dataset.curves = this.answers.length;
    this.element.dataset.axis = kind;
  }

  entry(one) {
    return make('span', { class: 'swatch' }, this.name(one),
      make('strong', {}, inUnit(lastFinite(one.y), this.group.unit)));
  }

  name(one) {
    const stroke = make('i', { class: one.dashed ? 'stroke dashed' : 'stroke', 'aria-hidden': 'true' });
    stroke.style.color = one.colour;
    return make('span', { class: 'swatch' }, stroke, this.label(one));
  }

  // What tells a curve from the others of its run and card.
  label({ run, curve }) {
    const all = this.answers.filter((answer) => answer.run === run).map((answer) => answer.curve);
    const labels = Object.entries(curve.labels).filter(([name, value]) => !USUAL.has(name) && value);
    const telling = labels.filter(([name, value]) => all.some((other) => other.labels[name] !== value))
      .map(([, value]) => value);
    if (all.some((other) => other.name !== curve.name) && !telling.includes(curve.name)) telling.push(curve.name);
    const several = this.answers.some((answer) => answer.run !== this.answers[0].run);
    const own = telling.join(' ') || (several ? '' : curve.labels.role || curve.name);
    return oneLine(several ? `${run} ${own}` : own).slice(0, LONG);
  }

  tip(x) {
    const lines = this.drawn.filter((one) => one.x.length).map((one) => {
      const index = nearest(one.x, x);
      const { unit } = this.group;
      return make('div', { class: 'tiprow' }, this.name(one),
        make('strong', {}, inUnit((one.faint ?? one.y)[index], unit)),
        one.faint ? make('span', { class: 'muted' }, `smoothed ${inUnit(one.y[index], unit)}`) : null);
    });
    if (!lines.length) return null;
    const [{ x: xs }] = this.drawn;
    return [make('div', { class: 'muted' }, this.place(xs[nearest(xs, x)])), ...lines];
  }

  place(x) {
    if (this.chart.kind === 'time') return stamp(x);
    return this.chart.kind === 'step' ? `step ${figure(x)}` : `${duration(x)} from the start`;
  }

  table(caption) {
    const { unit } = this.group;
    const rows = this.drawn.flatMap((one) =>
      one.x.map((x, index) => [x, this.label(one), (one.faint ?? one.y)[index]]));
    const newest = rows.sort((a, b) => b[0] - a[0]).slice(0, ROWS);
    return table(`${caption}, newest first`, [this.chart.kind === 'step' ? 'Step' : 'Time', 'Series', 'Value'],
      newest.map(([x, name, value]) => [this.place(x).replace('step ', ''), name, inUnit(value, unit)]));
  }

  close() {
    this.chart.close();
  }
}

function lastFinite(values) {
  for (let index = values.length - 1; index >= 0; index -= 1) if (Number.isFinite(values[index])) return values[index];
  return null;
}

function range([low, high]) {
  if (low === null) return `up to ${figure(high)}`;
  return high === null ? `from ${figure(low)}` : `${figure(low)} to ${figure(high)}`;
}
