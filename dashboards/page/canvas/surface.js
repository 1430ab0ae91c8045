// A canvas that keeps its element's size and the screen's resolution, and draws at most once a frame.
import { make } from '../dom.js';

export class Surface {
  // `draw(context, width, height)` in CSS pixels. `label` is read aloud.
  constructor(host, { label, height, draw, keys = '' }) {
    this.draw = draw;
    this.height = height;
    this.width = 0;
    this.frame = 0;
    this.canvas = make('canvas', { tabindex: 0, role: 'img', 'aria-label': label, 'aria-keyshortcuts': keys || null });
    this.canvas.style.height = `${height}px`;
    host.append(this.canvas);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.canvas);
    this.themed = () => this.request();
    document.addEventListener('themechange', this.themed);
  }

  setHeight(height) {
    if (height === this.height) return;
    this.height = height;
    this.canvas.style.height = `${height}px`;
  }

  resize() {
    const width = this.canvas.clientWidth;
    const ratio = Math.min(devicePixelRatio || 1, 3);
    if (!width) return;
    const [pixels, lines] = [Math.round(width * ratio), Math.round(this.height * ratio)];
    if (this.canvas.width === pixels && this.canvas.height === lines) return;
    this.width = width;
    this.canvas.width = pixels;
    this.canvas.height = lines;
    this.paint();
  }

  request() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.width || !this.canvas.isConnected) return;
    const context = this.canvas.getContext('2d');
    const ratio = this.canvas.width / this.width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this.draw(context, this.width, this.height);
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.observer.disconnect();
    document.removeEventListener('themechange', this.themed);
    this.canvas.remove();
  }
}
