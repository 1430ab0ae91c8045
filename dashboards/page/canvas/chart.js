// Curves on a canvas. A hundred thousand points are drawn as what can be seen of them: least and largest of each pixel.
import { themed } from '../colours.js';
import { figure } from '../text.js';
import { axis, lowerBound, padded, ticks } from './scale.js';
import { Surface } from './surface.js';
import { hideTip, showTip } from './tip.js';
import { attach } from './viewport.js';

const TOP = 10;
const BOTTOM = 22;
const RIGHT = 10;

export class Chart {
  // `options`: label, height, kind (of the x axis), viewport, tip(x) → what the box says at x.
  constructor(host, options) {
    Object.assign(this, { curves: [], band: null, log: false, left: 52, selection: null }, options);
    this.surface = new Surface(host, {
      label: this.label, height: this.height, draw: (...all) => this.draw(...all), keys: '+ - 0 ArrowLeft ArrowRight',
    });
    this.toValue = attach(this.surface.canvas, this.viewport, () => [this.left, this.surface.width - RIGHT], {
      drag: 'select',
      wheel: 'modifier',
      act: {
        onmove: (x, y) => this.point(x, y),
        onleave: () => this.leave(),
        onclick: (x, y) => this.point(x, y),
        onselect: (selection) => {
          this.selection = selection;
          this.surface.request();
        },
      },
    });
    this.unwatch = this.viewport.watch(() => this.surface.request());
  }

  // Each curve: {x, y, faint (the raw values below smoothed ones), colour, dashed}; x is sorted.
  set(curves, { band = null, log = false, kind = this.kind } = {}) {
    Object.assign(this, { curves, band, log, kind });
    this.surface.request();
  }

  point(x, y) {
    const value = this.toValue(x);
    this.viewport.point(value);
    const told = this.tip?.(value);
    if (told) showTip(this.surface.canvas, x, y, told);
  }

  leave() {
    hideTip();
    this.viewport.point(null);
  }

  close() {
    this.unwatch();
    this.surface.close();
  }

  // The least and largest value that is seen; the healthy range is not made room for, or the curve would be flat.
  extent() {
    let [low, high] = [Infinity, -Infinity];
    const [from, to] = this.viewport.range;
    for (const { x, y, faint } of this.curves) {
      const begin = Math.max(0, lowerBound(x, from) - 1);
      const end = Math.min(x.length, lowerBound(x, to) + 1);
      for (const values of faint ? [y, faint] : [y]) {
        for (let index = begin; index < end; index += 1) {
          const value = values[index];
          if (value === null || !Number.isFinite(value) || (this.log && value <= 0)) continue;
          if (value < low) low = value;
          if (value > high) high = value;
        }
      }
    }
    if (low > high) return [0, 1];
    if (!this.log) return padded(low, high);
    return low === high ? [low / 2, high * 2] : [low / (high / low) ** 0.05, high * (high / low) ** 0.05];
  }

  draw(context, width, height) {
    if (!this.curves.length) return;
    const [low, high] = this.extent();
    const scale = this.log ? Math.log : (value) => value;
    const [bottom, top] = [scale(low), scale(high)];
    const [from, to] = this.viewport.range;
    const plot = [height - BOTTOM, TOP];
    const toY = (value) => plot[0] - ((scale(value) - bottom) / (top - bottom)) * (plot[0] - plot[1]);
    const toX = (value) => this.left + ((value - from) / (to - from || 1)) * (width - RIGHT - this.left);
    this.grid(context, width, height, { low, high, toX, toY });
    context.save();
    context.beginPath();
    context.rect(this.left, TOP - 4, width - RIGHT - this.left + 1, plot[0] - TOP + 8);
    context.clip();
    this.shade(context, width, toY, plot);
    for (const curve of this.curves) {
      if (curve.faint) line(context, curve.x, curve.faint, toX, toY,
        { colour: curve.colour, alpha: 0.22, range: [from, to], log: this.log, width });
      line(context, curve.x, curve.y, toX, toY,
        { colour: curve.colour, alpha: 1, range: [from, to], log: this.log, width, dashed: curve.dashed });
    }
    this.pointed(context, toX, toY, plot);
    if (this.selection) {
      context.fillStyle = themed('select');
      context.fillRect(this.selection[0], TOP, this.selection[1] - this.selection[0], plot[0] - TOP);
    }
    context.restore();
  }

