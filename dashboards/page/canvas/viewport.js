// The part of the x axis that is seen. Several charts may share one, so that zooming one zooms all.

export class Viewport {
  constructor(limits = [0, 1]) {
    this.limits = limits;
    this.range = [...limits];
    this.whole = true;
    this.hover = null;
    this.watchers = new Set();
  }

  watch(watcher) {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  tell(what) {
    for (const watcher of this.watchers) watcher(what);
  }

  // New limits: who sees the whole goes on seeing it; who stands at the right end stays there.
  setLimits(from, to) {
    const [oldFrom, oldTo] = this.limits;
    if (from === oldFrom && to === oldTo) return;
    this.limits = [from, to];
    if (this.whole) this.range = [from, to];
    else if (this.range[1] >= oldTo) this.range = [this.range[0] + to - this.range[1], to];
    this.tell('limits');
  }

  show(from, to) {
    const [low, high] = this.limits;
    const span = Math.min(Math.max(to - from, (high - low) * 1e-6), high - low);
    const start = Math.min(Math.max(from, low), high - span);
    this.range = [start, start + span];
    this.whole = span >= (high - low) * 0.9999;
    if (this.whole) this.range = [low, high];
    this.tell('range');
  }

  zoom(factor, around = (this.range[0] + this.range[1]) / 2) {
    const [from, to] = this.range;
    this.show(around - (around - from) * factor, around + (to - around) * factor);
  }

  pan(part) {
    const shift = (this.range[1] - this.range[0]) * part;
    this.show(this.range[0] + shift, this.range[1] + shift);
  }

  reset() {
    this.whole = true;
    this.range = [...this.limits];
    this.tell('range');
  }

  point(x) {
    if (x === this.hover) return;
    this.hover = x;
    this.tell('hover');
  }
}

const SPEED = 0.0022;  // of the wheel
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// Wheel, drag, pinch and keys on `canvas`. `frame()` gives the plot's [left, right] in CSS pixels. `drag`: what
// dragging does, "pan" or "select"; `wheel`: "always", or it zooms with Ctrl or Shift only. `act`: onmove(x, y, event),
// onleave(), onclick(x, y), onselect([left, right] | null).
export function attach(canvas, viewport, frame, { drag, wheel, act }) {
  const fingers = new Map();
  let start = null;
  const toValue = (x) => {
    const [left, right] = frame();
    return viewport.range[0] + ((x - left) / Math.max(1, right - left)) * (viewport.range[1] - viewport.range[0]);
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.style.touchAction = 'pan-y';

  canvas.addEventListener('wheel', (event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!sideways && wheel !== 'always' && !event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const [left, right] = frame();
    if (sideways && !event.shiftKey) viewport.pan(event.deltaX / (right - left));
    else viewport.zoom(Math.exp(clamp(event.deltaY || event.deltaX, -300, 300) * SPEED), toValue(at(event)[0]));
  }, { passive: false });

  canvas.addEventListener('pointerdown', (event) => {
    const [x, y] = at(event);
    fingers.set(event.pointerId, x);
    canvas.setPointerCapture(event.pointerId);
    start = fingers.size === 1
      ? { x, y, range: [...viewport.range], moved: false, select: drag === 'select' && event.pointerType === 'mouse' }
      : null;
  });
  canvas.addEventListener('pointermove', (event) => {
    const [x, y] = at(event);
    if (!fingers.has(event.pointerId)) {
      act.onmove?.(x, y, event);
      return;
    }
    if (fingers.size === 2) pinch(event.pointerId, x);
    else if (start) dragged(x);
    fingers.set(event.pointerId, x);
  });
  function dragged(x) {
    if (Math.abs(x - start.x) > 4) start.moved = true;
    if (!start.moved) return;
    if (start.select) {
      act.onselect?.([Math.min(start.x, x), Math.max(start.x, x)]);
      return;
    }
    const [left, right] = frame();
    const shift = ((start.x - x) / (right - left)) * (start.range[1] - start.range[0]);
    viewport.show(start.range[0] + shift, start.range[1] + shift);
  }
  function pinch(id, x) {
    const other = [...fingers].find(([finger]) => finger !== id)[1];
    const before = Math.max(20, Math.abs(fingers.get(id) - other));
    viewport.zoom(before / Math.max(20, Math.abs(x - other)), toValue((x + other) / 2));
  }
  const up = (event) => {
    const [x, y] = at(event);
    fingers.delete(event.pointerId);
    if (!start) return;
    const { moved, select, x: from } = start;
    start = null;
    if (!moved) {
      act.onclick?.(x, y, event);
      return;
    }
    if (!select) return;
    act.onselect?.(null);
    const [low, high] = [toValue(Math.min(from, x)), toValue(Math.max(from, x))];
    if (event.type === 'pointerup') viewport.show(low, high);
  };
  canvas.addEventListener('pointerup', up);
  canvas.addEventListener('pointercancel', up);
  canvas.addEventListener('pointerleave', () => act.onleave?.());
  canvas.addEventListener('dblclick', () => viewport.reset());
  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const does = {
      ArrowLeft: () => viewport.pan(-0.2), ArrowRight: () => viewport.pan(0.2), '+': () => viewport.zoom(0.6),
        '=': () => viewport.zoom(0.6),
      '-': () => viewport.zoom(1 / 0.6), 0: () => viewport.reset(),
        Home: () => viewport.show(viewport.limits[0], viewport.limits[0] + viewport.range[1] - viewport.range[0]),
      End: () => viewport.show(viewport.limits[1] - viewport.range[1] + viewport.range[0], viewport.limits[1]),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
  return toValue;
}
