// One run: the answer on top, and below it one of the tabs.
import { ask, runPath } from '../api.js';
import { link, make, say } from '../dom.js';
import { here, note, toRun } from '../place.js';
import { isOver, merged } from '../report.js';
import { openCurves } from './curves.js';
import { openEngines } from './engines.js';
import { Health } from './health.js';
import { openLogs } from './logs.js';
import { openNow } from './now.js';
import { openProblems } from './problems.js';
import { openRollouts } from './rollouts.js';
import { openSteps } from './steps.js';

const TABS = {
  now: ['Timeline', openNow], curves: ['Curves', openCurves], steps: ['Steps', openSteps],
    rollouts: ['Rollouts', openRollouts],
  problems: ['Problems', openProblems], engines: ['Engines', openEngines], logs: ['Logs', openLogs],
};
const REFRESH = 500;  // ms between two looks at what is shown, at least

export function openRun(host, place, reports) {
  const run = place.run;
  const health = new Health(host);
  const links = Object.entries(TABS).map(([tab, [name]]) => [tab, link(toRun(run, tab), { data: { tab } }, name)]);
  const badge = make('span', { class: 'badge', hidden: true });
  links.find(([tab]) => tab === 'problems')[1].append(badge);
  const notice = make('p', { class: 'error', role: 'alert', hidden: true });
  const body = make('div', { class: 'body' });
  const tabs = make('nav', { class: 'tabs', 'aria-label': 'Views of the run' }, links.map(([, element]) => element));
  host.append(tabs, notice, body);

  let view = null;
  let tab = null;
  let timer = 0;
  let asked = 0;
  const context = {
    run,
    report: () => reports.get(run) ?? null,
    going: () => reports.has(run) && !isOver(reports.get(run)),
    note: (parameters) => note(toRun(run, tab, parameters)),
    // What is shown stays: the next answer may come.
    fail(error) {
      if (error.name === 'AbortError') return;
      say(notice, error.message);
      notice.hidden = false;
    },
  };

  const open = (wanted) => {
    if (wanted.tab === tab && view?.route) {
      view.route(wanted.parameters);
      return;
    }
    view?.close?.();
    tab = TABS[wanted.tab] ? wanted.tab : 'now';
    for (const [name, element] of links) {
      if (name === tab) element.setAttribute('aria-current', 'page');
      else element.removeAttribute('aria-current');
    }
    body.replaceChildren();
    notice.hidden = true;
    view = TABS[tab][1](body, context, wanted.parameters);
  };
  const refresh = () => {
    clearTimeout(timer);
    const wait = asked + REFRESH - Date.now();
    if (wait > 0 || document.hidden) {
      timer = setTimeout(refresh, Math.max(wait, document.hidden ? 2000 : 0));
      return;
    }
    asked = Date.now();
    notice.hidden = true;
    view?.refresh?.();
    if (tab === 'now') askStatus();
  };
  const status = (report) => {
    if (report.run.id !== run) return;
    health.show(report);
    badge.hidden = !report.problem_count;
    say(badge, String(report.problem_count));
    view?.status?.(report);
  };
  const askStatus = async () => {
    try {
      reports.set(run, merged(await ask(runPath(run, 'status')), reports.get(run)));
      status(reports.get(run));
    } catch (error) {
      if (!reports.has(run)) health.fail(error.message);  // else the stream goes on, or the line above tells of it
    }
  };
  open(place);
  if (reports.has(run)) status(reports.get(run));
  askStatus();
  return {
    route: (wanted) => open(wanted ?? here()),
    status,
    changed: (what) => (!what.run || what.run === run) && refresh(),
    close() {
      clearTimeout(timer);
      view?.close?.();
    },
  };
}
