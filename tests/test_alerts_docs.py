"""docs/alerts.md: its example is what is sent, and it names every kind of message."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from msgspec import structs
from msgspec.structs import fields

from rli_agent.alerts import filling
from rli_agent.alerts.opening import open_alerts
from rli_agent.alerts.settings import AnyChannel, ChannelSettings, load_alerts
from rli_agent.alerts.words import as_data
from rli_agent.events import Interval, RunFact, Samples, Shape, Source
from rli_agent.life.tracker import LifeTracker
from rli_agent.message import Message

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "alerts.md").read_text()
TRAINER = Source("logs/trainer.log", "trainer")
SHAPE = Shape(("loss/mean",), (None,), (None,))


def test_the_example_is_what_a_stall_sends() -> None:
    tracker = LifeTracker("grpo-1c9f0d2e")
    now = 1.8e9 - 600
    tracker.tick(now)
    tracker.record([RunFact(TRAINER.file, 1, 0, now, "logged", "max_steps", "1000")], TRAINER, now)

    def state(name: str, lasted: float | None) -> None:
        start, end = (now, None) if lasted is None else (now - lasted, now)
        tracker.record(
            [Interval(TRAINER.file, 1, 0, "logged", "trainer", name, None, start, end, lasted)], TRAINER, now
        )

    for number in range(1, 21):
        now += 60
        tracker.record([Samples(TRAINER.file, 1, 0, now, "logged", number, SHAPE, [0.5], "[0.5]")], TRAINER, now)
        if number == 6:
            state("eval", 30.0)
            state("save_ckpt", 30.0)
        if number > 6:
            state("weight_sync", 8.0)
    state("weight_sync", None)
    told: list[Message] = []
    while not told:
        now += 10
        told = tracker.tick(now)
    labels = (("project", "math"), ("experiment_name", "grpo"), ("run", "grpo-1c9f0d2e"), ("framework", "prime-rl"))
    (message,) = told
    sent = as_data(structs.replace(message, labels=labels)) | {"repeated": 0}
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert json.loads(example) == sent


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_its_settings_load(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file.write_text(example.replace("/opt/site/requeue", "cat").replace("/run/secrets/discord", "discord"))
    (tmp_path / "discord").write_text("https://discord.com/api/webhooks/1/x")
    (tmp_path / "pagerduty.key").write_text("0" * 32)
    names = re.findall(r"\$\{(\w+)\}", example)
    alerts = open_alerts(file, dict.fromkeys(names, "secret") | {"SLACK_WEBHOOK": "https://hooks.slack.com/x"})
    assert len(alerts.channels) == 8
    assert {type(one) for one in load_alerts(file).value.channels} == set(get_args(AnyChannel))


def test_it_names_every_key_of_every_channel() -> None:
    rows = {kind: row for row, kind in re.findall(r"^(\| `(\w+)` \|.*)$", PAGE, re.MULTILINE)}
    common = {f.encode_name for f in fields(ChannelSettings)}
    for kind in get_args(AnyChannel):
        keys = {f.encode_name for f in fields(kind)} - common
        named = set(re.findall(r"`(\w+)`", rows[str(kind.__struct_config__.tag)]))
        assert keys <= named, kind


def test_it_names_every_kind() -> None:
    table = PAGE.partition("## What is told, and when")[2]
    named = set(
        re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `")))
    )
    code = "".join(path.read_text() for path in (ROOT / "agent" / "life").glob("*.py"))
    told = set(re.findall(r'(?:say|open_incident)\(\s*"(\w+)"', code))
    told |= {"failed", "cancelled", "preempted", filling.KIND}
    assert named == told
