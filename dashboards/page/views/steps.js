// What the steps' time goes into, lane by lane, and who waits for whom.
import { ask, runPath } from '../api.js';
import { Stack } from '../canvas/grid.js';
import { stateColour } from '../colours.js';
import { behind, choice, make, refill, say, table } from '../dom.js';
import { go, toRun } from '../place.js';
import { count, duration, oneLine } from '../text.js';

export function openSteps(host, context, parameters) {
  let last = parameters.get('last') ?? '100';
  const waits = make('p', { class: 'lead', 'aria-live': 'polite' });
  const body = make('div', {});
  let lanes = new Map();
  host.append(make('form', { class: 'controls' },
    choice('Steps', [['30', 'newest 30'], ['100', 'newest 100'], ['300', 'newest 300'], ['1000', 'newest 1,000']], last,
      (value) => {
    last = value;
    context.note({ last });
    load();
  })), waits, body);

  async function load() {
    try {
      const answer = await ask(runPath(context.run, 'steps'), { last });
      say(waits, answer.waits ? `${answer.waits[0].toUpperCase()}${oneLine(answer.waits).slice(1)}.`
        : answer.lanes.length ? 'Nobody waits for another for long.' : 'No step has a breakdown yet.');
      if (answer.lanes.map(({ lane }) => lane).join('\n') !== [...lanes.keys()].join('\n')) rebuild(answer.lanes);
      for (const lane of answer.lanes) lanes.get(lane.lane).show(lane);
    } catch (error) {
      context.fail(error);
    }
  }

  function rebuild(found) {
    for (const lane of lanes.values()) lane.close();
    lanes = new Map(found.map(({ lane }) => [lane, new Lane(lane, context.run)]));
    refill(body, [...lanes.values()].map((lane) => lane.element));
  }

  load();
  return {
    refresh: load,
    close() {
      for (const lane of lanes.values()) lane.close();
    },
  };
}

class Lane {
  constructor(name, run) {
    this.shares = make('ul', { class: 'shares' });
    const plot = make('div', { class: 'chart' });
    this.element = make('section', { class: 'panel', 'aria-label': `Steps of ${name}` }, make('h2', {}, oneLine(name)),
      plot, this.shares,
      behind(`Seconds of each step of ${name}`, (caption) => this.table(caption)));
    this.chart = new Stack(plot,
      { label: `Stacked durations of the phases, by step, of ${name}`, height: 210, steps: [], write: duration,
      tip: (column) => this.tip(column), pick: (column) => go(toRun(run, 'logs', { step: this.data.steps[column] })) });
  }

  show(data) {
    this.data = data;
    this.chart.set({ steps: data.steps, whole: data.whole ?? [],
      layers: data.states.map((state, index) => ({ colour: stateColour(state), values: data.seconds[index] })) });
    const sums = data.seconds.map((values) => values.reduce((sum, value) => sum + (value ?? 0), 0));
    const parts = sums.reduce((sum, value) => sum + value, 0);
    const whole = Math.max(parts, (data.whole ?? []).reduce((sum, value) => sum + (value ?? 0), 0)) || 1;
    const order = data.states.map((_, index) => index).sort((a, b) => sums[b] - sums[a]);
    refill(this.shares, order.map((index) => {
      const colour = make('i', { 'aria-hidden': 'true' });
      colour.style.background = stateColour(data.states[index]);
      const share = make('span', { class: 'share', 'aria-hidden': 'true' });
      share.style.width = `${(sums[index] / whole) * 100}%`;
      share.style.background = stateColour(data.states[index]);
      return make('li', {}, make('span', { class: 'swatch' }, colour, oneLine(data.states[index])),
        make('span', { class: 'track' }, share),
        make('strong', {}, `${Math.round((sums[index] / whole) * 100)} %`),
          make('span', { class: 'muted' }, `${duration(sums[index] / data.steps.length)} a step`));
    }));
  }

  tip(column) {
    const { steps, states, seconds, whole } = this.data;
    return [make('strong', {}, `step ${count(steps[column])}`), whole?.[column] ? ` ${duration(whole[column])}` : '',
      ...states.map((state, index) => [state, seconds[index][column]]).filter(([, value]) => value)
        .sort((a, b) => b[1] - a[1]).map(([state, value]) => {
        const colour = make('i', {});
        colour.style.background = stateColour(state);
        return make('div', { class: 'tiprow' }, make('span', { class: 'swatch' }, colour, oneLine(state)),
          make('strong', {}, duration(value)));
      })];
  }

  table(caption) {
    const { steps, states, seconds, whole } = this.data;
    return table(caption, ['Step', ...states.map(oneLine), 'Whole'],
      steps.map((step, column) =>
        [step, ...states.map((_, index) => duration(seconds[index][column])), duration(whole?.[column])]).reverse());
  }

  close() {
    this.chart.close();
  }
}
