"""The page of a run that goes on, that lies, or that stands beside another one, in a real browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_process import Agent, until
from browser import Visit, finished
from growing_run import orchestrator, trainer, write, write_run

import rli_agent.samples
from rli_agent.demo import OUTPUT
from rli_agent.player import Playback

pytestmark = pytest.mark.real

#: What a log says to whoever shows it carelessly.
HOSTILE = (
    "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'> javascript:alert(1) "
    "\x1b[31mred\x1b[0m \x07 \u202eevil\u202c \u200bhidden \U000e0041 </pre></li> {{7*7}} ${alert(1)}"
)
#: Seconds; the first is shown in milliseconds.
ELAPSED = """() => { const said = [...document.querySelectorAll('.lanes li')]
    .find((one) => one.textContent.includes('save_ckpt')).querySelector('.elapsed').textContent;
    return parseFloat(said) / (said.endsWith('ms') ? 1000 : 1) }"""


@pytest.fixture
def visits(browser: Any) -> Any:
    opened: list[Visit] = []

    def visit(agent: Agent) -> Visit:
        opened.append(Visit(browser, agent))
        return opened[-1]

    yield visit
    for one in opened:
        one.close()


def today() -> int:
    """The second of the day, as the logs of these runs count it."""
    return int(time.time()) % 86400


def begun(run: Path, agents: Callable[..., Agent]) -> Agent:
    second = today() - 300
    for step in range(1, 5):
        write(run, "logs/orchestrator.log", orchestrator(step, second + 60 * step))
        write(run, "logs/trainer.log", trainer(step, second + 60 * step + 5))
    agent = agents(run, "--listen", "127.0.0.1:0")
    agent.says("step 4")
    return agent


def test_a_new_step_is_seen_within_a_second_of_its_line(
    tmp_path: Path, agents: Callable[..., Agent], visits: Any
) -> None:
    agent = begun(tmp_path / "run", agents)
    visit = visits(agent)
    visit.open("curves", query="?q=rl_grad_norm")
    visit.page.wait_for_selector('.card[data-points="4"]')
    delays = []
    for step in range(5, 10):
        visit.page.evaluate(
            """step => { window.seen = new Promise((done) => { const look = () => document.querySelector('.answer')
            .textContent.includes(`step ${step}`) ? done(Date.now()) : setTimeout(look, 5); look(); }); 0; }""",
            step,
        )
        written = time.time()
        write(tmp_path / "run", "logs/orchestrator.log", orchestrator(step, today()))
        write(tmp_path / "run", "logs/trainer.log", trainer(step, today()))
        delays.append(visit.page.evaluate("window.seen") / 1000 - written)
    visit.page.wait_for_selector('.card[data-points="9"]')
    assert sorted(delays)[len(delays) // 2] < 1.0, delays
    visit.behaved()


def test_an_open_interval_grows_until_it_ends(tmp_path: Path, agents: Callable[..., Agent], visits: Any) -> None:
    agent = begun(tmp_path / "run", agents)
    clock = time.strftime("%H:%M:%S", time.gmtime())
    write(tmp_path / "run", "logs/trainer.log", f"[trainer0]:{clock}    INFO Saving checkpoint at step 4\n")
    visit = visits(agent)
    page = visit.open("now")
    row = ".lanes li:has-text('save_ckpt')"
    page.wait_for_selector(row)
    first = page.evaluate(ELAPSED)
    visit.until(f"first => ({ELAPSED})() > first + 1.5", first)
    assert "running" in visit.text("#interval-count")
    write(tmp_path / "run", "logs/trainer.log", trainer(5, today() + 2))
    page.wait_for_selector(row, state="detached")
    visit.behaved()


def test_ten_seconds_of_a_run_that_is_played(tmp_path: Path, agents: Callable[..., Agent], visits: Any) -> None:
    run = tmp_path / "run"
    output = run / OUTPUT["prime-rl"]
    output.mkdir(parents=True)
    agent = agents(output, "--listen", "127.0.0.1:0")
    stop = threading.Event()
    playback = Playback(Path(rli_agent.samples.__path__[0]) / "prime-rl")
    player = threading.Thread(target=playback.play, args=(run,), kwargs={"stop": stop})  # a step takes 2.6 s
    player.start()
    try:
        agent.says(r"step \d+ of 12")
        visit = visits(agent)
        visit.open("now")
        steps: set[int] = set()
        counts: set[str] = set()
        end = time.monotonic() + 10

        def watched() -> bool:
            steps.add(int(visit.page.get_attribute(".health .bar", "aria-valuenow") or 0))
            counts.add(visit.text("#interval-count"))
            return time.monotonic() > end

        until(watched, "ten seconds", patience=60)
        assert len(steps) >= 3, steps
        assert len(counts) >= 5, counts
        visit.behaved()
    finally:
        stop.set()
        player.join()


def test_an_agent_that_went_away_is_told(tmp_path: Path, agents: Callable[..., Agent], visits: Any) -> None:
    agent = begun(tmp_path / "run", agents)
    visit = visits(agent)
    visit.open("now")
    visit.until("() => document.querySelector('#link').dataset.alive === 'true'")
    agent.kill()
    visit.until("() => document.querySelector('#link').textContent.includes('connection lost')")
    assert "step 4" in visit.text(".answer")


def test_what_a_log_says_stays_text(tmp_path: Path, agents: Callable[..., Agent], visits: Any) -> None:
    run = tmp_path / "run"
    write_run(run, 8)
    second = time.strftime("%H:%M:%S", time.gmtime())
    write(run, "logs/trainer.log", f"[trainer0]:{second}   ERROR {HOSTILE}\n")
    write(run, "logs/trainer.log", f"[trainer0]:{second}   ERROR RuntimeError: CUDA error: out of memory {HOSTILE}\n")
    agent = agents(run, "--listen", "127.0.0.1:0")
    agent.says("step 8")
    visit = visits(agent)
    for tab in ("now", "curves", "steps", "rollouts", "problems", "engines"):
        page = visit.open(tab)
        page.wait_for_selector(".body > *")
    page = visit.open("problems")
    page.wait_for_selector(".groups summary:has-text('window.broken')")
    page.locator(".groups summary:has-text('window.broken')").first.click()
    page = visit.open("logs")
    page.wait_for_selector(".lines li:has-text('<script>window.broken')")
    shown = page.locator(".lines li:has-text('<script>window.broken')").first.inner_text()
    for code in ("\\x07", "\\u{202e}", "\\u{200b}", "\\u{e0041}"):
        assert code in shown
    assert "\u202e" not in page.content()
    assert page.evaluate("window.broken") is None
    assert page.locator("main script, main img, main a[href^=javascript]").count() == 0
    visit.behaved()


def test_runs_of_two_frameworks_are_laid_over_each_other(
    tmp_path: Path, agents: Callable[..., Agent], visits: Any
) -> None:
    finished("prime-rl", tmp_path / "runs" / "first")
    finished("verl", tmp_path / "runs" / "second")
    agent = agents(tmp_path / "runs", "--listen", "127.0.0.1:0")
    visit = visits(agent)
    visit.until("() => document.querySelectorAll('.run .name').length === 2")
    visit.picture("runs-two")
    page = visit.open("curves")
    page.wait_for_selector('.card[data-name="rl_reward_mean"][data-curves="1"]')
    page.click("text=Overlay other runs")
    page.locator(".sheet input").first.check()
    page.wait_for_selector('.card[data-name="rl_reward_mean"][data-curves="2"]')
    page.get_by_label("Against").select_option("relative")
    page.wait_for_selector('.card[data-name="rl_reward_mean"][data-curves="2"][data-axis=relative]')
    page.get_by_label("Against").select_option("step")
    page.wait_for_selector('.card[data-name="rl_reward_mean"][data-curves="2"][data-axis=step]')
    page.locator("input[type=range]").fill("0.6")
    visit.picture("curves-two-runs")
    visit.behaved()
