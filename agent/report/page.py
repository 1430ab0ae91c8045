"""The report as one HTML file: nothing in it comes from elsewhere, and nothing but its own script may run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files

from rli_agent.report.contents import Contents
from rli_agent.report.markup import Markup, el, joined
from rli_agent.report.rollouts import Rollouts
from rli_agent.report.sections import (
    alerts_section,
    curves_section,
    facts_section,
    heat_section,
    problems_section,
    ranks_section,
    rollouts_section,
    state_classes,
    state_styles,
    timeline_section,
)  # fmt: skip
from rli_agent.report.words import Paragraph, what_happened


def page(c: Contents, rollouts: Rollouts | None) -> str:
    """The whole file. rollouts: None leaves them out."""
    timelines = [timeline for timeline in (c.timeline, c.beside) if timeline is not None]
    classes = state_classes(timelines)
    sections = [
        timeline_section(c, c.timeline, classes, "timeline", "Timeline") if c.timeline is not None else None,
        curves_section(c) if c.charts else None,
        heat_section(c),
        timeline_section(c, c.beside, classes, "traces", "Traces") if c.beside is not None else None,
        ranks_section(c),
        alerts_section(c),
        problems_section(c),
        rollouts_section(rollouts) if rollouts is not None else None,
        facts_section(c),
    ]
    words = el("section", el("h2", "What happened"), [_paragraph(p) for p in what_happened(c)], id="section-words")
    name = c.answer.run.experiment or c.answer.run.root.rstrip("/").rsplit("/", 1)[-1]
    return shell(f"{name}: {c.answer.progress.life}", [_head(c, name), words, *sections], state_styles(classes))


def shell(title: str, body: Sequence[Markup | None], more_styles: str = "") -> str:
    """A page of these parts, with the report's style and script in it and a policy that lets nothing else in."""
    style = files("rli_agent.report").joinpath("page.css").read_text(encoding="utf-8") + more_styles
    script = files("rli_agent.report").joinpath("page.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    head = [
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("style", Markup(style)),
    ]
    parts = [el("main", joined(part for part in body if part is not None)), el("div", id="tip", hidden=True)]
    document = el("html", el("head", head), el("body", parts, el("script", Markup(script))), lang="en")
    return f"<!doctype html>\n{document}\n"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _head(c: Contents, name: str) -> Markup:
    """The answer first, then which run this is."""
    run = c.answer.run
    facts = [
        ("framework", run.framework), ("model", run.model), ("project", run.project),
        ("environments", ", ".join(run.environments[:6]) or None), ("directory", run.root),
    ]  # fmt: skip
    made = f"{datetime.fromtimestamp(c.made, c.zone):%Y-%m-%d %H:%M %Z}"
    life = c.answer.progress.life
    return el(
        "header", el("p", el("span", life, class_=f"tag {c.answer.health.lower()}"), " ", name, class_="run"),
        el("h1", c.answer.answer),
        el("dl", [[el("dt", key), el("dd", value)] for key, value in facts if value]),
        el("p", f"Made by rli-agent on {made} from the run's own files.", class_="note"),
    )  # fmt: skip


def _paragraph(paragraph: Paragraph) -> Markup:
    return el(
        "div", el("h3", paragraph.title), [el("p", line) for line in paragraph.lines], class_=f"said {paragraph.tone}"
    )
