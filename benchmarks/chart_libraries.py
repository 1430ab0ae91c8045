"""Which library should draw the page's curves? Each candidate draws 8 curves of 12,500 points in Chromium.

    pip download --no-deps -d WHEELS bokeh plotly lightweight-charts uplot-python
    python benchmarks/chart_libraries.py WHEELS

Told for each: what it weighs under gzip, when its chart stands there over 10 Mbit/s with 20 ms of latency, counted from
the navigation (its script is loaded and compiled, the points are made in the browser), and what a frame takes while the
chart is zoomed. docs/page.md has the numbers and what follows from them.
"""

from __future__ import annotations

import gzip
import statistics
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
REPEATS = 3

#: Name → the wheel's beginning, and its files that a browser needs.
WHEELS = {
    "own canvas": ("", ()),
    "uPlot": ("uplot_python", ("uplot/static/uPlot.iife.js",)),
    "lightweight-charts": ("lightweight_charts", ("lightweight_charts/js/lightweight-charts.js",)),
    "bokeh": ("bokeh", ("bokeh/server/static/js/bokeh.min.js", "bokeh/server/static/js/bokeh-api.min.js")),
    "plotly": ("plotly", ("plotly/package_data/plotly.min.js",)),
}

DATA = """
let seed = 7;
const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5;
const xs = Array.from({length: 12500}, (_, i) => i + 1);
const curves = Array.from({length: 8}, () => { let v = 0; return xs.map(() => (v += random()) + 4 * random()); });
const host = document.getElementById('host');
const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
"""

#: What draws the curves and leaves `zoom(from, to)`.
DRAW = {
    "own canvas": """
const {Chart} = await import('/page/canvas/chart.js'); const {Viewport} = await import('/page/canvas/viewport.js');
const viewport = new Viewport([1, 12500]);
const chart = new Chart(host, {viewport, height: 400, kind: 'step', label: 'x'});
chart.set(curves.map((y, i) => ({x: xs, y, colour: `hsl(${i * 40} 60% 50%)`})));
var zoom = (from, to) => { viewport.show(from, to); };
""",
    "uPlot": """
const chart = new uPlot({width: 1000, height: 400, scales: {x: {time: false}},
  series: [{}, ...curves.map((_, i) => ({stroke: `hsl(${i * 40} 60% 50%)`}))]}, [xs, ...curves], host);
var zoom = (from, to) => chart.setScale('x', {min: from, max: to});
""",
    "lightweight-charts": """
const chart = LightweightCharts.createChart(host, {width: 1000, height: 400});
curves.forEach((y) => chart.addLineSeries().setData(xs.map((x, i) => ({time: x, value: y[i]}))));
chart.timeScale().fitContent();
var zoom = (from, to) => chart.timeScale().setVisibleLogicalRange({from, to});
""",
    "bokeh": """
const figure = Bokeh.Plotting.figure({width: 1000, height: 400, output_backend: 'canvas'});
curves.forEach((y, i) => figure.line({x: xs, y, line_color: `hsl(${i * 40} 60% 50%)`}));
await Bokeh.Plotting.show(figure, host);
var zoom = (from, to) => { figure.x_range.setv({start: from, end: to}); };
""",
    "plotly": """
await Plotly.newPlot(host, curves.map((y) => ({x: xs, y, type: 'scatter', mode: 'lines'})), {width: 1000, height: 400});
var zoom = (from, to) => Plotly.relayout(host, {'xaxis.range': [from, to]});
""",
}

ZOOMS = """
const times = [];
const first = performance.now();
for (let i = 0; i < 40 && performance.now() - first < 8000; i += 1) {
  const begin = performance.now();
  await zoom(1 + i * 60, 12500 - i * 60);
  await frame();
  times.push(performance.now() - begin);
}
window.result = {drawn, frames: times};
"""


class Pages(ThreadingHTTPServer):
    """A page for each candidate, and their scripts under gzip."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.bodies: dict[str, tuple[str, bytes]] = {}

    def add(self, path: str, kind: str, body: bytes) -> int:
        packed = gzip.compress(body, 9)
        self.bodies[path] = (kind, packed)
        return len(packed)


class Answer(BaseHTTPRequestHandler):
    server: Pages
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, body = self.server.bodies.get(self.path, ("text/plain", gzip.compress(b"")))
        self.send_response(200 if self.path in self.server.bodies else 404)
        for name, value in (("Content-Type", kind), ("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments


def prepare(pages: Pages, wheels: Path) -> dict[str, int]:
    """Put everything where a browser finds it; the size of each candidate's script as it is sent. A library whose wheel
    is not in the folder is left out."""
    folder = files("rli_agent.dashboards").joinpath("page")
    own = 0
    for name in ("canvas/chart.js", "canvas/viewport.js", "canvas/scale.js", "canvas/surface.js", "canvas/tip.js",
                 "colours.js", "text.js", "dom.js"):  # fmt: skip
        own += pages.add(f"/page/{name}", "text/javascript", folder.joinpath(name).read_bytes())
    sizes = {"own canvas": own}
    for number, (name, (wheel, scripts)) in enumerate(WHEELS.items()):
        tags = ""
        if wheel:
            path = next(wheels.glob(f"{wheel}-*.whl"), None)
            if path is None:
                continue
            with zipfile.ZipFile(path) as archive:
                sizes[name] = sum(pages.add(f"/{one}", "text/javascript", archive.read(one)) for one in scripts)
            tags = "".join(f'<script src="/{one}"></script>' for one in scripts)
        script = f"{DATA}{DRAW[name]}await frame(); const drawn = performance.now();{ZOOMS}"
        body = f"<div id=host style='width:1000px'></div>{tags}<script type=module>{script}</script>"
        pages.add(f"/{number}.html", "text/html; charset=utf-8", f"<!doctype html><body>{body}".encode())
    return sizes


def main() -> None:
    pages = Pages()
    sizes = prepare(pages, Path(sys.argv[1] if len(sys.argv) > 1 else "wheels"))
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    print(f"{'':20} {'gzip':>10} {'chart drawn':>12} {'a zoomed frame':>15}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for number, name in enumerate(WHEELS):
            if name not in sizes:
                print(f"{name:20} left out: no wheel")
                continue
            drawn, frames = [], []
            for _ in range(REPEATS):
                page = browser.new_page()
                network = page.context.new_cdp_session(page)
                network.send("Network.enable")
                network.send(
                    "Network.emulateNetworkConditions",
                    {"offline": False, "latency": 20, "downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8},
                )
                page.goto(f"http://127.0.0.1:{pages.server_port}/{number}.html")
                page.wait_for_function("window.result", timeout=120_000)
                result = page.evaluate("window.result")
                drawn.append(result["drawn"])
                frames += result["frames"]
                page.close()
            print(
                f"{name:20} {sizes[name] / 1024:7.0f} KiB {statistics.median(drawn):9.0f} ms "
                f"{statistics.median(frames):12.1f} ms",
                flush=True,
            )
        browser.close()
    pages.shutdown()


if __name__ == "__main__":
    main()
