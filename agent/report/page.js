"use strict";
// A closer look at what is drawn: zooms timelines, tells what lies under the pointer. All figures are in the page.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 1160, LEFT = 132, ROW = 20, GAP = 9, TOP = 26, NARROW = 1.5;
  const CHART = {width: 400, height: 150, left: 50, right: 14, above: 8, below: 20};
  const HEAT = {left: 190, right: 1090, row: 19};
  const MARKS = {
    problem: x => `M${x} 21l-5 -9h10z`, alert: x => `M${x} 21l-4.5 -5.5l4.5 -5.5l4.5 5.5z`,
    checkpoint: x => `M${x} 21m-3 -3a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z`, attempt: x => `M${x} 21m-1 3h2v-20h-2z`,
  };
  const CLOCK = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
  const tip = document.getElementById("tip");
  const told = name => JSON.parse(document.getElementById(name)?.textContent ?? "null");
  const box = (x, y, w, h) => `M${x.toFixed(1)} ${y.toFixed(1)}h${w.toFixed(2)}v${h.toFixed(1)}h${(-w).toFixed(2)}z`;

  function element(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function show(event, text) {
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const {width, height} = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18}px`;
  }

  function spoken(ms) {
    const s = ms / 1000;
    if (s < 10) return `${s.toPrecision(2)} s`;
    if (s < 90) return `${s.toFixed(0)} s`;
    if (s < 5400) return `${(s / 60).toFixed(1)} min`;
    return s < 129600 ? `${(s / 3600).toFixed(1)} h` : `${(s / 86400).toFixed(1)} d`;
  }

  const pointer = (svg, event) => {
    const frame = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
    return {x: (event.clientX - frame.left) * view.width / frame.width, y: (event.clientY - frame.top) * view.height / frame.height};
  };

  function timeline(figure) {
    const data = told(figure.dataset.timeline), svg = figure.querySelector("svg");
    if (!data || !svg) return;
    const [axis, , spans, marks] = svg.querySelectorAll(":scope > g");
    const height = svg.viewBox.baseVal.height, rows = [];
    let y = TOP;
    for (const lane of data.lanes) {
      for (const row of lane.rows) { rows.push({y, row, lane: lane.name}); y += ROW; }
      y += GAP;
    }
    let from = 0, to = data.length;
    const place = ms => LEFT + (ms - from) / (to - from) * (WIDTH - LEFT);
    const real = ms => data.start * 1000 + ms + data.breaks.reduce(
      (sum, [at, drawn, was]) => sum + Math.min(Math.max(ms - at, 0), drawn) / (drawn || 1) * (was - drawn), 0);
    const clock = (ms, form) => new Date(real(ms) + data.offset * 1000).toISOString().slice(form[0], form[1]);

    function draw() {
      const paths = new Map();
      const add = (key, part) => paths.has(key) ? paths.get(key).push(part) : paths.set(key, [part]);
      for (const {y, row} of rows) {
        const columns = new Map();
        for (let i = 0; i < row.length; i += 5) {
          const start = row[i], open = row[i + 1] < 0, end = open ? data.length : start + row[i + 1];
          if (end < from || start > to) continue;
          const left = Math.max(LEFT, place(start)), width = Math.min(WIDTH, place(end)) - left, state = row[i + 2];
          if (width >= NARROW || open) add(`${state}${open ? " open" : ""}`, box(left, y + 1, Math.max(width, 2), ROW - 2));
          else {
            const x = Math.floor(left + width / 2), column = columns.get(x) ?? columns.set(x, new Map()).get(x);
            column.set(state, (column.get(state) ?? 0) + Math.max(width, 1e-6));
          }
        }
        for (const [x, column] of columns) {
          let at = y + 1, total = 0;
          for (const width of column.values()) total += width;
          for (const [state, width] of [...column].sort((a, b) => data.states[a[0]] < data.states[b[0]] ? -1 : 1)) {
            const high = (ROW - 2) * width / total;
            add(`${state}`, box(x, at, 1, high));
            at += high;
          }
        }
      }
      spans.replaceChildren(...[...paths].map(([key, parts]) => {
        const [state, open] = key.split(" ");
        return element("path", {d: parts.join(""), class: data.classes[state] + (open ? " open" : "")});
      }));
      marks.replaceChildren(...data.marks.filter(([at]) => at >= from && at <= to).map(([at, kind, title]) => {
        const mark = element("path", {d: MARKS[kind](place(at).toFixed(1)), class: `mark ${kind}`});
        mark.append(element("title", {}, title));
        return mark;
      }));
      const each = 1000 * (CLOCK.find(s => (to - from) / 1000 / s <= 9) ?? 604800), ticks = [];
      const fine = to - from < 9000 ? Math.max(1, 10 ** Math.floor(Math.log10((to - from) / 4))) : each;
      const form = fine >= 86400000 ? [5, 10] : fine >= 60000 ? [11, 16] : fine >= 1000 ? [11, 19] : [14, 23];
      const shift = real(from) + data.offset * 1000, first = Math.ceil(shift / fine) * fine - shift;
      for (let at = from + first, last = 0; at <= to && ticks.length < 60; at += fine) {
        const x = place(at);
        if (x - last < 45 || x > WIDTH - 18) continue;
        last = x;
        ticks.push(element("line", {x1: x, x2: x, y1: TOP - 4, y2: height - 30, class: "grid"}));
        ticks.push(element("text", {x, y: height - 17, "text-anchor": "middle"}, clock(at, form)));
      }
      for (const [at, drawn, was] of data.breaks) {
        const left = Math.max(LEFT, place(at)), width = Math.min(WIDTH, place(at + drawn)) - left;
        if (width <= 0) continue;
        const gap = element("path", {d: box(left, TOP - 4, width, height - 34 - TOP + 8), class: "break"});
        gap.append(element("title", {}, `no state for ${spoken(was)}`));
        ticks.push(gap);
      }
      axis.replaceChildren(...ticks);
    }

    function look(a, b) {
      const length = Math.min(data.length, Math.max(20, b - a));
      from = Math.max(0, Math.min(a, data.length - length));
      to = from + length;
      draw();
    }
    const zoom = (by, x) => {
      const at = from + (Math.max(LEFT, x) - LEFT) / (WIDTH - LEFT) * (to - from);
      look(at - (at - from) * by, at + (to - at) * by);
    };
    svg.addEventListener("wheel", event => {
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) return;
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.25 : 0.8, pointer(svg, event).x);
    }, {passive: false});
    let grabbed = null;
    svg.addEventListener("pointerdown", event => {
      grabbed = {x: pointer(svg, event).x, from, to};
      svg.setPointerCapture(event.pointerId);
      svg.classList.add("dragged");
    });
    svg.addEventListener("pointerup", () => { grabbed = null; svg.classList.remove("dragged"); });
    svg.addEventListener("pointermove", event => {
      const {x, y} = pointer(svg, event);
      if (grabbed) {
        const by = (x - grabbed.x) / (WIDTH - LEFT) * (grabbed.to - grabbed.from);
        look(grabbed.from - by, grabbed.to - by);
        return;
      }
      if (event.target.classList.contains("mark")) { show(event, event.target.textContent); return; }
      const hit = rows.find(row => y >= row.y && y < row.y + ROW), at = from + (x - LEFT) / (WIDTH - LEFT) * (to - from);
      show(event, hit && x >= LEFT ? under(hit, at, (to - from) / (WIDTH - LEFT)) : "");
    });
    svg.addEventListener("pointerleave", event => show(event, ""));
    const under = ({row, lane}, at, near) => {
      let best = -1, away = near;
      for (let i = 0; i < row.length; i += 5) {
        const end = row[i + 1] < 0 ? data.length : row[i] + row[i + 1];
        const distance = at < row[i] ? row[i] - at : at > end ? at - end : 0;
        if (distance < away) { best = i; away = distance; }
        if (row[i] > at + near) break;
      }
      if (best < 0) return "";
      const [start, length, state, step, count] = row.slice(best, best + 5);
      const lasted = length < 0 ? "not over" : spoken(length);
      return `${lane}: ${data.states[state]}, ${lasted}\n${step < 0 ? "" : `step ${step}, `}from ${clock(start, [11, 21])}` +
        (count > 1 ? `\n${count} drawn together` : "");
    };
    svg.tabIndex = 0;
    svg.addEventListener("keydown", event => {
      const length = to - from;
      const act = {
        "+": () => zoom(0.6, (LEFT + WIDTH) / 2), "=": () => zoom(0.6, (LEFT + WIDTH) / 2), "-": () => zoom(1.6, (LEFT + WIDTH) / 2),
        "0": () => look(0, data.length), ArrowLeft: () => look(from - length / 5, to - length / 5),
        ArrowRight: () => look(from + length / 5, to + length / 5),
      }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    figure.closest("section").classList.add("live");
  }

  function chart(frame, data) {
    const svg = frame.querySelector("svg"), [first, last] = svg.dataset.x.split(",").map(Number);
    const cursor = element("line", {y1: CHART.above, y2: CHART.height - CHART.below, class: "grid", visibility: "hidden"});
    svg.append(cursor);
    const stepwise = last < 1e8, inner = CHART.width - CHART.left - CHART.right;
    svg.addEventListener("pointermove", event => {
      const at = first + (pointer(svg, event).x - CHART.left) / inner * (last - first);
      const lines = [];
      let found = null;
      for (const [xs, ys, name] of data) {
        let low = 0, high = xs.length - 1;
        while (low < high) { const middle = (low + high) >> 1; if (xs[middle] < at) low = middle + 1; else high = middle; }
        if (low > 0 && at - xs[low - 1] < xs[low] - at) low -= 1;
        found = found ?? xs[low];
        lines.push(`${data.length > 1 ? `${name}: ` : ""}${ys[low] === null ? "not a number" : ys[low]}`);
      }
      if (found === null) return;
      const x = CHART.left + (found - first) / ((last - first) || 1) * inner;
      cursor.setAttribute("x1", x); cursor.setAttribute("x2", x); cursor.setAttribute("visibility", "visible");
      show(event, `${stepwise ? `step ${found}` : new Date((found + offset) * 1000).toISOString().slice(11, 19)}\n${lines.join("\n")}`);
    });
    svg.addEventListener("pointerleave", event => { cursor.setAttribute("visibility", "hidden"); show(event, ""); });
  }

  function heat(frame) {
    const data = told(frame.dataset.heat), svg = frame.querySelector("svg");
    svg.addEventListener("pointermove", event => {
      const {x, y} = pointer(svg, event), wide = (HEAT.right - HEAT.left) / data.columns.length;
      const row = Math.floor(y / HEAT.row), column = Math.floor((x - HEAT.left) / wide);
      const seconds = data.cells[row]?.[column];
      if (seconds === undefined || seconds === null) { show(event, ""); return; }
      const [name, usual] = data.rows[row], [a, b] = data.columns[column];
      show(event, `${name}\n${a === b ? `step ${a}` : `steps ${a} to ${b}, the longest`}: ${spoken(seconds * 1000)}` +
        `\nusually ${spoken(usual * 1000)}`);
    });
    svg.addEventListener("pointerleave", event => show(event, ""));
  }

  const offset = told("timeline")?.offset ?? 0, curves = told("curves");
  document.querySelectorAll("[data-timeline]").forEach(timeline);
  document.querySelectorAll("[data-chart]").forEach(frame => chart(frame, curves[frame.dataset.chart]));
  document.querySelectorAll("[data-heat]").forEach(heat);
})();
