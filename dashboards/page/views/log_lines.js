// The list of log lines: added to at both ends, one of them marked.
import { make, refill } from '../dom.js';
import { clock, oneLine, plain, stamp } from '../text.js';

const MOST = 5000;   // lines that are kept while new ones are followed
const NEAR = 40;     // pixels from the end that count as being there
const EARLY = 1e-3;  // seconds that a line may be before the time that was asked for

export class LogLines {
  constructor() {
    this.element = make('ol', { class: 'lines', tabindex: 0, 'aria-label': 'Log lines' });
  }

  get count() {
    return this.element.childElementCount;
  }

  get firstTime() {
    return this.element.firstElementChild?.dataset.time ?? '';
  }

  fill(lines) {
    refill(this.element, lines.map(row));
  }

  before(lines) {
    const height = this.element.scrollHeight;
    this.element.prepend(...lines.map(row));
    this.element.scrollTop += this.element.scrollHeight - height;
  }

  // Whether lines at the other end had to go. Who looks at the end goes on looking there.
  after(lines, follow) {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    const atEnd = scrollTop + clientHeight > scrollHeight - NEAR;
    this.element.append(...lines.map(row));
    const over = follow && this.count > MOST;
    while (follow && this.count > MOST) this.element.firstElementChild.remove();
    if (follow && atEnd) this.toEnd();
    return over;
  }

  toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  // The line of that number, or the first one from that time on.
  markPlace({ at, line, file }) {
    const rows = [...this.element.children];
    const is = ({ dataset }) => line && dataset.line === line && (!file || dataset.file === file);
    this.mark(rows.find(is) ?? rows.find(({ dataset }) => Number(dataset.time) >= Number(at) - EARLY));
  }

  mark(wanted) {
    if (!wanted) return;
    for (const old of this.element.querySelectorAll('.marked')) old.classList.remove('marked');
    wanted.classList.add('marked');
    this.element.scrollTop = wanted.offsetTop - this.element.clientHeight / 3;
  }

  // Marks the first error below the marked line, or from the top; whether there is one.
  markNextError() {
    const rows = [...this.element.children];
    const from = rows.findIndex((element) => element.classList.contains('marked')) + 1;
    const found = rows.slice(from).find(({ dataset }) => dataset.level === 'ERROR' || dataset.level === 'CRITICAL');
    this.mark(found);
    return Boolean(found);
  }
}

function row({ time, file, line, role, rank, level, text }) {
  const known = time !== null;
  return make('li', { data: { level: level ?? '', time: time ?? '', line, file } },
    make('time', { title: stamp(time) }, known ? clock(time, true) : ''),
    make('span', { class: 'role' }, oneLine(rank === null ? role : `${role} ${rank}`)),
    make('span', { class: 'level' }, level ?? ''),
    make('span', { class: 'what', title: oneLine(`${file}:${line}`) }, plain(text)));
}
