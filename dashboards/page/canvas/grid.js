// Two charts of columns by step: a heat map, and stacked bars. Arrows choose a column, Enter or a click opens it.
import { heat, themed } from '../colours.js';
import { figure } from '../text.js';
import { padded, ticks } from './scale.js';
import { Surface } from './surface.js';
import { hideTip, showTip } from './tip.js';

const TOP = 8;
const BOTTOM = 22;
const LEFT = 56;
const RIGHT = 8;

class Columns {
  // `options`: label, height, steps, tip(column, row) → nodes, pick(column, row).
  constructor(host, options) {
    Object.assign(this, { column: -1, row: 0 }, options);
    this.surface = new Surface(host, {
      label: this.label, height: this.height, draw: (...all) => this.draw(...all), keys: 'ArrowLeft ArrowRight Enter',
    });
    const canvas = this.surface.canvas;
    canvas.addEventListener('pointermove', (event) => this.point(event));
    canvas.addEventListener('pointerleave', () => this.choose(-1, 0));
    canvas.addEventListener('blur', () => this.choose(-1, 0));
    canvas.addEventListener('click', (event) => {
      this.point(event);
      if (this.column >= 0) this.pick?.(this.column, this.row);
    });
    canvas.addEventListener('keydown', (event) => this.key(event));
  }

  close() {
    hideTip();
    this.surface.close();
  }

  get pitch() {
    return (this.surface.width - LEFT - RIGHT) / Math.max(1, this.steps.length);
  }

  point(event) {
    const box = this.surface.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const column = Math.floor((x - LEFT) / this.pitch);
    if (column < 0 || column >= this.steps.length) this.choose(-1, 0);
    else this.choose(column, this.rowAt(column, y), x, y);
  }

  choose(column, row, x = LEFT + (column + 0.5) * this.pitch, y = this.height / 2) {
    [this.column, this.row] = [column, row];
    if (column < 0) hideTip();
    else showTip(this.surface.canvas, x, y, this.tip(column, row));
    this.surface.request();
  }

  key(event) {
    const right = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key] ?? 0;
    if (event.key === 'Enter' && this.column >= 0) this.pick?.(this.column, this.row);
    else if (right || up) {
      const column = this.column < 0 ? this.steps.length - 1 : this.column + (right ?? 0);
      this.choose(Math.min(this.steps.length - 1, Math.max(0, column)), Math.max(0, this.row + up));
    } else return;
    event.preventDefault();
  }

  axis(context, width, height, low, high) {
    context.font = '11px ' + themed('font');
    context.fillStyle = themed('muted');
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    const toY = (value) => height - BOTTOM - ((value - low) / (high - low || 1)) * (height - BOTTOM - TOP);
    for (const value of ticks(low, high, height / 44)) context.fillText(this.write?.(value) ?? figure(value), LEFT - 6,
      toY(value));
    context.textAlign = 'center';
    context.textBaseline = 'top';
    const each = Math.max(1, Math.ceil(64 / this.pitch));
    for (let index = 0; index < this.steps.length; index += each) {
      context.fillText(String(this.steps[index]), LEFT + (index + 0.5) * this.pitch, height - BOTTOM + 7);
    }
    return toY;
  }

  frame(context, height) {
    if (this.column < 0) return;
    context.strokeStyle = themed('text');
    context.lineWidth = 1;
    context.strokeRect(LEFT + this.column * this.pitch + 0.5, TOP + 0.5, Math.max(2, this.pitch - 1),
      height - BOTTOM - TOP);
  }
}

export class HeatMap extends Columns {
  // counts[column] has one more element than `edges`: below the first, between each two, above the last.
  set({ steps, edges, counts, mean }) {
    Object.assign(this, { steps, edges, counts, mean });
    this.most = counts.flat().reduce((most, number) => Math.max(most, number), 1);
    const used = counts.flatMap((column) => column.flatMap((number, row) => (number ? [row] : [])));
    this.bottom = used.reduce((least, row) => Math.min(least, row),
      edges.length);  // rows that no step has are left out
    this.rows = used.reduce((most, row) => Math.max(most, row), this.bottom) - this.bottom + 1;
    this.surface.request();
  }

