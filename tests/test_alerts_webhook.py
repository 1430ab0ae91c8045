"""Delivery to real HTTP servers on loopback: whatever they answer, nothing is lost, and nothing told twice."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rli_agent.alerts.endpoint import Endpoint, from_environment
from rli_agent.alerts.payloads import body
from rli_agent.alerts.post import post
from rli_agent.alerts.sender import CHANNEL, Sender, backoff, held_until
from rli_agent.errors import UserError
from rli_agent.message import Message, Severity
from rli_agent.store.connection import read_only
from rli_agent.store.run_store import RunRow, RunStore

SECRET = "T0PS3CRETTOKEN"


def until(condition: Callable[[], object], what: str, patience: float = 20.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"waited {patience:.0f} s in vain for: {what}"
        time.sleep(0.005)  # the wait is on the condition


class Receiver:
    """A webhook. `answers`: (status, headers, body) for each request in turn, None for never; then 200."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], str] | None] = []
        self.got: list[tuple[float, dict[str, str], dict[str, Any]]] = []
        self.released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                read = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.got.append((time.monotonic(), dict(self.headers), read))
                answer = receiver.answers.pop(0) if receiver.answers else (200, {}, "ok")
                if answer is None:
                    receiver.released.wait(30)
                    return
                status, headers, text = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/{SECRET}"

    @property
    def keys(self) -> list[str]:
        return [headers["Idempotency-Key"] for _, headers, _ in self.got]

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    opened = RunStore.open(tmp_path / "run.sqlite", RunRow("r-1", "/runs/r", 5.0))
    yield opened
    opened.close()


@pytest.fixture
def sender(store: RunStore, receiver: Receiver) -> Iterator[Sender]:
    one = Sender(store.path, Endpoint(receiver.url), timeout=0.5, first=0.02, last=0.1)
    one.start()
    yield one
    one.close(5.0)


def message(number: int, severity: Severity = "critical", **more: Any) -> Message:
    return Message(
        "stalled", severity, f"title {number}", "text", 1.8e9 + number, f"r-1/stalled/{number}", number, **more
    )


def waiting(store: RunStore) -> int:
    with read_only(store.path) as db:
        return int(
            db.execute("SELECT count(*) FROM messages WHERE channel = 'webhook' AND delivered IS NULL").fetchone()[0]
        )


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
    store: RunStore, receiver: Receiver, sender: Sender, answers: list[tuple[int, dict[str, str], str] | None]
) -> None:
    receiver.answers = list(answers)
    store.knowledge.tell([message(1), message(2), message(1)], CHANNEL)
    sender.wake()
    until(lambda: waiting(store) == 0, "both to be delivered")
    failed = sum(1 for a in answers if a is None or a[0] >= 300)
    assert len(receiver.got) == 2 + failed
    assert set(receiver.keys) == {"r-1/stalled/1/stalled", "r-1/stalled/2/stalled"}


def test_a_message_that_is_refused_holds_up_no_other(store: RunStore, receiver: Receiver, sender: Sender) -> None:
    receiver.answers = [(400, {"Retry-After": "3000"}, "invalid_payload")]
    store.knowledge.tell([message(1), message(2), message(3)], CHANNEL)
    sender.wake()
    until(lambda: waiting(store) == 1, "the other two to be delivered")
    assert receiver.keys == [f"r-1/stalled/{n}/stalled" for n in (1, 2, 3)]


def test_a_pause_that_is_asked_for_is_kept(store: RunStore, receiver: Receiver, sender: Sender) -> None:
    receiver.answers = [(429, {"Retry-After": "1"}, "")]
    store.knowledge.tell([message(1)], CHANNEL)
    sender.wake()
    until(lambda: waiting(store) == 0, "the message after the pause")
    first, second = (when for when, _, _ in receiver.got)
    assert second - first >= 0.95


def test_a_receiver_that_was_down_gets_all_in_order(store: RunStore, receiver: Receiver, sender: Sender) -> None:
    receiver.answers = [(503, {}, "")] * 6
    store.knowledge.tell([message(n) for n in range(8)], CHANNEL)
    sender.wake()
    until(lambda: waiting(store) == 0, "all eight")
    taken = receiver.keys[6:]
    assert taken == [f"r-1/stalled/{n}/stalled" for n in range(8)]
    assert set(receiver.keys[:6]) == {"r-1/stalled/0/stalled"}


def test_twenty_an_hour_but_never_a_limit_for_critical_ones(
    store: RunStore, receiver: Receiver, sender: Sender
) -> None:
    store.knowledge.tell([message(n, "info") for n in range(30)], CHANNEL)
    store.knowledge.tell([message(100 + n, "critical") for n in range(30)], CHANNEL)
    sender.wake()
    until(lambda: waiting(store) == 10, "all but ten")
    assert len(receiver.got) == 50
    assert held_until([float(n) for n in range(30)], 100.0) == 10.0 + 3600.0
    assert held_until([float(n) for n in range(19)], 100.0) == 100.0


