// A card of the curves' view: one quantity, a curve for each of its series and for each run that is laid over.
import { Chart, nearest } from '../canvas/chart.js';
import { smooth } from '../canvas/smooth.js';
import { curveColour } from '../colours.js';
import { behind, make, refill, table } from '../dom.js';
import { clock, figure, inUnit, metricWords, oneLine, stamp } from '../text.js';

const ROWS = 300;  // of the table behind a chart
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
    refill(this.legend, this.drawn.map((one) => this.entry(one)), first?.healthy
      ? make('span', { class: 'band' }, `healthy ${range(first.healthy)}`) : null);
    this.element.dataset.points = this.answers.reduce((sum, { curve }) => sum + curve.x.length, 0);
    this.element.dataset.curves = this.answers.length;
  }

  entry({ run, curve, y, colour, dashed }) {
    const stroke = make('i', { class: dashed ? 'stroke dashed' : 'stroke', 'aria-hidden': 'true' });
    stroke.style.color = colour;
    const last = lastFinite(y);
    return make('span', { class: 'swatch' }, stroke, oneLine(this.label(run, curve)),
      make('strong', {}, inUnit(last, this.group.unit)));
  }

  // What tells a curve from the others of its card.
  label(run, curve) {
    const all = this.answers.map((answer) => answer.curve);
    const labels = Object.entries(curve.labels ?? {}).filter(([name, value]) => !USUAL.has(name) && value);
    const telling = labels.filter(([name, value]) => all.some((other) => other.labels?.[name] !== value))
      .map(([, value]) => value);
    if (all.some((other) => other.name !== curve.name) && !telling.includes(curve.name)) telling.push(curve.name);
    const own = telling.join(' ') || curve.labels?.role || curve.name;
    const several = this.answers.some((answer) => answer.run !== this.answers[0].run);
    return several ? `${run}${telling.length ? ` ${own}` : ''}` : own;
  }

  tip(x) {
    const rows = this.drawn.map((one) => {
      const index = nearest(one.x, x);
      if (index < 0) return null;
      const value = one.faint ? one.faint[index] : one.y[index];
      const stroke = make('i', { class: 'stroke' });
      stroke.style.color = one.colour;
      return [make('span', { class: 'swatch' }, stroke, oneLine(this.label(one.run, one.curve)).slice(0, 60)),
        make('strong', {}, inUnit(value, this.group.unit)),
        one.faint ? make('span', { class: 'muted' }, `smoothed ${inUnit(one.y[index], this.group.unit)}`) : null,
          index];
    }).filter(Boolean);
    if (!rows.length) return null;
    const at = this.drawn[0].x[rows[0][3]];
    return [make('div', { class: 'muted' }, this.place(at)),
      ...rows.map(([name, value, smoothed]) => make('div', { class: 'tiprow' }, name, value, smoothed))];
  }

  place(x) {
    if (this.chart.kind === 'time') return stamp(x);
    return this.chart.kind === 'step' ? `step ${figure(x)}` : `${figure(x)} s from the start`;
  }

  table(caption) {
    const rows = this.drawn.flatMap((one) =>
      one.x.map((x, index) => [x, oneLine(this.label(one.run, one.curve)), (one.faint ?? one.y)[index]]));
    rows.sort((a, b) => b[0] - a[0]);
    return table(`${caption}, newest first`, [this.chart.kind === 'time' ? 'Time' : 'Step', 'Series', 'Value'],
      rows.slice(0, ROWS)
        .map(([x, name, value]) =>
          [this.chart.kind === 'time' ? clock(x) : figure(x), name, inUnit(value, this.group.unit)]));
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
