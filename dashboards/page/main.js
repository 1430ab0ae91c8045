// The page: which view the address asks for, the colours, and the connection to the agent.
import { listen } from './api.js';
import { make, refill, say } from './dom.js';
import { merged } from './report.js';
import { here } from './place.js';
import { openOverview } from './views/overview.js';
import { openRun } from './views/run.js';

const main = document.getElementById('main');
const reports = new Map();  // what is known of each run, so that a view begins with it
let shown = { key: null, view: null };

function route() {
  const place = here();
  const key = place.kind === 'run' ? `run ${place.run}` : 'overview';
  if (shown.key === key) {
    shown.view.route?.(place);
    return;
  }
  shown.view?.close();
  main.replaceChildren();
  const view = place.kind === 'run' ? openRun(main, place, reports) : openOverview(main, reports, place);
  shown = { key, view };
  titled(place);
}

function titled(place) {
  document.title = place.kind === 'run' ? `${place.run} · rli-agent` : 'rli-agent';
  const trail = document.getElementById('trail');
  refill(trail, place.kind === 'run' ? make('span', { class: 'crumb' }, place.run) : null);
}

let lost = false;
function connection(alive) {
  const element = document.getElementById('link');
  say(element, alive ? 'live' : 'connection lost, trying again');
  element.dataset.alive = alive;
  if (alive && lost) shown.view.changed({});
  lost = !alive;
}

const THEMES = ['auto', 'light', 'dark'];
function chooseTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const element = document.getElementById('theme');
  say(element, { auto: '◐ auto', light: '☀ light', dark: '☾ dark' }[theme]);
  element.setAttribute('aria-label', `Colours: ${theme}. Press for the next.`);
  element.dataset.theme = theme;
  document.dispatchEvent(new Event('themechange'));
}

function kept() {
  try {
    return localStorage.getItem('theme') ?? 'auto';
  } catch {
    return 'auto';
  }
}

document.getElementById('theme').addEventListener('click', (event) => {
  const next = THEMES[(THEMES.indexOf(event.currentTarget.dataset.theme) + 1) % THEMES.length];
  chooseTheme(next);
  try {
    localStorage.setItem('theme', next);
  } catch {
    // A browser that keeps nothing: it holds for this visit.
  }
});
chooseTheme(THEMES.includes(kept()) ? kept() : 'auto');
matchMedia('(prefers-color-scheme: dark)')
  .addEventListener('change', () => document.dispatchEvent(new Event('themechange')));
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener('hashchange', route);
route();
// One stream for as long as the page is open: the agent has few.
listen({
  status: (report) => {
    reports.set(report.run.id, merged(report, reports.get(report.run.id)));
    shown.view.status(reports.get(report.run.id));
  },
  changed: (what) => shown.view.changed(what),
  link: connection,
});