def test_without_a_webhook_messages_are_kept_and_not_sent_later(store: RunStore, receiver: Receiver) -> None:
    store.knowledge.tell([message(1)], None)
    one = Sender(store.path, Endpoint(receiver.url))
    one.start()
    one.close(5.0)
    assert receiver.got == []
    with read_only(store.path) as db:
        assert db.execute("SELECT title, resolved, delivered FROM messages").fetchall() == [("title 1", 0, None)]


def test_closing_sends_what_is_there_and_leaves_the_rest_for_the_next(store: RunStore, receiver: Receiver) -> None:
    endpoint = Endpoint(receiver.url)
    store.knowledge.tell([message(1)], CHANNEL)
    first = Sender(store.path, endpoint)
    first.start()
    first.close(5.0)
    assert len(receiver.got) == 1
    receiver.answers = [(500, {}, "")] * 3
    store.knowledge.tell([message(2)], CHANNEL)
    second = Sender(store.path, endpoint, first=0.01, last=0.01)
    second.start()
    second.close(5.0)
    assert waiting(store) == 1
    receiver.answers = []
    third = Sender(store.path, endpoint)
    third.start()
    third.close(5.0)
    assert waiting(store) == 0
    assert receiver.keys[-1] == "r-1/stalled/2/stalled"


def test_backoff_doubles_to_its_bound_with_jitter() -> None:
    assert [backoff(n, 1.0, 300.0, lambda: 1.0) for n in (1, 2, 3, 9, 10, 500)] == [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
    assert backoff(3, 1.0, 300.0, lambda: 0.0) == 2.0


# -- secrets


def test_the_address_is_neither_in_what_is_shown_nor_in_what_comes_back(receiver: Receiver) -> None:
    endpoint = Endpoint(receiver.url)
    receiver.answers = [(404, {}, f"no such hook: /services/{SECRET} at {receiver.url}")]
    answer = post(endpoint, message(1))
    assert answer.status == 404
    assert SECRET not in answer.text
    assert SECRET not in repr(endpoint)
    closed = Endpoint(f"http://127.0.0.1:1/{SECRET}")
    assert post(closed, message(1)).status is None
    assert SECRET not in post(closed, message(1)).text


BAD = ("ftp://a/b", "hooks.slack.com/x", "http:///", "http://a b/", "http://u:p@h/x", "http://h:x/")


@pytest.mark.parametrize("url", BAD)
def test_an_address_that_cannot_be_used_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(UserError) as error:
        from_environment({"RLI_AGENT_WEBHOOK": url + SECRET})
    assert SECRET not in str(error.value)
    assert "RLI_AGENT_WEBHOOK" in str(error.value)


def test_the_address_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "hook"
    file.write_text("https://hooks.slack.com/services/T/B/x\n")
    found = from_environment({"RLI_AGENT_WEBHOOK_FILE": str(file)})
    assert found is not None
    assert (found.host, found.form) == ("hooks.slack.com", "slack")
    assert from_environment({}) is None
    file.write_text("")
    for missing in (file, tmp_path / "none"):
        with pytest.raises(UserError):
            from_environment({"RLI_AGENT_WEBHOOK_FILE": str(missing)})


# -- forms

HOSTILE = "<!here> @everyone <@U1> ``` \x1b[31m \ud800 " + "x" * 9000


def test_forms_follow_the_host() -> None:
    forms = {
        "https://hooks.slack.com/services/a": "slack",
        "https://discord.com/api/webhooks/1/a": "discord",
        "https://hooks.slack.com.evil.example/a": "json",
        "https://example.org/discord.com": "json",
    }
    assert {url: Endpoint(url).form for url in forms} == forms


def test_slack_and_discord_keep_their_limits_and_mention_nobody() -> None:
    hostile = Message(
        "stalled", "critical", HOSTILE, HOSTILE, 1.8e9, "e", 3, HOSTILE[:2000], labels=(("run", HOSTILE),)
    )
    slack = json.loads(body(hostile, "slack"))
    assert "<!here>" not in json.dumps(slack)
    assert "\\u001b" not in json.dumps(slack)
    assert len(slack["blocks"]) <= 50
    for block in slack["blocks"]:
        if "text" in block:
            assert len(block["text"]["text"]) <= (150 if block["type"] == "header" else 3000)
        fields = block.get("fields", [])
        assert len(fields) <= 10
        assert all(len(f["text"]) <= 2000 for f in fields)
    discord = json.loads(body(hostile, "discord"))
    assert discord["allowed_mentions"] == {"parse": []}
    (embed,) = discord["embeds"]
    assert len(embed["title"]) <= 256
    assert len(embed["description"]) <= 4096
    assert all(len(f["name"]) <= 256 and len(f["value"]) <= 1024 for f in embed["fields"])
    whole = len(embed["title"]) + len(embed["description"]) + sum(len(f["name"] + f["value"]) for f in embed["fields"])
    assert whole <= 6000
    assert json.loads(body(hostile, "json"))["message"].startswith("<!here>")
