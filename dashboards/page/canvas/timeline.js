// What every lane did and when: lanes × time. Open intervals grow to `now()`.
import { stateColour, themed } from '../colours.js';
import { oneLine } from '../text.js';
import { at, lanesOf, seen } from './lanes.js';
import { axis } from './scale.js';
import { Surface } from './surface.js';
import { hideTip, showTip } from './tip.js';
import { attach } from './viewport.js';

const MARKS = 22;
const AXIS = 22;
const LANE = 34;
const BAND = 9;
const RIGHT = 8;
const LABEL = 'Timeline: what every lane did and when. Plus and minus zoom, arrows left and right move, up and down'
  + ' choose a lane, comma and full stop an interval, Enter opens its log lines.';
const MARK_COLOUR = { problem: 'down', alert: 'degraded', checkpoint: 'saved', attempt: 'accent' };

export class Timeline {
  // `options`: viewport, now(), tip({lane, interval, state} | {marks}) → nodes, pick(the same).
  constructor(host, options) {
    Object.assign(this, { lanes: [], states: [], marks: [], left: 90, focus: null, colours: [] }, options);
    this.surface = new Surface(host, {
      label: LABEL,
      height: MARKS + LANE + AXIS,
      draw: (...all) => this.draw(...all),
      keys: '+ - 0 ArrowLeft ArrowRight ArrowUp ArrowDown , . Enter',
    });
    this.toValue = attach(this.surface.canvas, this.viewport, () => [this.left, this.surface.width - RIGHT], {
      drag: 'pan',
      wheel: 'always',
      act: { onmove: (x, y) => this.point(x, y), onleave: () => hideTip(), onclick: (x, y) => this.click(x, y) },
    });
    this.surface.canvas.addEventListener('keydown', (event) => this.key(event));
    this.surface.canvas.addEventListener('blur', () => hideTip());
    this.unwatch = this.viewport.watch(() => this.surface.request());
  }

  close() {
    this.unwatch();
    hideTip();
    this.surface.close();
  }

  set(answer) {
    this.lanes = lanesOf(answer);
    this.states = answer.states;
    this.marks = answer.marks;
    this.colours = answer.states.map(stateColour);
    this.surface.setHeight(MARKS + Math.max(1, this.lanes.length) * LANE + AXIS);
    this.surface.request();
  }

  hit(x, y) {
    const time = this.toValue(x);
    const slack = ((this.viewport.range[1] - this.viewport.range[0]) / Math.max(1, this.surface.width - this.left)) * 2;
    if (y < MARKS) {
      const marks = this.marks.filter((mark) => Math.abs(mark.time - time) < slack * 3);
      return marks.length ? { marks } : null;
    }
    const lane = this.lanes[Math.floor((y - MARKS) / LANE)];
    if (!lane || x < this.left) return null;
    const onBand = (y - MARKS) % LANE < BAND + 2;
    const groups = onBand ? [lane.steps, lane.phases] : [lane.phases, lane.steps];
    for (const group of groups) {
      const interval = at(group, time, this.now(), slack / 2);
      if (interval) return { lane: lane.lane, interval, state: this.states[interval[2]] };
    }
    return null;
  }

  point(x, y) {
    const found = this.hit(x, y);
    this.surface.canvas.style.cursor = found ? 'pointer' : 'grab';
    if (found) showTip(this.surface.canvas, x, y, this.tip(found));
    else hideTip();
  }

  click(x, y) {
    const found = this.hit(x, y);
    if (found) this.pick(found);
  }

