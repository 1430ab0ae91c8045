// Problems, grouped, with their tracebacks; alerts and messages.
import { ask, runPath } from '../api.js';
import { link, make, refill, say } from '../dom.js';
import { toRun } from '../place.js';
import { clock, count, figure, oneLine, plain, plural, stamp } from '../text.js';

export function openProblems(host, context) {
  const summary = make('p', { class: 'lead', 'aria-live': 'polite' });
  const alerts = make('ul', { class: 'groups', 'aria-label': 'Alerts and messages' });
  const problems = make('ul', { class: 'groups', 'aria-label': 'Problems' });
  const alertPanel = make('section', { class: 'panel', hidden: true }, make('h2', {}, 'Alerts and messages'), alerts);
  const problemPanel = make('section', { class: 'panel', hidden: true }, make('h2', {}, 'Problems'), problems);
  host.append(summary, alertPanel, problemPanel);
  let shown = '';

  async function load() {
    try {
      const [found, told] = await Promise.all(['problems', 'alerts'].map((what) => ask(runPath(context.run, what))));
      const key = JSON.stringify([found, told]);
      if (key === shown) return;  // what is unfolded stays so
      shown = key;
      draw(found, told);
    } catch (error) {
      context.fail(error);
    }
  }

  function draw(found, told) {
    const unfolded = new Set([...host.querySelectorAll('details[open]')].map((details) => details.dataset.key));
    const lines = found.problems.reduce((sum, problem) => sum + problem.count, 0);
    const open = told.messages.filter((message) => message.open).length;
    const firing = told.alerts.filter((alert) => alert.resolved_time === null).length;
    const parts = [
      found.total && `${plural(found.total, 'kind')} of problem on ${plural(lines, 'line')}`,
      told.alerts.length && `${plural(told.alerts.length, 'alert')}`,
      open + firing && `${count(open + firing)} not over`,
    ].filter(Boolean);
    say(summary, parts.length ? `${parts.join(', ')}.` : 'The logs show no problem, and there was no alert.');
    const entries = [...told.alerts.map((alert) => alertEntry(alert, context.run)),
      ...told.messages.map((message) => messageEntry(message, context.run))];
    refill(alerts, entries.sort((a, b) => b.time - a.time).map(({ element }) => element));
    alertPanel.hidden = !entries.length;
    refill(problems, found.problems.map((problem) => problemEntry(problem, context.run)));
    problemPanel.hidden = !found.problems.length;
    for (const details of host.querySelectorAll('details')) details.open = unfolded.has(details.dataset.key);
  }

  load();
  return { refresh: load };
}

function stepsOf(first, last) {
  if (first === null) return '';
  return last === null || first === last ? `step ${first}` : `steps ${first} to ${last}`;
}

const logsOf = (run, parameters) => link(toRun(run, 'logs', parameters), {}, 'log lines');
const listed = (facts) => oneLine(facts.filter(Boolean).join('  ·  '));

function problemEntry(problem, run) {
  const { kind, level, title, message, file, line, count: many, first_time: first, last_time: last } = problem;
  const when = many > 1 ? `${stamp(first)} to ${clock(last)}` : stamp(last);
  const facts = listed([stepsOf(problem.first_step, problem.last_step), when, `${file}:${line}`]);
  return make('li', { data: { severity: level.toLowerCase() } },
    make('details', { data: { key: `${kind} ${file} ${title}` } },
      make('summary', {}, make('span', { class: 'kind' }, kind), make('span', { class: 'title' }, oneLine(title)),
        many > 1 ? make('span', { class: 'badge' }, `×${count(many)}`) : null),
      make('pre', { tabindex: 0, 'aria-label': 'The whole message' }, plain(message))),
    make('p', { class: 'facts' }, facts, '  ·  ', logsOf(run, { at: last, file, line })));
}

function alertEntry(alert, run) {
  const { time, detector, value, usual, series, resolved_time: over } = alert;
  const figures = value === null ? '' : `${figure(value)}${usual === null ? '' : `, usually ${figure(usual)}`}`;
  const facts = listed([stamp(time), stepsOf(alert.step, alert.resolved_step),
    over === null ? 'not over' : `over since ${clock(over)}`, figures]);
  const curve = series ? ['  ·  ', link(toRun(run, 'curves', { q: series }), {}, 'curve')] : null;
  return { time, element: entry({ ...alert, kind: detector, open: over === null },
    [facts, '  ·  ', logsOf(run, { at: time }), curve]) };
}

function messageEntry(message, run) {
  const { time, step, open } = message;
  const facts = listed([stamp(time), stepsOf(step, null), open ? 'not over' : '']);
  return { time, element: entry(message, [facts, '  ·  ', logsOf(run, { at: time })]) };
}

function entry({ severity, kind, title, text, todo, open }, facts) {
  return make('li', { data: { severity, open } },
    make('p', { class: 'line' }, make('span', { class: 'kind' }, oneLine(kind)),
      make('span', { class: 'title' }, oneLine(title))),
    [text, todo].filter(Boolean).map((one) => make('p', { class: 'says' }, plain(one))),
    make('p', { class: 'facts' }, facts));
}
