// What a reader sets above the curves.
import { choice, input, make, say } from '../dom.js';

const AXES = [['step', 'step'], ['time', 'time'], ['relative', 'time from the start']];

// `settings`: {q, x, weight, log}; `does`: search(text), axis(x), smooth(weight), scale(log). `others` comes last.
export function curveControls(settings, others, does) {
  const search = input('Search', {
    type: 'search',
    value: settings.q,
    placeholder: 'any metric: loss, actor/entropy, p99 …',
    autocomplete: 'off',
    'aria-label': 'Search metrics',
    oninput: (event) => does.search(event.target.value.trim()),
  });
  const shown = make('output', {}, settings.weight.toFixed(2));
  const slider = make('input', {
    type: 'range',
    min: 0,
    max: 0.99,
    step: 0.01,
    value: settings.weight,
    'aria-label': 'Smoothing',
    oninput: (event) => {
      const weight = Number(event.target.value);
      say(shown, weight.toFixed(2));
      does.smooth(weight);
    },
  });
  const scale = make('input',
    { type: 'checkbox', checked: settings.log, onchange: (event) => does.scale(event.target.checked) });
  return make('form', { class: 'controls', onsubmit: (event) => event.preventDefault() },
    search,
    choice('Against', AXES, settings.x, does.axis),
    make('label', { class: 'field' }, make('span', {}, 'Smoothing'), make('span', { class: 'row' }, slider, shown)),
    make('label', { class: 'check' }, scale, 'log scale'),
    others);
}