  rowAt(column, y) {
    const share = (this.height - BOTTOM - y) / (this.height - BOTTOM - TOP);
    return this.bottom + Math.min(this.rows - 1, Math.max(0, Math.floor(share * this.rows)));
  }

  draw(context, width, height) {
    if (!this.steps?.length) return;
    const tall = (height - BOTTOM - TOP) / this.rows;
    this.counts.forEach((column, index) => {
      column.slice(this.bottom, this.bottom + this.rows).forEach((number, row) => {
        context.fillStyle = number ? heat(0.06 + (0.94 * number) / this.most) : themed('cell');
        const [left, right] = [LEFT + index * this.pitch, LEFT + (index + 1) * this.pitch];
        context.fillRect(left, height - BOTTOM - (row + 1) * tall, right - left - (this.pitch > 5 ? 1 : 0),
          tall - (tall > 5 ? 1 : 0));
      });
    });
    this.edgesAxis(context, height, tall);
    this.drawMean(context, height, tall);
    this.frame(context, height);
  }

  edgesAxis(context, height, tall) {
    this.write = () => '';
    this.axis(context, this.surface.width, height, 0, 1);
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    const each = Math.max(1, Math.ceil(16 / tall));
    for (let row = 1; row < this.rows; row += each) {
      context.fillText(figure(this.edges[this.bottom + row - 1]), LEFT - 6, height - BOTTOM - row * tall);
    }
  }

  drawMean(context, height, tall) {
    context.strokeStyle = themed('text');
    context.lineWidth = 1.5;
    context.beginPath();
    let pen = false;
    (this.mean ?? []).forEach((value, index) => {
      const row = value === null ? null : this.place(value);
      if (row === null) {
        pen = false;
        return;
      }
      const [x, y] = [LEFT + (index + 0.5) * this.pitch, height - BOTTOM - (row - this.bottom) * tall];
      if (pen) context.lineTo(x, y);
      else context.moveTo(x, y);
      pen = true;
    });
    context.stroke();
  }

  // A value's row, with its fraction.
  place(value) {
    const above = this.edges.findIndex((edge) => value <= edge);
    if (above === -1) return this.edges.length + 0.5;
    if (above === 0) return value === this.edges[0] ? 1 : 0.5;
    const [low, high] = [this.edges[above - 1], this.edges[above]];
    return above + (value - low) / (high - low || 1);
  }
}

export class Stack extends Columns {
  // layers: [{colour, values}], drawn from below; whole[column]: the step's whole duration, or null.
  set({ steps, layers, whole = [] }) {
    Object.assign(this, { steps, layers, whole });
    this.sums = steps.map((_, index) => layers.reduce((sum, layer) => sum + (layer.values[index] ?? 0), 0));
    this.most = padded(0, Math.max(1e-9, ...this.sums, ...whole.map((value) => value ?? 0)))[1];
    this.surface.request();
  }

  rowAt() {
    return 0;
  }

  draw(context, width, height) {
    if (!this.steps?.length) return;
    const toY = this.axis(context, width, height, 0, this.most);
    const gap = this.pitch > 5 ? 1.5 : 0;
    this.steps.forEach((_, index) => {
      const left = LEFT + index * this.pitch;
      let below = 0;
      if (this.whole[index]) {
        context.fillStyle = themed('band');
        context.fillRect(left, toY(this.whole[index]), this.pitch - gap, toY(0) - toY(this.whole[index]));
      }
      for (const { colour, values } of this.layers) {
        const value = values[index] ?? 0;
        if (!value) continue;
        context.fillStyle = colour;
        context.fillRect(left, toY(below + value), this.pitch - gap,
          toY(below) - toY(below + value) - (this.pitch > 5 ? 0.5 : 0));
        below += value;
      }
    });
    this.frame(context, height);
  }
}
