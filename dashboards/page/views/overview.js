// All runs: what each is doing, those first that need a look.
import { ask } from '../api.js';
import { link, make, refill } from '../dom.js';
import { toRun } from '../place.js';
import { isOver, merged, wordOf } from '../report.js';
import { ago, count, duration, figure, oneLine, plural } from '../text.js';
import { spark } from './spark.js';

const URGENT = { Down: 0, Degraded: 1, Unknown: 2, Healthy: 3 };
const REDRAWN = 200;  // ms from news to their being drawn

export function openOverview(host, reports) {
  const summary = make('h1', { class: 'summary', 'aria-live': 'polite' }, 'Asking the agent …');
  const list = make('ul', { class: 'runs' });
  host.append(summary, list);
  let drawing = 0;

  const draw = () => {
    const sorted = [...reports.values()].sort(urgency);
    refill(summary, sentence(sorted));
    const at = document.activeElement.getAttribute('href');
    refill(list, sorted.map(card));
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
  load();
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
    },
  };
}

const live = (report) => Number(!isOver(report));
const last = (report) => report.progress.last_written_at ?? 0;
const urgency = (a, b) => live(b) - live(a) || URGENT[a.health] - URGENT[b.health] || last(b) - last(a);

function sentence(reports) {
  if (!reports.length) return 'No run is known yet. rli-agent watch OUTPUT_DIR begins one.';
  const running = reports.filter(live);
  const bad = running.filter((report) => report.health === 'Down' || report.health === 'Degraded').length;
  if (!running.length) return `${plural(reports.length, 'run')}, none is running.`;
  const healthy = running.length - bad;
  const look = bad && `${bad} ${bad === 1 ? 'needs' : 'need'} a look`;
  const parts = [look, healthy && `${healthy} healthy`].filter(Boolean);
  return `${plural(running.length, 'run')} going on: ${parts.join(', ')}.`;
}

function card(report) {
  const { run, progress, time } = report;
  const reward = (report.quality ?? []).find(({ metric }) => metric === 'rl_reward_mean');
  const facts = [
    progress.step !== null && progress.step !== undefined
      && `step ${count(progress.step)}${progress.max_steps ? ` of ${count(progress.max_steps)}` : ''}`,
    progress.step_seconds && `${duration(progress.step_seconds)} a step`,
    reward && `reward ${figure(reward.value)}`,
    progress.last_written_at && `written ${ago(progress.last_written_at, time)}`,
    run.framework, run.model,
  ].filter(Boolean).map(oneLine);
  const share = progress.max_steps ? Math.min(1, (progress.step ?? 0) / progress.max_steps) : 0;
  const fill = make('div', { class: 'fill' });
  fill.style.width = `${share * 100}%`;
  return make('li', { class: 'run', data: { health: report.health } },
    make('div', { class: 'head' },
      make('span', { class: 'pill' }, wordOf(report)),
      link(toRun(run.id), { class: 'name' }, oneLine(run.experiment ? `${run.experiment} · ${run.id}` : run.id)),
      reward?.values?.length > 2 ? spark(reward.values, 'reward') : null),
    make('p', { class: 'says' }, oneLine(report.answer)),
    progress.max_steps ? make('div', { class: 'bar', 'aria-hidden': 'true' }, fill) : null,
    make('p', { class: 'facts' }, facts.join('  ·  ')));
}
