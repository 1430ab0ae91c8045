// A small curve of the newest values, without axes.

const SVG = 'http://www.w3.org/2000/svg';

export function spark(values, label, width = 120, height = 28) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('class', 'spark');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `${label}: the newest ${values.length} values`);
  const finite = values.filter(Number.isFinite);
  if (finite.length < 2) return svg;
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const points = values.map((value, index) => [
    2 + (index / (values.length - 1)) * (width - 6),
    height - 4 - ((value - low) / (high - low || 1)) * (height - 8),
  ]).filter(([, y]) => Number.isFinite(y));
  const line = document.createElementNS(SVG, 'polyline');
  line.setAttribute('points', points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' '));
  const dot = document.createElementNS(SVG, 'circle');
  const [x, y] = points[points.length - 1];
  dot.setAttribute('cx', x);
  dot.setAttribute('cy', y);
  dot.setAttribute('r', 2.2);
  svg.append(line, dot);
  return svg;
}
