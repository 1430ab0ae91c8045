"""The page of a finished run in a real browser: every view, by mouse and by keys, on a desk and on a phone."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_process import Agent, store
from browser import Visit, finished

pytestmark = pytest.mark.real
PROMPT = "input[placeholder='has this text']"
ALL_HAVE = "word => [...document.querySelectorAll('.rollout')].every(one => one.textContent.includes(word))"
#: Each view, and what is there when it is drawn.
VIEWS = {
    "now": ".legend .swatch", "curves": ".card .legend strong", "steps": ".shares li", "rollouts": ".rollout",
    "problems": ".groups li", "engines": "td", "logs": ".lines li",
}  # fmt: skip


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Agent]]:
    """A watch of a prime-rl run that is over."""
    folder = tmp_path_factory.mktemp("finished")
    agent = Agent(folder, finished("prime-rl", folder / "run"), "--listen", "127.0.0.1:0")
    agent.says("finished: step 12 of 12")
    yield folder, agent
    agent.kill()


@pytest.fixture
def visit(browser: Any, watched: tuple[Path, Agent]) -> Iterator[Visit]:
    one = Visit(browser, watched[1])
    yield one
    one.behaved()
    one.close()


def asked(watched: tuple[Path, Agent], sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{store(watched[0])}?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def intervals(visit: Visit) -> int:
    return int(re.sub(r"\D", "", visit.text("#interval-count").split(" ")[0]))


def test_the_first_line_is_the_answer(visit: Visit) -> None:
    assert "finished: step 12 of 12" in visit.text(".run .says")
    visit.page.click(".run .name")
    visit.until("() => document.querySelector('.answer')?.textContent.startsWith('finished: step 12 of 12')")
    assert visit.text(".health .pill") == "finished"
    assert visit.page.get_attribute(".health .bar", "aria-valuenow") == "12"


def test_the_timeline_has_all_intervals_and_a_closer_look_has_fewer(visit: Visit, watched: tuple[Path, Agent]) -> None:
    (stored,) = asked(watched, "SELECT count(*) FROM intervals")[0]
    page = visit.open("now")
    visit.until("() => /^[1-9]/.test(document.querySelector('#interval-count').textContent)")
    page.click("text=All")
    visit.until("wanted => parseInt(document.querySelector('#interval-count').textContent) === wanted", stored)
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -600)
    visit.until("all => document.querySelector('#interval-count').textContent.includes('in view')", stored)
    visit.until("all => parseInt(document.querySelector('#interval-count').textContent) < all", stored)
    page.locator("canvas").press("0")
    visit.until("all => parseInt(document.querySelector('#interval-count').textContent) === all", stored)
    assert intervals(visit) == stored


def test_an_interval_tells_its_state_step_and_duration_and_leads_to_its_lines(visit: Visit) -> None:
    page = visit.open("now")
    visit.until("() => document.querySelectorAll('.legend .swatch').length > 2")
    canvas = page.locator("canvas")
    canvas.focus()
    canvas.press(".")
    told = page.inner_text(".panel [aria-live]")
    assert re.fullmatch(r"\w+: \w+(, step \d+)?, [\d.]+ \w+, from \d\d:\d\d:\d\d", told), told
    assert told.split(": ")[1].split(",")[0] in page.inner_text(".tip")
    canvas.press(",")
    assert page.inner_text(".panel [aria-live]") != told
    canvas.press("Enter")
    page.wait_for_selector(".lines li.marked")


def test_the_table_behind_the_timeline_has_its_intervals(visit: Visit, watched: tuple[Path, Agent]) -> None:
    page = visit.open("now")
    visit.until("() => document.querySelectorAll('.legend .swatch').length > 2")
    page.locator("text=As a table").first.click()
    page.wait_for_selector(".behind td")
    states = set(page.locator(".behind td:nth-child(2)").all_inner_texts())
    assert states
    assert states <= {state for (state,) in asked(watched, "SELECT DISTINCT state FROM intervals")}


def test_a_search_finds_a_metric_and_its_table_has_what_was_logged(visit: Visit, watched: tuple[Path, Agent]) -> None:
    page = visit.open("curves")
    page.wait_for_selector('.card[data-name="rl_reward_mean"][data-points="12"]')
    page.fill("input[type=search]", "optim/grad")
    visit.until("() => document.querySelectorAll('.card').length === 1")
    page.wait_for_selector('.card[data-name="rl_grad_norm"][data-points="12"]')
    page.locator(".card summary").click()
    page.wait_for_selector(".card td:nth-child(3)")
    shown = [float(text) for text in page.locator(".card td:nth-child(3)").all_inner_texts()]
    logged = dict(asked(watched, "SELECT step, value FROM samples WHERE name = 'optim/grad_norm' ORDER BY time"))
    assert shown == pytest.approx([logged[step] for step in sorted(logged, reverse=True)], rel=1e-3)
    page.fill("input[type=search]", "no such metric")
    visit.until("() => document.body.textContent.includes('No metric has “no such metric” in its name.')")


def test_smoothing_is_tensorboards(visit: Visit, watched: tuple[Path, Agent]) -> None:
    sql = "SELECT DISTINCT step, value FROM samples WHERE name = 'loss/mean' ORDER BY step"
    values = [value for _, value in asked(watched, sql)]
    smoothed, weight = 0.0, 0.8
    for value in values:
        smoothed = smoothed * weight + (1 - weight) * value
    smoothed /= 1 - weight ** len(values)
    page = visit.open("curves", query="?q=loss/mean")
    page.wait_for_selector('.card[data-points="12"]')
    page.locator("input[type=range]").fill(str(weight))
    visit.until("() => document.querySelector('output').textContent === '0.80'")
    assert float(page.inner_text(".card .legend strong")) == pytest.approx(smoothed, rel=1e-3)


def test_a_part_of_a_curve_is_chosen_by_dragging(visit: Visit) -> None:
    page = visit.open("curves", query="?q=loss/mean")
    page.wait_for_selector('.card[data-points="12"]')
    box = page.locator(".card canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 90, steps=4)
    page.mouse.up()
    visit.until("() => Number(document.querySelector('.card').dataset.points) < 12")
    page.locator(".card canvas").press("0")
    page.wait_for_selector('.card[data-points="12"]')


def test_the_steps_say_what_their_time_goes_into(visit: Visit) -> None:
    page = visit.open("steps")
    page.wait_for_selector(".shares li")
    assert "waits for its batch" in visit.text(".lead")
    lanes = page.locator(".panel h2").all_inner_texts()
    assert lanes[0] == "trainer"
    page.locator(".panel summary").first.click()
    page.wait_for_selector(".panel tbody tr")
    assert page.locator(".panel").first.locator("tbody tr").count() == 12


def test_rollouts_are_found_by_step_prompt_and_error(visit: Visit) -> None:
    page = visit.open("rollouts")
    page.wait_for_selector(".rollout")
    rewards = [float(text.split()[1]) for text in page.locator(".reward").all_inner_texts()]
    assert rewards == sorted(rewards)
    page.wait_for_selector(".panel canvas")
    prompt = page.locator(".rollout pre").first.inner_text().split()[0]
    page.fill(PROMPT, prompt)
    visit.until(ALL_HAVE, prompt)
    page.fill(PROMPT, "")
    page.fill("input[placeholder=newest]", "5")
    visit.until(ALL_HAVE, "step 5")
    page.check("text=errored")
    visit.until("() => document.querySelectorAll('.rollout[data-errored=false]').length === 0")
    assert page.locator(".rollout[data-errored=true]").count() >= 1


def test_the_heat_map_leads_to_the_rollouts_of_a_step(visit: Visit) -> None:
    page = visit.open("rollouts")
    page.wait_for_selector(".panel canvas")
    page.locator(".panel canvas").focus()
    page.locator(".panel canvas").press("ArrowLeft")
    page.locator(".panel canvas").press("ArrowLeft")
    assert page.inner_text(".tip").startswith("step 11")
    page.locator(".panel canvas").press("Enter")
    assert "step=11" in page.url


def test_a_problem_has_its_whole_message_and_leads_to_its_line(visit: Visit) -> None:
    page = visit.open("problems")
    page.wait_for_selector(".groups summary")
    page.locator(".groups summary").first.click()
    assert "TimeoutError" in page.locator(".groups pre").first.inner_text()
    page.locator(".groups > li", has_text="orchestrator.log").locator("text=log lines").first.click()
    page.wait_for_selector(".lines li.marked")
    assert "TimeoutError" in page.inner_text(".lines li.marked")


def test_logs_are_filtered_and_the_next_error_is_found(visit: Visit) -> None:
    page = visit.open("logs")
    page.wait_for_selector(".lines li")
    page.fill("input[placeholder='in the line']", "peak memory")
    visit.until("() => [...document.querySelectorAll('.lines li')].every(one => /peak memory/i.test(one.textContent))")
    assert page.locator(".lines li").count() == 1
    page.fill("input[placeholder='in the line']", "")
    page.get_by_label("Role").select_option("orchestrator")
    visit.until("() => [...document.querySelectorAll('.lines .role')].every(one => one.textContent === 'orchestrator')")


def test_engines_tell_their_figures(visit: Visit) -> None:
    page = visit.open("engines")
    page.wait_for_selector("td")
    assert "requests running" in page.inner_text("table")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_every_view_fits_and_has_a_picture(browser: Any, watched: tuple[Path, Agent], dark: bool, phone: bool) -> None:
    visit = Visit(browser, watched[1], dark=dark, phone=phone)
    kind = f"{'phone' if phone else 'desk'}-{'dark' if dark else 'light'}"
    visit.picture(f"runs-{kind}")
    for tab, drawn in VIEWS.items():
        page = visit.open(tab)
        page.wait_for_selector(drawn)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{tab} is wider than the window"
        visit.picture(f"{tab}-{kind}")
    visit.behaved()
    visit.close()


def test_all_that_can_be_done_can_be_done_by_keys(visit: Visit) -> None:
    page = visit.open("now")
    visit.until("() => document.querySelectorAll('.legend .swatch').length > 2")
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate("document.activeElement.tagName + ' ' + document.activeElement.textContent")
        if at.startswith("BODY"):
            break
        reached.add(at)
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    assert {"A Curves", "A Logs", "BUTTON +", "CANVAS ", "SUMMARY As a table"} <= reached
    assert page.locator("canvas:not([aria-label])").count() == 0


def test_the_colours_follow_the_switch_and_are_kept(visit: Visit) -> None:
    page = visit.page
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
