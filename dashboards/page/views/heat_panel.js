// How a quantity of the rollouts is spread, step by step.
import { ask, runPath } from '../api.js';
import { HeatMap } from '../canvas/grid.js';
import { behind, choice, make, refill, table } from '../dom.js';
import { count, figure, oneLine } from '../text.js';

const COLUMNS = 300;

export class HeatPanel {
  // `pick({step, low, high})`: a step was chosen, and a part of the rewards (undefined where it is no reward);
  // `change(quantity)`: another quantity is wanted.
  constructor(run, pick, change) {
    Object.assign(this, { run, pick, change, heat: null });
    this.title = make('h2', {});
    this.picker = make('span', {});
    const plot = make('div', { class: 'chart' });
    this.element = make('section', { class: 'panel', 'aria-label': 'How rewards are spread', hidden: true },
      make('div', { class: 'bartop' }, this.title,
        make('span', { class: 'counted' }, 'the line is the mean; a click opens the step'), this.picker),
      plot, behind('How many rollouts have which value', (caption) => this.table(caption)));
    this.chart = new HeatMap(plot, {
      label: 'How many rollouts of each step have which value',
      height: 220,
      steps: [],
      tip: (column, row) => this.tip(column, row),
      pick: (column, row) => this.picked(column, row),
    });
  }

  // Null where the run has no rollouts.
  async load({ phase, environment, quantity }) {
    try {
      this.heat = await ask(runPath(this.run, 'rollouts/heat'), { phase, environment, quantity, columns: COLUMNS });
    } catch {
      this.heat = null;  // the list of rollouts says why
    }
    this.element.hidden = !this.heat?.steps.length;
    if (!this.element.hidden) this.draw();
    return this.heat;
  }

  draw() {
    const { quantity, quantities } = this.heat;
    this.title.textContent = `${oneLine(quantity)} of the rollouts, by step`;
    if (!this.picker.contains(document.activeElement) && quantities.length > 1) {
      refill(this.picker, choice('Quantity', quantities.map((name) => [name, oneLine(name)]), quantity, this.change));
    }
    this.chart.set(this.heat);
  }

  tip(column, row) {
    const { steps, counts, quantity, mean } = this.heat;
    const average = mean[column];
    return [
      make('strong', {}, `step ${count(steps[column])}`),
      make('div', {}, `${count(counts[column][row] ?? 0)} with ${oneLine(quantity)} ${this.between(row)}`),
      average === null ? null : make('div', { class: 'muted' }, `mean ${figure(average)}`),
    ];
  }

  between(row) {
    const { edges } = this.heat;
    if (row === 0) return `up to ${figure(edges[0])}`;
    if (row === edges.length) return `above ${figure(edges[row - 1])}`;
    return `${figure(edges[row - 1])} to ${figure(edges[row])}`;
  }

  picked(column, row) {
    const { edges, steps, quantity } = this.heat;
    const [low, high] = quantity === 'reward' ? [edges[row - 1], edges[row]] : [];
    this.pick({ step: steps[column], low, high });
  }

  table(caption) {
    const { edges, steps, counts } = this.heat;
    const heads = ['Step', ...edges.map((edge) => `≤ ${figure(edge)}`), `> ${figure(edges[edges.length - 1])}`];
    return table(caption, heads, steps.map((step, column) => [step, ...counts[column].map(String)]).reverse());
  }

  close() {
    this.chart.close();
  }
}
