// Elements from data. Text reaches the page through text nodes alone, so that no log can become markup.
import { plain } from './text.js';

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'value' || name === 'checked' || name === 'hidden' || name === 'disabled') element[name] = value;
    else element.setAttribute(name, value === true ? '' : plain(value));
  }
  put(element, ...children);
  return element;
}

export function put(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(plain(child)));
  }
  return element;
}

export function refill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

// Changes a text only where it is another one: a reader's selection and screen readers are left in peace.
export function say(element, text) {
  const shown = plain(text);
  if (element.textContent !== shown) element.textContent = shown;
}

// A link to a place of this page: `place` is a path below `#`, never anything from a log.
export function link(place, properties, ...children) {
  return make('a', { ...properties, href: `#${place}` }, ...children);
}

export const button = (text, onclick, properties = {}) =>
  make('button', { type: 'button', onclick, ...properties }, text);

export function table(caption, heads, rows) {
  const head = make('tr', {}, heads.map((text) => make('th', { scope: 'col' }, text)));
  const body = rows.map((cells) => make('tr', {}, cells.map((cell) => make('td', {}, cell))));
  const whole = make('table', {}, make('caption', { class: 'unseen' }, caption), make('thead', {}, head),
    make('tbody', {}, body));
  return make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption }, whole);
}

// The figures behind a chart, for who cannot see it: made when it is opened.
export function behind(caption, fill) {
  const details = make('details', { class: 'behind' }, make('summary', {}, 'As a table'));
  details.addEventListener('toggle', () => {
    for (const old of details.querySelectorAll('.scroll')) old.remove();
    if (details.open) details.append(fill(caption));
  });
  return details;
}

export function choice(label, options, value, onchange) {
  const select = make('select', { onchange: (event) => onchange(event.target.value) },
    options.map(([key, text]) => make('option', { value: key }, text)));
  select.value = value;
  return make('label', { class: 'field' }, make('span', {}, label), select);
}

export function input(label, properties) {
  return make('label', { class: 'field' }, make('span', {}, label), make('input', properties));
}
