// The box beside the pointer: one for the page.
import { make, refill } from '../dom.js';

let box = null;

export function showTip(canvas, x, y, ...content) {
  if (!box) {
    box = make('div', { class: 'tip', role: 'presentation' });
    document.body.append(box);
  }
  refill(box, ...content);
  box.hidden = false;
  const place = canvas.getBoundingClientRect();
  const [width, height] = [box.offsetWidth, box.offsetHeight];
  const left = Math.min(place.left + x + 14, innerWidth - width - 8);
  const above = place.top + y - height - 12;
  box.style.left = `${Math.max(8, left)}px`;
  box.style.top = `${above > 8 ? above : place.top + y + 18}px`;
}

export function hideTip() {
  if (box) box.hidden = true;
}
