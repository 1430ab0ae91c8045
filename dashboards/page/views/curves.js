// Curves: the common metrics, or whatever is searched; smoothed, against step or time, with other runs laid over.
import { ask, runPath } from '../api.js';
import { Viewport } from '../canvas/viewport.js';
import { make, refill, say } from '../dom.js';
import { count, plural } from '../text.js';
import { Card } from './cards.js';
import { curveControls } from './curve_controls.js';
import { CurveSource, grouped } from './curve_source.js';

const CARDS = 48;    // at first, and as many more on demand
const SETTLED = 180; // ms without a move before a closer look is asked for
const TYPED = 200;   // ms without a key before a search

// What a reader looks for first; the others follow in the catalogue's order.
const FIRST = [
  'rl_reward_mean', 'rl_eval_score', 'rl_policy_loss', 'rl_loss', 'rl_policy_entropy', 'rl_policy_kl', 'rl_mismatch_kl',
  'rl_grad_norm', 'rl_response_length_mean_tokens', 'rl_sequence_length_mean_tokens', 'rl_step_duration_seconds',
  'rl_throughput_tokens_per_second', 'rl_truncated_ratio', 'rl_errored_ratio', 'rl_learning_rate',
];

export function openCurves(host, context, parameters) {
  const view = new Curves(host, context, parameters);
  view.build();
  view.listOthers().catch(() => {});  // without them the view is whole, but for the menu
  return view;
}

class Curves {
  constructor(host, context, parameters) {
    this.context = context;
    this.settings = {
      x: parameters.get('x') ?? 'step', weight: Number(parameters.get('smooth') ?? 0),
        log: parameters.get('log') === '1',
    };
    this.q = parameters.get('q') ?? '';
    this.limit = CARDS;
    this.source = new CurveSource(context.run, this.settings);
    this.source.others = parameters.getAll('with');
    this.cards = [];
    this.seen = new Set();
    this.wanted = new Set();
    this.timers = {};
    this.newest = new Map();
    this.found = make('p', { class: 'counted', 'aria-live': 'polite' });
    this.grid = make('div', { class: 'cards' });
    this.more = make('button', { type: 'button', hidden: true, onclick: () => this.showMore() });
    this.others = make('div', {});
    host.append(this.controls(), this.found, this.grid, this.more);
    this.observer = new IntersectionObserver((entries) => this.scrolled(entries), { rootMargin: '200px' });
    this.newAxis();
  }

  controls() {
    const settings = { q: this.q, ...this.settings };
    const form = curveControls(settings, this.others, {
      search: (text) => this.search(text),
      axis: (x) => {
        this.settings.x = x;
        this.newAxis();
        this.build();
      },
      smooth: (weight) => {
        this.settings.weight = weight;
        this.redraw();
      },
      scale: (log) => {
        this.settings.log = log;
        this.redraw();
      },
    });
    this.box = form.querySelector('input[type=search]');
    return form;
  }

  later(name, wait, what) {
    clearTimeout(this.timers[name]);
    this.timers[name] = setTimeout(what, wait);
  }

  remember() {
    const { x, weight, log } = this.settings;
    this.context.note({
      q: this.q, x: x === 'step' ? null : x, smooth: weight || null, log: log ? 1 : null, with: this.source.others,
    });
  }

  redraw() {
    this.remember();
    for (const card of this.cards) card.draw();
  }

  search(text) {
    this.later('search', TYPED, () => {
      this.q = text;
      this.limit = CARDS;
      this.build();
    });
  }

  showMore() {
    this.limit += CARDS;
    this.build();
  }

  // One axis for all cards, so that a closer look at one is one at all.
  newAxis() {
    this.unwatch?.();
    this.viewport = new Viewport();
    this.unwatch = this.viewport.watch((what) => {
      if (what === 'range') this.later('zoom', SETTLED, () => this.refresh());
    });
  }

