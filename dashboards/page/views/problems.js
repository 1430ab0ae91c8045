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
      const [found,
        told] = await Promise.all([ask(runPath(context.run, 'problems')), ask(runPath(context.run, 'alerts'))]);
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

const stepsOf = (first, last) => (first === null ? '' : first === last || last === null ? `step ${first}`
  : `steps ${first} to ${last}`);

function problemEntry(problem, run) {
  const logs = toRun(run, 'logs', { at: problem.last_time, file: problem.file, line: problem.line });
  const when = [stepsOf(problem.first_step, problem.last_step), problem.count > 1
    ? `${stamp(problem.first_time)} to ${clock(problem.last_time)}` : stamp(problem.last_time),
    `${problem.file}:${problem.line}`].filter(Boolean);
  return make('li', { data: { severity: problem.level.toLowerCase() } },
    make('details', { data: { key: `${problem.kind} ${problem.file} ${problem.title}` } },
      make('summary', {}, make('span', { class: 'kind' }, problem.kind),
        make('span', { class: 'title' }, oneLine(problem.title)), problem.count > 1
        ? make('span', { class: 'badge' }, `×${count(problem.count)}`) : null),
      make('pre', { tabindex: 0, 'aria-label': 'The whole message' }, plain(problem.message))),
    make('p', { class: 'facts' }, oneLine(when.join('  ·  ')), '  ·  ', link(logs, {}, 'log lines')));
}

function alertEntry(alert, run) {
  const over = alert.resolved_time !== null;
  const facts = [stamp(alert.time), stepsOf(alert.step, alert.resolved_step), over
    ? `over since ${clock(alert.resolved_time)}` : 'not over',
    alert.value === null ? ''
      : `${figure(alert.value)}${alert.usual === null ? '' : `, usually ${figure(alert.usual)}`}`].filter(Boolean);
  return { time: alert.time,
    element: entry({ severity: alert.severity, kind: alert.detector, title: alert.title, text: [alert.text, alert.todo],
      open: !over },
    [oneLine(facts.join('  ·  ')), '  ·  ', link(toRun(run, 'logs', { at: alert.time }), {}, 'log lines'), alert.series
      ? ['  ·  ', link(toRun(run, 'curves', { q: alert.series }), {}, 'curve')] : null]) };
}

function messageEntry(message, run) {
  return { time: message.time,
    element: entry({ severity: message.severity, kind: message.kind, title: message.title,
      text: [message.text, message.todo], open: message.open },
    [oneLine([stamp(message.time), message.step === null ? '' : `step ${message.step}`, message.open ? 'not over'
      : ''].filter(Boolean).join('  ·  ')), '  ·  ',
      link(toRun(run, 'logs', { at: message.time }), {}, 'log lines')]) };
}

function entry({ severity, kind, title, text, open }, facts) {
  const paragraphs = text.filter(Boolean).map((one) => make('p', { class: 'says' }, plain(one)));
  return make('li', { data: { severity, open } },
    make('p', { class: 'line' }, make('span', { class: 'kind' }, oneLine(kind)),
      make('span', { class: 'title' }, oneLine(title))), paragraphs, make('p', { class: 'facts' }, facts));
}
