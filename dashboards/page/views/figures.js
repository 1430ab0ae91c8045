// The figures that tell most of a run, and its newest troubles.
import { link, make } from '../dom.js';
import { toRun } from '../place.js';
import { seriesOf } from '../report.js';
import { clock, inUnit, metricUnit, metricWords, oneLine } from '../text.js';
import { spark } from './spark.js';

export function figureCards(run, report) {
  return seriesOf(report).map(({ metric, environment, value, median, values, spikes }) => {
    const unit = metricUnit(metric);
    const name = metricWords(metric);
    return link(toRun(run, 'curves', { q: metric }), { class: 'figure', data: { spike: Boolean(spikes?.length) } },
      make('span', { class: 'what' }, environment ? `${name} · ${oneLine(environment)}` : name),
      make('strong', {}, inUnit(value, unit)),
      make('span', { class: 'muted' }, median === null || median === undefined ? ''
        : `usually ${inUnit(median, unit)}`),
      values?.length > 2 ? spark(values, name) : null);
  });
}

export function troublePanel(run, { messages = [], problems = [] }) {
  const rows = [
    ...messages.filter((message) => message.open)
      .map(({ severity, time, kind, title }) => row(severity, time, kind, title, toRun(run, 'problems'))),
    ...problems.map(({ level, time, kind, message, file, line, count }) =>
      row(level.toLowerCase(), time, kind, message, toRun(run, 'logs', { at: time, file, line }), count)),
  ];
  if (!rows.length) return null;
  return make('section', { class: 'panel', 'aria-label': 'Newest problems and alerts' },
    make('h2', {}, 'Newest problems and alerts'), make('ul', { class: 'troubles' }, rows));
}

function row(severity, time, kind, text, place, count = 1) {
  return make('li', { data: { severity } }, make('time', {}, clock(time)), make('span', { class: 'kind' }, kind),
    link(place, {}, oneLine(text).slice(0, 240)), count > 1 ? make('span', { class: 'badge' }, `×${count}`) : null);
}
