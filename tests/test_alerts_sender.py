"""Delivery to real HTTP servers on loopback: whatever they answer, nothing is lost, and nothing told twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from receivers import HttpReceiver, until

from rli_agent.alerts.channels.slack import SlackChannel
from rli_agent.alerts.channels.webhook import WebhookChannel
from rli_agent.alerts.routing import Routed, Router
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.sender import REFUSALS, Pace, Sender, backoff, held_until
from rli_agent.alerts.settings import Slack, Webhook
from rli_agent.message import Message, Severity
from rli_agent.publish.selfmetrics import SelfMetrics
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunRow, RunStore
from rli_agent.store.schema import APPLICATION, MIGRATIONS

FAST = Pace(first=0.02, last=0.1)
TO_HOOK = Router([Routed("hook")])


@pytest.fixture
def sender(store: RunStore, receiver: HttpReceiver) -> Iterator[Sender]:
    one = Sender(store.path, hook(receiver), FAST)
    one.start()
    yield one
    end(one)


def hook(receiver: HttpReceiver) -> WebhookChannel:
    return WebhookChannel(Webhook(name="hook", url=receiver.url, timeout="0.5s"), Secrets({}, Path()))


def chat(receiver: HttpReceiver) -> SlackChannel:
    return SlackChannel(Slack(name="hook", url=receiver.url), Secrets({}, Path()))


def end(sender: Sender) -> None:
    sender.stop()
    sender.join(5.0)


def message(number: int, severity: Severity = "critical", **more: Any) -> Message:
    return Message(
        "stalled", severity, f"title {number}", "text", 1.8e9 + number, f"r-1/stalled/{number}", number, **more
    )


def waiting(store: RunStore) -> int:
    query = "SELECT count(*) FROM deliveries WHERE channel = 'hook' AND delivered IS NULL AND dropped IS NULL"
    with read_only(store.path) as db:
        return int(db.execute(query).fetchone()[0])


@pytest.mark.real
@pytest.mark.parametrize(
    "answers",
    [
        [(200, {}, "ok")],
        [(204, {}, "")],
        [(400, {}, "invalid_payload")],
        [(429, {"Retry-After": "0"}, "")],
        [(429, {}, '{"message": "slow", "retry_after": 0.05, "global": false}')],
        [(500, {}, "oops"), (503, {"Retry-After": "0"}, ""), (502, {}, "")],
        [(404, {}, "no_service"), (410, {}, "")],
        [(302, {"Location": "http://127.0.0.1:9/"}, "")],
        [None],
    ],
    ids=["200", "204", "400", "429", "429-body", "5xx", "404", "redirect", "never"],
)
def test_each_message_is_taken_once_whatever_is_answered_before(
    store: RunStore, receiver: HttpReceiver, sender: Sender, answers: list[tuple[int, dict[str, str], str] | None]
) -> None:
    receiver.answers = list(answers)
    store.knowledge.tell([message(1), message(2), message(1)], TO_HOOK)
    sender.wake()
    until(lambda: waiting(store) == 0, "both to be delivered")
    failed = sum(1 for a in answers if a is None or a[0] >= 300)
    assert len(receiver.got) == 2 + failed
    assert set(receiver.keys) == {"r-1/stalled/1/stalled", "r-1/stalled/2/stalled"}


def test_a_message_that_is_refused_holds_up_no_other(store: RunStore, receiver: HttpReceiver, sender: Sender) -> None:
    receiver.answers = [(400, {"Retry-After": "3000"}, "invalid_payload")]
    store.knowledge.tell([message(1), message(2), message(3)], TO_HOOK)
    sender.wake()
    until(lambda: waiting(store) == 1, "the other two to be delivered")
    assert receiver.keys == [f"r-1/stalled/{n}/stalled" for n in (1, 2, 3)]


@pytest.mark.real
def test_a_pause_that_is_asked_for_is_kept(store: RunStore, receiver: HttpReceiver, sender: Sender) -> None:
    receiver.answers = [(429, {"Retry-After": "1"}, "")]
    store.knowledge.tell([message(1)], TO_HOOK)
    sender.wake()
    until(lambda: waiting(store) == 0, "the message after the pause")
    first, second = (request.at for request in receiver.got)
    assert second - first >= 0.95


@pytest.mark.real
def test_a_receiver_that_was_down_gets_all_in_order(store: RunStore, receiver: HttpReceiver, sender: Sender) -> None:
    receiver.answers = [(503, {}, "")] * 6
    store.knowledge.tell([message(n) for n in range(8)], TO_HOOK)
    sender.wake()
    until(lambda: waiting(store) == 0, "all eight")
    taken = receiver.keys[6:]
    assert taken == [f"r-1/stalled/{n}/stalled" for n in range(8)]
    assert set(receiver.keys[:6]) == {"r-1/stalled/0/stalled"}


def test_twenty_an_hour_but_never_a_limit_for_critical_ones(
    store: RunStore, receiver: HttpReceiver, sender: Sender
) -> None:
    store.knowledge.tell([message(n, "info") for n in range(30)], TO_HOOK)
    store.knowledge.tell([message(100 + n, "critical") for n in range(30)], TO_HOOK)
    sender.wake()
    until(lambda: waiting(store) == 10, "all but ten")
    assert len(receiver.got) == 50
    assert held_until([float(n) for n in range(30)], 100.0, 20) == 10.0 + 3600.0
    assert held_until([float(n) for n in range(19)], 100.0, 20) == 100.0


def test_without_a_webhook_messages_are_kept_and_not_sent_later(store: RunStore, receiver: HttpReceiver) -> None:
    store.knowledge.tell([message(1)], lambda _message, _before: ())
    one = Sender(store.path, hook(receiver))
    one.start()
    end(one)
    assert receiver.got == []
    with read_only(store.path) as db:
        assert db.execute("SELECT title, resolved FROM messages").fetchall() == [("title 1", 0)]
        assert db.execute("SELECT * FROM deliveries").fetchall() == []


def test_closing_sends_what_is_there_and_leaves_the_rest_for_the_next(store: RunStore, receiver: HttpReceiver) -> None:
    store.knowledge.tell([message(1)], TO_HOOK)
    first = Sender(store.path, hook(receiver))
    first.start()
    end(first)
    assert len(receiver.got) == 1
    receiver.answers = [(500, {}, "")] * 3
    store.knowledge.tell([message(2)], TO_HOOK)
    second = Sender(store.path, hook(receiver), FAST)
    second.start()
    end(second)
    assert waiting(store) == 1
    receiver.answers = []
    third = Sender(store.path, hook(receiver))
    third.start()
    end(third)
    assert waiting(store) == 0
    assert receiver.keys[-1] == "r-1/stalled/2/stalled"


def test_backoff_doubles_to_its_bound_with_jitter() -> None:
    assert [backoff(n, 1.0, 300.0, lambda: 1.0) for n in (1, 2, 3, 9, 10, 500)] == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
    assert backoff(3, 1.0, 300.0, lambda: 0.0) == 2.0


def test_what_waits_and_what_failed_is_counted(store: RunStore, receiver: HttpReceiver) -> None:
    own = SelfMetrics()
    receiver.answers = [(503, {}, "")] * 2
    one = Sender(store.path, hook(receiver), FAST, own)
    one.start()
    store.knowledge.tell([message(1)], TO_HOOK)
    one.wake()

    def says(line: str) -> bool:
        return any(line in shown.lines for shown in own.render("", False))

    until(lambda: says('rli_agent_exporter_failures_total{exporter="alerts/hook"} 2'), "two failed tries")
    until(lambda: says('rli_agent_exporter_queue_depth{exporter="alerts/hook"} 0'), "none to wait")
    end(one)


@pytest.mark.real
def test_what_was_refused_as_such_too_often_is_given_up_and_says_so(
    store: RunStore, receiver: HttpReceiver, sender: Sender
) -> None:
    receiver.answers = [(400, {}, "invalid_payload")] * REFUSALS
    store.knowledge.tell([message(1)], TO_HOOK)
    sender.wake()
    until(lambda: waiting(store) == 0, "the message to be given up")
    assert len(receiver.got) == REFUSALS
    with read_only(store.path) as db:
        assert db.execute("SELECT delivered, dropped FROM deliveries").fetchall() == [(None, "400 invalid_payload")]


def test_the_end_of_an_incident_never_overtakes_its_beginning(
    store: RunStore, receiver: HttpReceiver, sender: Sender
) -> None:
    receiver.answers = [(400, {}, "")]
    begun = message(1, "warning")
    store.knowledge.tell([begun, replace(begun, severity="info", resolved=True), message(2, "warning")], TO_HOOK)
    sender.wake()
    until(lambda: waiting(store) == 0, "all three")
    told = [request.json["status"] for request in receiver.taken if request.json["id"] == begun.episode]
    assert told == ["firing", "resolved"]
    assert receiver.taken[0].json["title"] == "title 2", "others go meanwhile"


def test_an_incident_that_lasts_is_told_again_until_it_is_over(store: RunStore, receiver: HttpReceiver) -> None:
    one = Sender(store.path, hook(receiver), Pace(repeat=0.05))
    one.start()
    store.knowledge.tell([message(1), message(2, "info")], TO_HOOK)
    one.wake()
    until(lambda: len(receiver.got) >= 5, "some repetitions")
    assert [request.json["repeated"] for request in receiver.got][:1] == [0]
    assert receiver.keys.count("r-1/stalled/2/stalled") == 1, "news are told once"
    assert len(set(receiver.keys)) == len(receiver.keys), "a repetition is no repeated delivery"
    store.knowledge.tell([replace(message(1), severity="info", resolved=True)], TO_HOOK)
    one.wake()
    until(lambda: receiver.got[-1].json["status"] == "resolved", "the end")
    end(one)
    assert [request.json["status"] for request in receiver.got].count("resolved") == 1
    assert receiver.got[-1].json["status"] == "resolved"


@pytest.mark.real
def test_messages_that_may_wait_go_as_one_where_people_read_them(store: RunStore, receiver: HttpReceiver) -> None:
    one = Sender(store.path, chat(receiver), Pace(group=0.3, hourly=2))
    one.start()
    store.knowledge.tell([message(n, "warning") for n in range(5)], TO_HOOK)
    store.knowledge.tell([message(9)], TO_HOOK)
    one.wake()
    until(lambda: waiting(store) == 0, "all six")
    first, second = (request.json["text"] for request in receiver.got)
    assert first.startswith("[CRITICAL] title 9"), "a critical one waits for nobody"
    assert second.startswith("[WARNING] 5 messages: title 0; title 1; title 2")
    store.knowledge.tell([message(20, "info")], TO_HOOK)
    one.wake()
    until(lambda: len(receiver.got) == 3, "the second of an hour: five at once were one")
    end(one)


def test_a_channel_that_hangs_holds_up_no_other(store: RunStore, receiver: HttpReceiver) -> None:
    stuck = HttpReceiver()
    stuck.answers = [None] * 9
    senders = [Sender(store.path, hook(to), FAST) for to in (receiver, stuck)]
    senders[1] = Sender(store.path, WebhookChannel(Webhook(name="stuck", url=stuck.url), Secrets({}, Path())), FAST)
    for sender in senders:
        sender.start()
    store.knowledge.tell([message(n) for n in range(5)], Router([Routed("hook"), Routed("stuck")]))
    for sender in senders:
        sender.wake()
    until(lambda: len(receiver.taken) == 5, "all five on the other")
    assert len(stuck.got) == 1
    stuck.close()
    for sender in senders:
        end(sender)


def test_messages_of_a_store_from_before_there_were_channels_are_sent(tmp_path: Path, receiver: HttpReceiver) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("".join(MIGRATIONS[:2]))
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute("PRAGMA user_version = 2")
        for number, delivered in ((1, 1.8e9), (2, None)):
            row = (f"k{number}", 1.8e9, 1.8e9, "nan", "critical", f"title {number}", "", "", 3, f"e{number}", 0, "{}")
            db.execute("INSERT INTO outbox VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,'hook',?)", (*row, delivered))
    store = RunStore.open(path, RunRow("r-1", "/runs/r", 5.0))
    one = Sender(store.path, hook(receiver))
    one.start()
    until(lambda: waiting(store) == 0, "the one that waited")
    end(one)
    store.close()
    assert [request.json["title"] for request in receiver.got] == ["title 2"]
