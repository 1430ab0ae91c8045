// All runs: what each is doing, those first that need somebody. Those of this machine, and of others that a Prometheus
// knows.
import { ask } from '../api.js';
import { input, link, make, refill } from '../dom.js';
import { note, toRun } from '../place.js';
import { isOver, merged, wordOf } from '../report.js';
import { ago, count, duration, figure, oneLine, plural, when } from '../text.js';
import { spark } from './spark.js';

const URGENT = { Down: 0, Degraded: 1, Unknown: 2, Healthy: 3 };
const REDRAWN = 200;     // ms from news to their being drawn
const ASKED = 10_000;    // ms between two questions about other machines
const SEARCHED = 4;      // runs from which on there is a field to search them

export function openOverview(host, reports, place) {
  const summary = make('h1', { class: 'summary', 'aria-live': 'polite' }, 'Asking the agent …');
  const search = input('Search', { type: 'search', value: place.parameters.get('q') ?? '', placeholder: 'name, model …',
    oninput: () => {
      note(searched.value ? `/?q=${encodeURIComponent(searched.value)}` : '/');
      draw();
    } });
  const searched = search.querySelector('input');
  search.hidden = true;
  const trouble = make('p', { class: 'muted', role: 'status' });
  const list = make('ul', { class: 'runs' });
  host.append(summary, search, trouble, list);
  let drawing = 0;
  let asking = 0;
  let elsewhere = [];

  const draw = () => {
    const here = [...reports.values()].map(ofReport);
    const known = new Set(here.map(({ id }) => id));
    const sorted = [...here, ...elsewhere.filter(({ id }) => !known.has(id))].sort(urgency);
    refill(summary, sentence(sorted));
    search.hidden = sorted.length < SEARCHED && !searched.value;
    const words = searched.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = sorted.filter(({ text }) => words.every((word) => text.includes(word)));
    const at = document.activeElement.getAttribute('href');
    const none = sorted.length > 0 && !wanted.length && make('li', { class: 'muted' }, 'None of them.');
    refill(list, wanted.map(card), none);
    if (at) list.querySelector(`a[href="${CSS.escape(at)}"]`)?.focus();
  };
  const load = async () => {
    try {
      const { runs } = await ask('runs');
      for (const report of runs) reports.set(report.run.id, merged(report, reports.get(report.run.id)));
      draw();
    } catch (error) {
      refill(summary, error.message);
    }
  };
  const askElsewhere = async () => {
    try {
      const { runs = [], error = '' } = await ask('fleet');
      elsewhere = runs.map(ofFleet);
      refill(trouble, error && `Runs of other machines: ${oneLine(error)}`);
      if (runs.length) draw();
      if (runs.length || error) asking = setTimeout(askElsewhere, ASKED);
    } catch {
      asking = setTimeout(askElsewhere, ASKED);  // that the agent is away is told by the link
    }
  };
  load();
  askElsewhere();
  return {
    status() {
      drawing ||= setTimeout(() => {
        drawing = 0;
        draw();
      }, REDRAWN);
    },
    changed(what) {
      if (!what.run || !reports.has(what.run)) load();
    },
    close() {
      clearTimeout(drawing);
      clearTimeout(asking);
    },
  };
}

const urgency = (a, b) => Number(a.over) - Number(b.over) || URGENT[a.health] - URGENT[b.health]
  || (b.idle ?? 0) - (a.idle ?? 0) || b.heard - a.heard;

function sentence(runs) {
  if (!runs.length) return 'No run is known yet. Start one with: rli-agent watch OUTPUT_DIR';
  const running = runs.filter(({ over }) => !over);
  const bad = running.filter(({ health }) => health === 'Down' || health === 'Degraded').length;
  if (!running.length) return `${plural(runs.length, 'run')}, none is running.`;
  const healthy = running.length - bad;
  const look = bad && `${bad} ${bad === 1 ? 'needs' : 'need'} a look`;
  const parts = [look, healthy && `${healthy} healthy`].filter(Boolean);
  return `${plural(running.length, 'run')} going on: ${parts.join(', ')}.`;
}

// A run of this machine, by its report.
function ofReport(report) {
  const { run, progress, time } = report;
  const over = isOver(report);
  const reward = (report.quality ?? []).find(({ metric }) => metric === 'rl_reward_mean');
  const since = !over && progress.last_step_at ? Math.max(0, time - progress.last_step_at) : null;
  return entry(run.id, run, { ...progress, over, health: report.health, word: wordOf(report), says: report.answer,
    alerts: (report.messages ?? []).filter(({ open }) => open).length,
    idle: run.gpus && since !== null ? run.gpus * since / 3600 : null,
    curve: reward?.values, href: toRun(run.id), heard: progress.last_written_at ?? 0, now: time,
    facts: [reward && `reward ${figure(reward.value)}`,
      progress.last_written_at && `written ${ago(progress.last_written_at, time)}`, run.framework, run.model] });
}

// One that a Prometheus knows: its page is with its agent.
function ofFleet(run) {
  const now = Date.now() / 1000;
  const over = isOver({ progress: run });
  return entry(run.run, run, { ...run, over, word: over ? run.life : run.health, says: run.why,
    alerts: (run.alerts ?? []).length, idle: run.idle_gpu_hours, heard: run.heard_at, now,
    facts: [run.last_step_at && `newest step ${ago(run.last_step_at, now)}`, run.framework,
      run.hosts?.length && `on ${run.hosts.join(', ')}`] });
}

function entry(id, { project, experiment, model, framework }, more) {
  const text = [id, project, experiment, model, framework, more.word, more.says, ...(more.hosts ?? [])].join(' ');
  return { id, name: experiment ? `${experiment} · ${id}` : id, text: text.toLowerCase(), ...more };
}

function card(run) {
  const { step, max_steps: most, step_seconds: usual, finishes_at: end, now } = run;
  const known = step !== null && step !== undefined;
  const facts = [
    known && `step ${count(step)}${most ? ` of ${count(most)}` : ''}`,
    usual && `${duration(usual)} a step`,
    !run.over && end && `ends about ${when(end, now)}`,
    run.alerts && plural(run.alerts, 'alert'),
    run.idle >= 0.1 && `${figure(run.idle)} GPU-hours since its last step`,
    ...run.facts,
  ].filter(Boolean).map(oneLine);
  const name = oneLine(run.name);
  const fill = make('div', { class: 'fill' });
  fill.style.width = `${most ? Math.min(1, (step ?? 0) / most) * 100 : 0}%`;
  return make('li', { class: 'run', data: { health: run.health } },
    make('div', { class: 'head' },
      make('span', { class: 'pill' }, run.word),
      run.href ? link(run.href, { class: 'name' }, name) : make('span', { class: 'name' }, name),
      run.curve?.length > 2 ? spark(run.curve, 'reward') : null),
    make('p', { class: 'says' }, oneLine(run.says)),
    most ? make('div', { class: 'bar', 'aria-hidden': 'true' }, fill) : null,
    make('p', { class: 'facts' }, facts.join('  ·  ')));
}
