// All log lines of the run, merged by time.
import { ask, runPath } from '../api.js';
import { button, choice, input, make, refill, say } from '../dom.js';
import { clock, oneLine, plural } from '../text.js';
import { LogLines } from './log_lines.js';

const PAGE = 200;
const TYPED = 250;  // ms without a key before an answer is asked for
const SET = ['level', 'role', 'rank', 'step', 'text', 'file', 'at', 'line'];
const NO_PLACE = { at: '', line: '', step: '' };
const LEVELS = [['', 'all'], ['INFO', 'info and worse'], ['WARNING', 'warning and worse'],
  ['ERROR', 'error and worse']];

export function openLogs(host, context, parameters) {
  let set = valuesOf(parameters);
  let answer = null;
  let follow = false;
  let asking = 0;
  let typing = 0;
  const form = make('form', { class: 'controls', onsubmit: (event) => event.preventDefault() });
  const summary = make('p', { class: 'counted', 'aria-live': 'polite' });
  const lines = new LogLines();
  const before = button('Earlier', earlier);
  const after = button('Later', () => more('after'));
  const following = make('input', { type: 'checkbox', onchange: (event) => {
    follow = event.target.checked;
    if (follow) show(NO_PLACE);
  } });
  host.append(form, summary,
    make('div', { class: 'buttons' }, before, button('Next error', nextError), button('Newest', () => show(NO_PLACE)),
      make('label', { class: 'check' }, following, 'follow')),
    lines.element, make('div', { class: 'buttons' }, after));

  function show(newer) {
    Object.assign(set, newer);
    context.note(set);
    fillForm();
    load();
  }

  function fillForm() {
    if (form.contains(document.activeElement) && document.activeElement.tagName === 'INPUT') return;
    const all = (names = []) => [['', 'all'], ...names.map((name) => [name, oneLine(name)])];
    const files = new Set([...(answer?.files ?? []), set.file].filter(Boolean));
    const roles = new Set([...(answer?.roles ?? []), set.role].filter(Boolean));
    refill(form,
      choice('Level', LEVELS, set.level, (level) => show({ level })),
      choice('Role', all([...roles]), set.role, (role) => show({ role })),
      choice('File', all([...files]), set.file, (file) => show({ file, line: '' })),
      typed('Rank', 'rank', { type: 'number', min: 0, class: 'short' }),
      typed('Step', 'step', { type: 'number', min: 0, class: 'short' }),
      typed('Text', 'text', { type: 'search', placeholder: 'in the line' }),
      set.at ? button(`around ${clock(Number(set.at))} ×`, () => show(NO_PLACE),
        { 'aria-label': 'No longer around this time' }) : null);
  }

  function typed(label, name, properties) {
    const oninput = (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => show({ [name]: event.target.value.trim() }), TYPED);
    };
    return input(label, { value: set[name], ...properties, oninput });
  }

  const asked = (place) => {
    const { level, role, rank, text, file } = set;
    return ask(runPath(context.run, 'logs'), { level, role, rank, text, file, ...place });
  };

  function place() {
    if (set.at) return { at: set.at, before: PAGE / 2, after: PAGE };
    return set.step ? { step: set.step, before: 0, after: PAGE } : { before: PAGE, after: 0 };
  }

  async function load() {
    const mine = (asking += 1);
    try {
      const newer = await asked(place());
      if (mine !== asking) return;
      answer = newer;
      fillForm();
      lines.fill(answer.lines);
      tell();
      if (set.at) lines.markPlace(set);
      else if (!set.step) lines.toEnd();
    } catch (error) {
      if (mine === asking) say(summary, error.message);
    }
  }

  function tell() {
    before.disabled = !answer.more_before;
    after.disabled = !answer.more_after;
    const shown = `${plural(lines.count, 'line')} of ${plural(answer.files.length, 'file')}.`;
    say(summary, lines.count ? shown : 'No line fits these filters.');
  }

  // Where lines at the top made room for new ones, their place is found again by the time.
  function earlier() {
    if (answer.first === null && lines.firstTime) show({ ...NO_PLACE, at: lines.firstTime });
    else more('before');
  }

  async function more(side) {
    const mine = asking;
    const cursor = side === 'before' ? answer.first : answer.last;
    if (cursor === null) {
      load();  // there was nothing yet
      return;
    }
    try {
      const newer = await asked({ cursor, before: 0, after: 0, [side]: PAGE });
      if (mine !== asking || cursor !== (side === 'before' ? answer.first : answer.last)) return;
      if (side === 'before') {
        lines.before(newer.lines);
        answer.first = newer.first ?? cursor;
        answer.more_before = newer.more_before;
      } else {
        if (lines.after(newer.lines, follow)) answer.first = null;
        answer.last = newer.last ?? cursor;
        answer.more_after = newer.more_after;
      }
      tell();
    } catch (error) {
      say(summary, error.message);
    }
  }

  async function nextError() {
    if (lines.markNextError() || !answer?.last) return;
    const { lines: found } = await asked({ cursor: answer.last, before: 0, after: 1, level: 'ERROR' });
    if (found.length) show({ at: String(found[0].time), line: String(found[0].line), step: '' });
    else say(summary, 'No error follows.');
  }

  fillForm();
  load();
  return {
    refresh() {
      if (follow && answer && !set.at) more('after');
    },
    route(newer) {
      const next = valuesOf(newer);
      if (JSON.stringify(next) === JSON.stringify(set)) return;
      set = next;
      fillForm();
      load();
    },
    close() {
      clearTimeout(typing);
    },
  };
}

const valuesOf = (parameters) => Object.fromEntries(SET.map((name) => [name, parameters.get(name) ?? '']));
