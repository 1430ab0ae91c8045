// All log lines of the run, merged by time.
import { ask, runPath } from '../api.js';
import { button, choice, input, make, refill, say } from '../dom.js';
import { clock, oneLine, plain, plural, stamp } from '../text.js';

const PAGE = 200;
const MOST = 2000;  // lines on the page at once
const KEEP = ['level', 'role', 'rank', 'step', 'text', 'file', 'at', 'line'];

export function openLogs(host, context, parameters) {
  let set = Object.fromEntries(KEEP.map((name) => [name, parameters.get(name) ?? '']));
  let answer = null;
  let ends = { first: null, last: null };
  let follow = false;
  let asking = 0;
  let typing = 0;
  const form = make('form', { class: 'controls', onsubmit: (event) => event.preventDefault() });
  const summary = make('p', { class: 'counted', 'aria-live': 'polite' });
  const list = make('ol', { class: 'lines', tabindex: 0, 'aria-label': 'Log lines' });
  const before = button('Earlier', () => page('before'));
  const after = button('Later', () => page('after'));
  host.append(form, summary,
    make('div', { class: 'buttons' }, before, button('Next error', nextError),
      button('Newest', () => show({ at: '', line: '', step: '' })), following()), list,
      make('div', { class: 'buttons' }, after));

  function following() {
    return make('label', { class: 'check' }, make('input', { type: 'checkbox', onchange: (event) => {
      follow = event.target.checked;
      if (follow) show({ at: '', line: '', step: '' });
    } }), 'follow');
  }

  function show(newer) {
    Object.assign(set, newer);
    context.note(set);
    buildForm();
    load();
  }

  function buildForm() {
    if (form.contains(document.activeElement) && document.activeElement.tagName === 'INPUT') return;
    const typed = (label, name, properties) => {
      const field = input(label, { value: set[name], ...properties }, () => {});
      field.querySelector('input').addEventListener('input', (event) => {
        clearTimeout(typing);
        typing = setTimeout(() => show({ [name]: event.target.value.trim() }), 250);
      });
      return field;
    };
    const list = (names) => [['', 'all'], ...(names ?? []).map((name) => [name, oneLine(name)])];
    const files = new Set([...(answer?.files ?? []), set.file].filter(Boolean));
    refill(form,
      choice('Level',
        [['', 'all'], ['INFO', 'info and worse'], ['WARNING', 'warning and worse'], ['ERROR', 'error and worse']],
        set.level, (value) => show({ level: value })),
      choice('Role', list(answer?.roles ?? [set.role].filter(Boolean)), set.role, (value) => show({ role: value })),
      choice('File', list([...files]), set.file, (value) => show({ file: value, line: '' })),
      typed('Rank', 'rank', { type: 'number', min: 0, class: 'short' }),
        typed('Step', 'step', { type: 'number', min: 0, class: 'short' }),
      typed('Text', 'text', { type: 'search', placeholder: 'in the line' }),
      set.at ? button(`around ${clock(Number(set.at))} ×`, () => show({ at: '', line: '' }),
        { 'aria-label': 'No longer around this time' }) : null);
  }

  const filters = () => ({ level: set.level, role: set.role, rank: set.rank, text: set.text, file: set.file });

  async function load() {
    const mine = (asking += 1);
    const place = set.at ? { at: set.at, before: PAGE / 2, after: PAGE } : set.step ? { step: set.step, after: PAGE }
      : { before: PAGE };
    try {
      const newer = await ask(runPath(context.run, 'logs'), { ...filters(), ...place });
      if (mine !== asking) return;
      answer = newer;
      ends = { first: newer.first, last: newer.last };
      buildForm();
      refill(list, newer.lines.map(row));
      told();
      if (set.at) mark();
      else if (!set.step) list.scrollTop = list.scrollHeight;
    } catch (error) {
      if (mine === asking && error.name !== 'AbortError') say(summary, error.message);
    }
  }

  function told() {
    before.disabled = !answer.more_before;
    after.disabled = !answer.more_after;
    say(summary, list.childElementCount
      ? `${plural(list.childElementCount, 'line')} of ${plural(answer.files?.length ?? 1, 'file')}.`
      : 'No line fits these filters.');
  }

  // The line that was asked for, or the first one from that time on.
  function mark() {
    const rows = [...list.children];
    const named = set.line
      && rows.find((element) => element.dataset.line === set.line && (!set.file || element.dataset.file === set.file));
    const wanted = named || rows.find((element) => Number(element.dataset.time) >= Number(set.at) - 1e-3);
    if (wanted) reveal(wanted);
  }

  function reveal(element) {
    for (const old of list.querySelectorAll('.marked')) old.classList.remove('marked');
    element.classList.add('marked');
    list.scrollTop = element.offsetTop - list.clientHeight / 3;
  }

  async function page(side) {
    const cursor = side === 'before' ? ends.first : ends.last;
    if (!cursor) return;
    try {
      const newer = await ask(runPath(context.run, 'logs'), { ...filters(), cursor, [side]: PAGE });
      const rows = newer.lines.map(row);
      if (side === 'before') {
        const height = list.scrollHeight;
        list.prepend(...rows);
        list.scrollTop += list.scrollHeight - height;
        if (newer.first) ends.first = newer.first;
        answer.more_before = newer.more_before;
        while (list.childElementCount > MOST) list.lastElementChild.remove();
      } else {
        const atEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 40;
        list.append(...rows);
        if (newer.last) ends.last = newer.last;
        answer.more_after = newer.more_after;
        while (list.childElementCount > MOST) list.firstElementChild.remove();
        if (atEnd && follow) list.scrollTop = list.scrollHeight;
      }
      told();
    } catch (error) {
      context.fail(error);
    }
  }

  async function nextError() {
    const marked = list.querySelector('.marked');
    const rows = [...list.children];
    const below = rows.slice(marked ? rows.indexOf(marked) + 1 : 0)
      .find((element) => /ERROR|CRITICAL|FATAL/.test(element.dataset.level));
    if (below) {
      reveal(below);
      return;
    }
    const { lines } = await ask(runPath(context.run, 'logs'),
      { ...filters(), level: 'ERROR', cursor: ends.last, after: 1 });
    if (lines.length) show({ at: String(lines[0].time), line: String(lines[0].line), step: '' });
    else say(summary, 'No error follows.');
  }

  buildForm();
  load();
  return {
    refresh() {
      if (follow && answer && !set.at) page('after');
    },
    route(newer) {
      const next = Object.fromEntries(KEEP.map((name) => [name, newer.get(name) ?? '']));
      if (JSON.stringify(next) === JSON.stringify(set)) return;
      set = next;
      buildForm();
      load();
    },
    close() {
      clearTimeout(typing);
    },
  };
}

function row({ time, file, line, role, rank, level, text }) {
  const stamped = time === null || time === undefined ? '' : clock(time, true);
  return make('li', { data: { level: level ?? '', time: time ?? '', line, file } },
    make('time', { title: stamp(time) }, stamped),
      make('span', { class: 'role' }, oneLine(rank === null || rank === undefined ? role : `${role} ${rank}`)),
    make('span', { class: 'level' }, level ?? ''),
      make('span', { class: 'what', title: oneLine(`${file}:${line}`) }, plain(text)));
}