  async build() {
    this.remember();
    try {
      const answer = await ask(runPath(this.context.run, 'series'), { q: this.q, limit: 2000 });
      const groups = ordered(grouped(answer.series), this.q);
      this.drop();
      this.cards = groups.slice(0, this.limit).map((group) => new Card(group, this.axisOf(group), this.settings));
      refill(this.grid, this.cards.map((card) => card.element));
      for (const card of this.cards) this.observer.observe(card.element);
      say(this.found, sentence(this.q, answer.total, groups.length));
      this.more.hidden = groups.length <= this.limit;
      say(this.more, `${count(groups.length - this.limit)} more`);
    } catch (error) {
      this.context.fail(error);
    }
  }

  // What has no steps, as engines' own figures, has an axis of its own.
  axisOf(group) {
    const stepless = group.series.every((one) => one.last_step === null || one.last_step === undefined);
    return this.settings.x === 'step' && stepless ? new Viewport() : this.viewport;
  }

  drop() {
    for (const card of this.cards) card.close();
    this.observer.disconnect();
    this.seen.clear();
  }

  scrolled(entries) {
    for (const entry of entries) {
      const card = this.cards.find(({ element }) => element === entry.target);
      if (!card) continue;
      if (entry.isIntersecting) this.seen.add(card);
      else this.seen.delete(card);
      if (entry.isIntersecting && card.stale) this.want(card);
    }
  }

  // One request a run for all cards that come into sight together.
  want(card) {
    this.wanted.add(card);
    this.later('fetch', 10, () => this.fetch());
  }

  async fetch() {
    const cards = [...this.wanted];
    this.wanted.clear();
    const ticket = {};
    for (const card of cards) this.newest.set(card, ticket);
    const range = this.viewport.whole ? null : this.viewport.range;
    try {
      const found = await this.source.curves(cards.map((card) => card.group), range);
      for (const card of cards) {
        if (this.newest.get(card) === ticket && this.cards.includes(card)) card.show(found.get(card.group));
      }
      if (!range) this.setLimits();
    } catch (error) {
      this.context.fail(error);
    }
  }

  // Charts that share an axis show all that any of them has.
  setLimits() {
    const ends = new Map();
    for (const { drawn, chart } of this.cards) {
      const [low, high] = ends.get(chart.viewport) ?? [Infinity, -Infinity];
      const xs = drawn.map(({ x }) => x);
      ends.set(chart.viewport,
        [Math.min(low, ...xs.map((x) => x[0])), Math.max(high, ...xs.map((x) => x[x.length - 1]))]);
    }
    for (const [viewport, [low, high]] of ends) {
      if (low < high) viewport.setLimits(low, high);
      else if (low === high) viewport.setLimits(low - 0.5, high + 0.5);
    }
  }

  async listOthers() {
    const { runs } = await ask('runs');
    const ids = runs.map((report) => report.run.id).filter((id) => id !== this.context.run);
    if (!ids.length) return;
    const box = (id) => make('label', { class: 'check' }, make('input', {
      type: 'checkbox', checked: this.source.others.includes(id),
        onchange: (event) => this.layOver(id, event.target.checked),
    }), id);
    refill(this.others, make('details', { class: 'menu' }, make('summary', {}, 'Overlay other runs'),
      make('div', { class: 'sheet' }, ids.map(box))));
  }

  layOver(id, wanted) {
    this.source.others = this.source.others.filter((one) => one !== id).concat(wanted ? [id] : []);
    this.remember();
    this.refresh();
  }

  refresh() {
    if (!this.cards.length) this.build();
    for (const card of this.cards) {
      card.stale = true;
      if (this.seen.has(card)) this.want(card);
    }
  }

  route(parameters) {
    const q = parameters.get('q') ?? '';
    if (q === this.q) return;
    this.q = q;
    this.box.value = q;
    this.build();
  }

  close() {
    this.unwatch();
    this.drop();
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
  }
}

function sentence(q, total, groups) {
  if (!groups) return q ? `No metric has “${q}” in its name.` : 'No metric has been read yet.';
  if (q) return `${plural(total, 'series', 'series')} for “${q}”.`;
  return `The common metrics; search finds all ${count(total)} series.`;
}

function ordered(groups, q) {
  if (q) return groups;
  const rank = (group) => (FIRST.includes(group.metric) ? FIRST.indexOf(group.metric) : FIRST.length);
  const common = groups.filter((group) => group.metric).sort((a, b) => rank(a) - rank(b));
  return common.length ? common : groups;
}
