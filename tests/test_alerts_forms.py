"""What each receiver is sent: within its limits, in its words, and mentioning nobody, whatever a run printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import receivers
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rli_agent.alerts import words
from rli_agent.alerts.channel import Notice
from rli_agent.alerts.channels import alertmanager, discord, mail, pagerduty, slack
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import Email
from rli_agent.alerts.template import Template
from rli_agent.message import Curve, Message, Severity

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["<!here> <@U1> @everyone", "``` `` `", "&" * 4000, "<" * 9000, "x" * 20_000, "\n" * 500]),
    st.just("\x1b[31m\ud800\x00"),
)  # fmt: skip
NUMBERS = st.tuples(st.sampled_from(["kl", "baseline", "ratio"]), st.floats())


CURVES = st.builds(
    lambda series, values: Curve(series, (None,) * len(values), tuple(values)),
    HOSTILE, st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=120),
)  # fmt: skip
LINKS = (("Page", "http://127.0.0.1:9092/"), ("Grafana", f"https://g/d/rli-overview?var-run={'r' * 400}"))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    severity: Severity = draw(st.sampled_from(["info", "warning", "critical"]))
    return Message(
        draw(st.sampled_from(["stalled", "kl_explosion"])), severity, draw(HOSTILE), draw(HOSTILE),
        draw(st.floats(0, 4e9)), draw(HOSTILE.map("r/{}".format)),
        draw(st.one_of(st.none(), st.integers(-1, 10**9))), draw(HOSTILE), draw(st.booleans()),
        (("project", draw(HOSTILE)), ("run", draw(HOSTILE))), draw(st.one_of(st.none(), st.floats(0, 4e9))),
        draw(st.one_of(st.none(), st.integers(0, 10**9))), tuple(draw(st.lists(NUMBERS, max_size=4))),
        curve=draw(st.one_of(st.none(), CURVES)), links=draw(st.sampled_from([(), LINKS])),
    )  # fmt: skip


def notice(message: Message, *earlier: Message, again: int = 0) -> Notice:
    """As a channel gets it."""
    return receivers.notice(words.cleaned(message), *map(words.cleaned, earlier), again=again)


def parsed(data: object) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"a bare {constant} is no JSON")

    return json.loads(words.encoded(data), parse_constant=refuse)


@given(messages(), st.integers(0, 3))
def test_slack_takes_it(message: Message, again: int) -> None:
    form = parsed(slack.form(notice(message, again=again)))
    assert len(form["text"]) <= 4000
    assert len(form["blocks"]) <= 50
    for block in form["blocks"]:
        if "text" in block:
            assert 0 < len(block["text"]["text"]) <= (150 if block["type"] == "header" else 3000)
        fields = block.get("fields", [{}])
        assert 1 <= len(fields) <= 10
        assert all(len(field.get("text", "")) <= 2000 for field in fields)
    shown = json.dumps(form).replace("&lt;", "").replace("&gt;", "")
    assert "<" not in shown
    assert "\\u001b" not in shown


@given(messages(), st.integers(0, 3))
def test_discord_takes_it(message: Message, again: int) -> None:
    form = parsed(discord.form(notice(message, again=again)))
    assert form["allowed_mentions"] == {"parse": []}
    (embed,) = form["embeds"]
    assert len(embed["title"]) <= 256
    assert len(embed["description"]) <= 4096
    assert len(embed["fields"]) <= 25
    assert all(len(f["name"]) <= 256 and 0 < len(f["value"]) <= 1024 for f in embed["fields"])
    whole = len(embed["title"]) + len(embed["description"]) + sum(len(f["name"] + f["value"]) for f in embed["fields"])
    assert whole <= 6000


@given(messages())
def test_pagerduty_takes_it(message: Message) -> None:
    event = parsed(pagerduty.event(words.cleaned(message), "k" * 32))
    assert 0 < len(event["dedup_key"]) <= 255
    assert len(words.encoded(event)) <= 512_000
    assert event["event_action"] == ("resolve" if message.resolved else "trigger")
    if not message.resolved:
        assert 0 < len(event["payload"]["summary"]) <= 1024
        assert event["payload"]["severity"] in ("critical", "warning", "info")
        assert event["payload"]["source"]


@given(messages())
def test_alertmanager_knows_an_incident_by_the_same_labels_whatever_changes(message: Message) -> None:
    now = 5e9
    firing = replace(words.cleaned(message), resolved=False, severity="critical")
    later = replace(firing, step=7, title="another", values=(("kl", 3.0),), time=firing.time + 60)
    over = notice(replace(firing, resolved=True, severity="info", title="over"), firing)
    (first,) = parsed(alertmanager.alerts(notice(firing), now, 3600.0, {"cluster": "a"}))
    (again,) = parsed(alertmanager.alerts(notice(later, firing, again=1), now, 3600.0, {"cluster": "a"}))
    (ended,) = parsed(alertmanager.alerts(over, now, 3600.0, {"cluster": "a"}))
    assert first["labels"] == again["labels"] == ended["labels"]
    assert first["endsAt"] == words.rfc3339(now + 3600)
    assert ended["endsAt"] == words.rfc3339(now), "in the past, or now: over"
    assert all(a["startsAt"] < a["endsAt"] for a in (first, again, ended))
    assert "step" not in first["labels"]


def test_in_alertmanager_what_goes_on_takes_the_place_of_what_was() -> None:
    stalled = Message("stalled", "critical", "s", "", 1e9, "r/stalled/1")
    failed = Message("failed", "critical", "f", "", 1e9 + 60, "r/stalled/1")
    found = alertmanager.alerts(notice(failed, stalled), 2e9, 60.0, {})
    assert {a["labels"]["alertname"]: a["endsAt"] for a in found} == {
        "RLStalled": words.rfc3339(2e9),
        "RLFailed": words.rfc3339(2e9 + 60),
    }
    milder = replace(stalled, severity="warning")
    found = alertmanager.alerts(notice(stalled, milder), 2e9, 60.0, {})
    assert {a["labels"]["severity"]: a["endsAt"] for a in found} == {
        "warning": words.rfc3339(2e9),
        "critical": words.rfc3339(2e9 + 60),
    }
    over = replace(stalled, resolved=True, severity="info")
    ended = alertmanager.alerts(notice(over, stalled, failed), 3e9, 60.0, {})
    assert {a["labels"]["alertname"]: a["endsAt"] for a in ended} == dict.fromkeys(
        ("RLStalled", "RLFailed"), words.rfc3339(3e9)
    )


@given(messages())
def test_json_has_no_bare_nan_and_all_that_decided(message: Message) -> None:
    data = parsed(words.as_data(words.cleaned(message)))
    assert set(data["values"]) == {name for name, _ in message.values}
    assert data["status"] == ("resolved" if message.resolved else "firing")


TEMPLATES = (
    {"text": "{{severity_upper}}: {{title}}", "n": "{{step}}", "deep": [{"all": "{{json}}"}, 1, None]},
    '{"text": "{{title}} {{run}}", "step": {{step}}, "values": {{values}}}',
)


@given(messages(), st.sampled_from(TEMPLATES))
def test_a_template_that_was_taken_gives_json_for_every_message(message: Message, body: Any) -> None:
    clean = words.cleaned(message)
    filled = json.loads(Template(body, True).fill(words.as_data(clean) | {"repeated": 0}))
    assert clean.title in filled["text"]
    assert filled.get("n", filled.get("step")) == message.step


@given(messages())
def test_a_template_of_text_is_filled_as_it_is(message: Message) -> None:
    clean = words.cleaned(message)
    data = words.as_data(clean) | {"repeated": 0}
    assert (
        Template("{{title}}\n{{step}}", False).fill(data).decode()
        == f"{clean.title}\n{'' if clean.step is None else clean.step}"
    )


@pytest.mark.real
@given(messages(), st.integers(0, 2))
def test_a_mail_is_one_mail_whatever_the_run_printed(message: Message, again: int) -> None:
    settings = Email(name="m", host="h", sender="Agent <a@example.org>", to=["b@example.org"])
    made = mail.MailChannel(settings, Secrets({}, Path()))._mail(notice(message, again=again))
    head, _, _ = made.as_bytes().partition(b"\n\n")
    assert made["To"] == "b@example.org"
    assert {"subject", "from", "to", "date", "message-id", "auto-submitted"} <= {key.lower() for key in made}
    assert b"\r" not in head.replace(b"\r\n", b"\n")
    page = made.get_body(("html",))
    assert page is not None
    assert "<script" not in page.get_content().lower()


def test_several_messages_as_one_keep_the_weight_of_the_weightiest() -> None:
    one, two = (Message(k, s, k, "text", 1e9, k, todo="do") for k, s in (("a", "info"), ("b", "warning")))  # type: ignore[arg-type]
    both = words.digest([one, two])
    assert (both.severity, both.title, both.resolved) == ("warning", "2 messages: a; b", False)
    assert "1. [INFO] a" in both.text
    assert words.digest([one]) is one


@pytest.mark.parametrize("text", ["{{title}", "no place", "{{ title }}"])
def test_what_is_no_place_stays_as_it_is(text: str) -> None:
    filled = Template(text, False).fill({"title": "T"} | dict.fromkeys(("severity",), "info"))
    assert filled.decode() == text.replace("{{ title }}", "T")