  grid(context, width, height, { low, high, toX, toY }) {
    context.font = '11px ' + themed('font');
    context.fillStyle = themed('muted');
    context.strokeStyle = themed('grid');
    context.lineWidth = 1;
    context.textBaseline = 'middle';
    const rows = this.log ? logTicks(low, high) : ticks(low, high, height / 42);
    const words = rows.map((value) => figure(value));
    this.left = Math.max(34, ...words.map((word) => context.measureText(word).width + 12));
    context.textAlign = 'right';
    context.beginPath();
    rows.forEach((value, index) => {
      const y = Math.round(toY(value)) + 0.5;
      context.moveTo(this.left, y);
      context.lineTo(width - RIGHT, y);
      context.fillText(words[index], this.left - 6, y);
    });
    context.stroke();
    context.textAlign = 'center';
    context.textBaseline = 'top';
    for (const [value, word] of axis(this.kind, ...this.viewport.range, Math.max(2, (width - this.left) / 84))) {
      const x = toX(value);
      if (x >= this.left && x <= width - RIGHT + 1) context.fillText(word,
        Math.min(x, width - context.measureText(word).width / 2), height - BOTTOM + 7);
    }
  }

  shade(context, width, toY, [bottom, top]) {
    if (!this.band) return;
    const [low, high] = this.band;
    const upper = high === null ? top : Math.max(top, Math.min(bottom, toY(high)));
    const lower = low === null || (this.log && low <= 0) ? bottom : Math.max(top, Math.min(bottom, toY(low)));
    context.fillStyle = themed('healthy');
    context.fillRect(this.left, upper, width - RIGHT - this.left, lower - upper);
  }

  pointed(context, toX, toY, [bottom, top]) {
    const at = this.viewport.hover;
    if (at === null) return;
    const x = Math.round(toX(at)) + 0.5;
    context.strokeStyle = themed('cross');
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x, bottom);
    context.stroke();
    for (const curve of this.curves) {
      const index = nearest(curve.x, at);
      const value = index < 0 ? NaN : curve.y[index];
      if (value === null || !Number.isFinite(value)) continue;
      context.fillStyle = curve.colour;
      context.beginPath();
      context.arc(toX(curve.x[index]), toY(value), 3, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

export function nearest(list, value) {
  if (!list.length) return -1;
  const index = lowerBound(list, value);
  if (index === 0) return 0;
  if (index === list.length) return index - 1;
  return value - list[index - 1] <= list[index] - value ? index - 1 : index;
}

function logTicks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of high / low > 50 ? [1] : [1, 2, 5]) found.push(factor * 10 ** power);
  }
  return found.filter((value) => value >= low && value <= high);
}

function line(context, x, y, toX, toY, { colour, alpha, range, log, width, dashed }) {
  const begin = Math.max(0, lowerBound(x, range[0]) - 1);
  const end = Math.min(x.length, lowerBound(x, range[1]) + 1);
  const dense = end - begin > 2 * width;
  context.strokeStyle = colour;
  context.globalAlpha = alpha;
  context.lineWidth = dense ? 1 : 1.5;  // browsers draw a long line of width 1 several times faster
  context.lineJoin = dense ? 'bevel' : 'round';
  context.setLineDash(dashed && !dense ? [5, 3] : []);
  context.beginPath();
  (dense ? columns : points)(context, x, y, begin, end, toX, toY, (value) => value === null || !Number.isFinite(value)
    || (log && value <= 0));
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

function points(context, x, y, begin, end, toX, toY, bad) {
  let pen = false;
  for (let index = begin; index < end; index += 1) {
    if (bad(y[index])) {
      pen = false;
      continue;
    }
    const [left, top] = [toX(x[index]), toY(y[index])];
    if (pen) context.lineTo(left, top);
    else {
      context.moveTo(left, top);
      if (index + 1 >= end || bad(y[index + 1])) context.arc(left, top, 1.5, 0, 2 * Math.PI);  // one alone: a dot
    }
    pen = true;
  }
}

// The first, least, largest and last value of each pixel.
function columns(context, x, y, begin, end, toX, toY, bad) {
  const zero = toX(0);
  const slope = toX(1) - zero;
  let pen = false;
  for (let index = begin; index < end;) {
    const column = Math.floor(zero + x[index] * slope);
    const next = (column + 1 - zero) / slope;
    let [low, high, first, last] = [Infinity, -Infinity, null, null];
    do {
      const value = y[index];
      index += 1;
      if (bad(value)) continue;
      first ??= value;
      last = value;
      if (value < low) low = value;
      if (value > high) high = value;
    } while (index < end && x[index] < next);
    if (first === null) {
      pen = false;
      continue;
    }
    if (pen) context.lineTo(column, toY(first));
    else context.moveTo(column, toY(first));
    if (high > low) {
      context.lineTo(column, toY(low));
      context.lineTo(column, toY(high));
      context.lineTo(column, toY(last));
    }
    pen = true;
  }
}