  key(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ',': [0, -1], '.': [0, 1] }[event.key];
    if (event.key === 'Enter' && this.focus) this.pick(this.focused());
    else if (event.key === 'Escape') this.focus = null;
    else if (moves && this.lanes.length) this.move(...moves);
    else return;
    event.preventDefault();
    this.surface.request();
  }

  move(down, right) {
    const [from, to] = this.viewport.range;
    const old = this.focus ?? { lane: 0, index: -1 };
    const lane = Math.min(this.lanes.length - 1, Math.max(0, old.lane + down));
    const { phases, steps } = this.lanes[lane];
    const group = phases.sorted.length ? phases : steps;
    const inside = old.index >= 0 && down === 0;
    const index = inside ? old.index + right : Math.max(seen(group, from, to)[1] - 1, 0);
    this.focus = { lane, group, index: Math.min(group.sorted.length - 1, Math.max(0, index)) };
    const found = this.focused();
    if (!found) return;
    const [start, end] = [found.interval[0], found.interval[1] ?? this.now()];
    if (start > to || end < from) this.viewport.show((start + end - to + from) / 2, (start + end + to - from) / 2);
    const x = Math.max(this.left, this.toX(Math.max(start, this.viewport.range[0])));
    showTip(this.surface.canvas, x, MARKS + lane * LANE + LANE, this.tip(found));
    this.told?.(found);
  }

  focused() {
    const interval = this.focus.group.sorted[this.focus.index];
    return interval && { lane: this.lanes[this.focus.lane].lane, interval, state: this.states[interval[2]] };
  }

  toX(time) {
    const [from, to] = this.viewport.range;
    return this.left + ((time - from) / (to - from || 1)) * (this.surface.width - RIGHT - this.left);
  }

  draw(context, width, height) {
    if (!this.lanes.length) return;
    const font = themed('font');
    context.font = `12px ${font}`;
    context.textBaseline = 'middle';
    const names = this.lanes.map(({ lane }) => oneLine(lane));
    this.left = Math.min(width * 0.3, Math.max(56, ...names.map((name) => context.measureText(name).width + 16)));
    this.drawAxis(context, width, height, font);
    this.lanes.forEach((lane, row) => this.drawLane(context, lane, names[row], MARKS + row * LANE, width, font));
    this.drawMarks(context, width, height);
  }

  drawAxis(context, width, height, font) {
    context.font = `11px ${font}`;
    context.textAlign = 'center';
    context.strokeStyle = themed('grid');
    context.fillStyle = themed('muted');
    context.lineWidth = 1;
    context.beginPath();
    for (const [time, word] of axis('time', ...this.viewport.range, Math.max(2, (width - this.left) / 96))) {
      const x = Math.round(this.toX(time)) + 0.5;
      if (x < this.left || x > width - RIGHT + 1) continue;
      context.moveTo(x, MARKS);
      context.lineTo(x, height - AXIS + 4);
      context.fillText(word, Math.min(x, width - context.measureText(word).width / 2 - 1), height - AXIS / 2 + 2);
    }
    context.stroke();
  }

  drawLane(context, lane, name, top, width, font) {
    context.save();
    context.beginPath();
    context.rect(0, top, this.left - 8, LANE);
    context.clip();
    context.font = `12px ${font}`;
    context.textAlign = 'left';
    context.fillStyle = themed('text');
    context.fillText(name, 2, top + LANE / 2 + 2);
    context.restore();
    context.save();
    context.beginPath();
    context.rect(this.left, top, width - RIGHT - this.left, LANE);
    context.clip();
    this.drawBand(context, lane.steps, top + 1, font);
    this.drawPhases(context, lane.phases, top + BAND + 2, LANE - BAND - 5, font);
    this.drawFocus(context, lane, top);
    context.restore();
    context.fillStyle = themed('grid');
    context.fillRect(0, top + LANE - 1, width, 1);
  }

  drawBand(context, group, top, font) {
    const [from, to] = this.viewport.range;
    const [begin, end] = seen(group, from, to);
    context.font = `9px ${font}`;
    context.textAlign = 'left';
    const [even, odd, ink] = [themed('band'), themed('band2'), themed('muted')];
    let last = -Infinity;
    for (let index = begin; index < end; index += 1) {
      const [start, until, , step, many] = group.sorted[index];
      const left = this.toX(start);
      const right = this.toX(until ?? this.now());
      if (right < this.left || right - last < 0.4) continue;
      last = right;
      context.fillStyle = (step ?? index) % 2 ? odd : even;
      context.fillRect(left, top, Math.max(1, right - left - 0.5), BAND);
      if (right - left > 22 && step !== null && many === 1) {
        context.fillStyle = ink;
        context.fillText(String(step), Math.max(left, this.left) + 3, top + BAND / 2 + 0.5);
      }
    }
  }

  drawPhases(context, group, top, height, font) {
    const [from, to] = this.viewport.range;
    const [begin, end] = seen(group, from, to);
    context.font = `11px ${font}`;
    context.textAlign = 'left';
    const now = this.now();
    const reached = [-Infinity, -Infinity, -Infinity, -Infinity];
    for (let index = begin; index < end; index += 1) {
      const [start, until, state] = group.sorted[index];
      const depth = group.depths[index];
      const left = this.toX(start);
      const right = Math.max(this.toX(until ?? now), left + 0.7);
      if (right < this.left || right - reached[depth] < 0.35) continue;
      reached[depth] = right;
      const inset = depth * 4;
      context.fillStyle = this.colours[state];
      context.fillRect(left, top + inset, right - left - (right - left > 3 ? 0.7 : 0), height - inset);
      const inner = group.sorted[index + 1];  // what lies in this one covers its name from there on
      const room = inner && group.depths[index + 1] > depth ? Math.min(right, this.toX(inner[0])) : right;
      if (room - left > 42) this.write(context, this.states[state], left, room, top + inset, height - inset);
      if (until === null) this.drawOpenEnd(context, right, top + inset, height - inset);
    }
  }

  write(context, state, left, right, top, height) {
    const begin = Math.max(left, this.left) + 5;
    if (context.measureText(oneLine(state)).width > right - begin - 4) return;
    context.fillStyle = '#0c1016';
    context.fillText(oneLine(state), begin, top + height / 2 + 0.5);
  }

  drawOpenEnd(context, right, top, height) {
    context.fillStyle = themed('text');
    context.fillRect(right - 2, top - 1, 2, height + 2);
  }

  drawFocus(context, lane, top) {
    if (!this.focus || this.lanes[this.focus.lane] !== lane) return;
    const found = this.focused();
    if (!found) return;
    const left = this.toX(found.interval[0]);
    const right = this.toX(found.interval[1] ?? this.now());
    context.strokeStyle = themed('text');
    context.lineWidth = 2;
    context.strokeRect(left, top + 1, Math.max(3, right - left), LANE - 4);
  }

  drawMarks(context, width, height) {
    const shown = { attempt: [], checkpoint: [], alert: [], problem: [] };
    for (const mark of this.marks) shown[mark.kind]?.push(mark);
    for (const [kind, marks] of Object.entries(shown)) {
      const colour = themed(MARK_COLOUR[kind]);
      let last = -Infinity;
      for (const { time, severity } of marks) {
        const x = this.toX(time);
        if (x < this.left - 4 || x > width - RIGHT + 4 || x - last < 1) continue;
        last = x;
        context.fillStyle = kind === 'problem' && severity === 'warning' ? themed('degraded') : colour;
        context.globalAlpha = 0.45;
        context.fillRect(x - 0.5, MARKS - 4, 1, kind === 'checkpoint' ? 6 : height - AXIS - MARKS + 4);
        context.globalAlpha = 1;
        glyph(context, kind, x, MARKS - 11);
      }
    }
  }
}

function glyph(context, kind, x, y) {
  context.beginPath();
  if (kind === 'checkpoint') context.rect(x - 4, y - 4, 8, 8);
  else if (kind === 'alert') polygon(context, [[x, y - 5], [x + 5.5, y + 4.5], [x - 5.5, y + 4.5]]);
  else if (kind === 'problem') polygon(context, [[x, y - 6], [x + 5, y], [x, y + 6], [x - 5, y]]);
  else polygon(context, [[x - 2, y - 6], [x + 6, y - 2], [x - 2, y + 2], [x - 2, y + 7]]);
  context.fill();
}

function polygon(context, corners) {
  corners.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
}
