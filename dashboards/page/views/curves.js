// Curves: the common metrics, or whatever is searched; smoothed, against step or time, with other runs laid over.
import { ask, runPath } from '../api.js';
import { Viewport } from '../canvas/viewport.js';
import { choice, input, make, refill, say } from '../dom.js';
import { count, plural } from '../text.js';
import { Card, grouped } from './cards.js';

const CARDS = 48;   // at first, and more on demand
const BATCH = 60;   // series a request; the agent takes 64
const POINTS = 1000;

// What a reader looks for first; the others follow in the catalogue's order.
const FIRST = ['rl_reward_mean', 'rl_eval_score', 'rl_policy_loss', 'rl_loss', 'rl_policy_entropy', 'rl_policy_kl', 'rl_mismatch_kl', 'rl_grad_norm', 'rl_response_length_mean_tokens',
  'rl_sequence_length_mean_tokens', 'rl_step_duration_seconds', 'rl_throughput_tokens_per_second', 'rl_truncated_ratio', 'rl_errored_ratio', 'rl_learning_rate'];

export function openCurves(host, context, parameters) {
  const settings = { x: parameters.get('x') ?? 'step', weight: Number(parameters.get('smooth') ?? 0), log: parameters.get('log') === '1', offsets: new Map() };
  const state = { q: parameters.get('q') ?? '', others: parameters.getAll('with'), limit: CARDS };
  let viewport = new Viewport();
  let cards = [];
  let searched = 0;
  const seen = new Set();
  const busy = new Map();
  const queue = new Set();
  let flushing = 0;
  let zooming = 0;
  let unwatch = () => {};

  const found = make('p', { class: 'counted', 'aria-live': 'polite' });
  const grid = make('div', { class: 'cards' });
  const more = make('button', { type: 'button', hidden: true, onclick: () => { state.limit += CARDS; build(); } }, 'More');
  const others = make('div', { class: 'others' });
  const shownWeight = make('output', {}, settings.weight.toFixed(2));
  const slider = make('input', { type: 'range', min: 0, max: 0.99, step: 0.01, value: settings.weight, 'aria-label': 'Smoothing',
    oninput: (event) => {
      settings.weight = Number(event.target.value);
      say(shownWeight, settings.weight.toFixed(2));
      redraw();
    } });
  host.append(make('form', { class: 'controls', onsubmit: (event) => event.preventDefault() },
    input('Search', { type: 'search', value: state.q, placeholder: 'any metric: loss, actor/entropy, p99 …', autocomplete: 'off', 'aria-label': 'Search metrics' }, () => {}),
    choice('Against', [['step', 'step'], ['time', 'time'], ['relative', 'time from the start']], settings.x, (x) => { settings.x = x; restart(); }),
    make('label', { class: 'field' }, make('span', {}, 'Smoothing'), make('span', { class: 'row' }, slider, shownWeight)),
    make('label', { class: 'check' }, make('input', { type: 'checkbox', checked: settings.log, onchange: (event) => { settings.log = event.target.checked; redraw(); } }), 'log scale'),
    others), found, grid, more);
  const box = host.querySelector('input[type=search]');
  box.addEventListener('input', () => {
    state.q = box.value.trim();
    clearTimeout(searched);
    searched = setTimeout(() => { state.limit = CARDS; build(); }, 200);
  });

  const remember = () => context.note({ q: state.q, x: settings.x === 'step' ? null : settings.x, smooth: settings.weight || null, log: settings.log ? 1 : null, with: state.others });
  const redraw = () => {
    remember();
    for (const card of cards) card.draw();
  };
  const visible = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const card = cards.find(({ element }) => element === entry.target);
      if (!card) continue;
      if (entry.isIntersecting) seen.add(card);
      else seen.delete(card);
      if (entry.isIntersecting && !card.answers.length) want(card);
    }
  }, { rootMargin: '200px' });

  function want(card) {
    queue.add(card);
    clearTimeout(flushing);
    flushing = setTimeout(flush, 10);
  }

  // One request a run for all cards that came into sight.
  async function flush() {
    const wanted = [...queue];
    queue.clear();
    const batches = [];
    let batch = [];
    for (const card of wanted) {
      const ids = card.group.series.slice(0, 8).map((one) => one.id);
      if (batch.flatMap((one) => one.ids).length + ids.length > BATCH) {
        batches.push(batch);
        batch = [];
      }
      batch.push({ card, ids });
    }
    if (batch.length) batches.push(batch);
    await Promise.all(batches.map(fetchBatch));
  }

  async function fetchBatch(batch) {
    const ids = batch.flatMap((one) => one.ids);
    const ticket = {};
    for (const { card } of batch) busy.set(card, ticket);
    const [from, to] = viewport.whole ? [null, null] : viewport.range;
    const runs = [context.run, ...state.others];
    try {
      const answers = await Promise.all(runs.map(async (run) => {
        const shift = settings.x === 'relative' ? await begin(run) : 0;
        const window = from === null ? {} : { from: from + shift, to: to + shift };
        return [run, (await ask(runPath(run, 'curves'), { id: ids, x: settings.x === 'step' ? 'step' : 'time', points: POINTS, ...window })).curves];
      }));
      for (const { card, ids: mine } of batch) {
        if (busy.get(card) !== ticket || !cards.includes(card)) continue;
        card.show(answers.flatMap(([run, curves]) => curves.filter((curve) => mine.includes(curve.id) && curve.x.length).map((curve) => ({ run, curve, other: run !== context.run }))));
      }
      if (from === null) limits();
    } catch (error) {
      context.fail(error);
    }
  }

  async function begin(run) {
    if (!settings.offsets.has(run)) {
      const { begin: first, from } = await ask(runPath(run, 'timeline'), { width: 100 });
      settings.offsets.set(run, first ?? from);
    }
    return settings.offsets.get(run);
  }

  // Charts that share an axis show all that any of them has.
  function limits() {
    const ends = new Map();
    for (const { drawn, chart } of cards) {
      const [low, high] = ends.get(chart.viewport) ?? [Infinity, -Infinity];
      const xs = (drawn ?? []).map(({ x }) => x);
      ends.set(chart.viewport, [Math.min(low, ...xs.map((x) => x[0])), Math.max(high, ...xs.map((x) => x[x.length - 1]))]);
    }
    for (const [shared, [low, high]] of ends) {
      if (low < high) shared.setLimits(low, high);
      else if (low === high) shared.setLimits(low - 0.5, high + 0.5);
    }
  }

  // A closer look shows more where curves were thinned.
  function watch() {
    unwatch = viewport.watch((what) => {
      if (what !== 'range') return;
      clearTimeout(zooming);
      zooming = setTimeout(() => {
        for (const card of seen) if (card.answers.some(({ curve }) => curve.count > curve.x.length || !viewport.whole)) want(card);
      }, 180);
    });
  }

  const restart = () => {
    unwatch();
    viewport = new Viewport();
    watch();
    build();
  };

  async function build() {
    remember();
    try {
      const answer = await ask(runPath(context.run, 'series'), { q: state.q, limit: 2000 });
      const groups = ordered(grouped(answer.series), state.q);
      for (const card of cards) card.close();
      visible.disconnect();
      seen.clear();
      cards = groups.slice(0, state.limit).map((group) => new Card(group, viewportOf(group), settings));
      refill(grid, cards.map((card) => card.element));
      for (const card of cards) visible.observe(card.element);
      say(found, sentence(answer, groups));
      more.hidden = groups.length <= state.limit;
      say(more, `${count(groups.length - state.limit)} more`);
    } catch (error) {
      context.fail(error);
    }
  }

  // What has no steps (engines' own figures) has an axis of its own.
  const viewportOf = (group) => (settings.x === 'step' && group.series.every((one) => one.last_step === null || one.last_step === undefined) ? new Viewport() : viewport);

  function sentence(answer, groups) {
    if (!groups.length) return state.q ? `No metric has “${state.q}” in its name.` : 'No metric has been read yet.';
    if (state.q) return `${plural(answer.total, 'series', 'series')} for “${state.q}”.`;
    return `The common metrics; search finds all ${count(answer.total)} series.`;
  }

  async function listOthers() {
    const { runs } = await ask('runs');
    const offered = runs.filter((report) => report.run.id !== context.run);
    if (!offered.length) return;
    const box = (report) => make('label', { class: 'check' }, make('input', { type: 'checkbox', checked: state.others.includes(report.run.id), onchange: (event) => {
      state.others = event.target.checked ? [...state.others, report.run.id] : state.others.filter((one) => one !== report.run.id);
      remember();
      for (const card of seen) want(card);
      for (const card of cards) if (!seen.has(card)) card.answers = [];
    } }), report.run.id);
    refill(others, make('details', { class: 'menu' }, make('summary', {}, 'Lay other runs over'), make('div', { class: 'sheet' }, offered.map(box))));
  }

  watch();
  build();
  listOthers().catch(() => {});
  return {
    refresh() {
      if (!cards.length) build();
      for (const card of seen) want(card);
      for (const card of cards) if (!seen.has(card)) card.answers = [];
    },
    route(newer) {
      const q = newer.get('q') ?? '';
      if (q === state.q) return;
      state.q = q;
      box.value = q;
      build();
    },
    close() {
      unwatch();
      visible.disconnect();
      for (const timer of [searched, flushing, zooming]) clearTimeout(timer);
      for (const card of cards) card.close();
    },
  };
}

function ordered(groups, q) {
  if (q) return groups;
  const common = groups.filter((group) => group.metric);
  const rank = (group) => (FIRST.includes(group.metric) ? FIRST.indexOf(group.metric) : FIRST.length);
  common.sort((a, b) => rank(a) - rank(b));
  return common.length ? common : groups;
}
