// One lane's steps as stacked bars, and what its time goes into on the whole.
import { Stack } from '../canvas/grid.js';
import { stateColour } from '../colours.js';
import { behind, make, refill, table } from '../dom.js';
import { go, toRun } from '../place.js';
import { count, duration, oneLine } from '../text.js';
import { swatch } from './intervals.js';

const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);

export class StepLane {
  constructor(name, run) {
    this.shares = make('ul', { class: 'shares' });
    const plot = make('div', { class: 'chart' });
    this.element = make('section', { class: 'panel', 'aria-label': `Steps of ${name}` },
      make('h2', {}, oneLine(name)), plot, this.shares,
      behind(`Seconds of each step of ${name}`, (caption) => this.table(caption)));
    this.chart = new Stack(plot, {
      label: `Stacked durations of the phases, by step, of ${name}`,
      height: 210,
      steps: [],
      write: duration,
      tip: (column) => this.tip(column),
      pick: (column) => go(toRun(run, 'logs', { step: this.data.steps[column] })),
    });
  }

  // `data`: {steps, states, seconds[state][step], whole[step]}.
  show(data) {
    this.data = data;
    const { steps, states, seconds, whole } = data;
    const layers = states.map((state, index) => ({ colour: stateColour(state), values: seconds[index] }));
    this.chart.set({ steps, whole, layers });
    const spent = states.map((state, index) => ({ state, total: sum(seconds[index]) }))
      .sort((a, b) => b.total - a.total);
    const all = Math.max(sum(whole), sum(spent.map(({ total }) => total))) || 1;
    refill(this.shares, spent.map(({ state, total }) => this.share(state, total / all, total / steps.length)));
  }

  share(state, part, seconds) {
    const bar = make('span', { class: 'share', 'aria-hidden': 'true' });
    bar.style.width = `${part * 100}%`;
    bar.style.background = stateColour(state);
    return make('li', {}, swatch(state), make('span', { class: 'track' }, bar),
      make('strong', {}, `${Math.round(part * 100)} %`),
      make('span', { class: 'muted' }, `${duration(seconds)} a step`));
  }

  tip(column) {
    const { steps, states, seconds, whole } = this.data;
    const spent = states.map((state, index) => [state, seconds[index][column]]).filter(([, value]) => value);
    const lines = spent.sort((a, b) => b[1] - a[1])
      .map(([state, value]) => make('div', { class: 'tiprow' }, swatch(state), make('strong', {}, duration(value))));
    return [make('strong', {}, `step ${count(steps[column])}`), whole[column] ? ` ${duration(whole[column])}` : '',
      lines];
  }

  table(caption) {
    const { steps, states, seconds, whole } = this.data;
    const rows = steps.map((step, column) =>
      [step, ...seconds.map((values) => duration(values[column])), duration(whole[column])]);
    return table(caption, ['Step', ...states.map(oneLine), 'Whole'], rows.reverse());
  }

  close() {
    this.chart.close();
  }
}
