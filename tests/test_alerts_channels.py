"""Channels against real receivers: HTTP servers on loopback, and programs."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from receivers import SECRET, HttpReceiver, notice, until

from rli_agent.alerts.channel import Answer, Channel
from rli_agent.alerts.opening import open_alerts
from rli_agent.cli import group
from rli_agent.message import Message

KEY = "0123456789abcdef0123456789abcdef"
ENVIRONMENT = {"TOKEN": SECRET, "KEY": KEY}
STALLED = Message(
    "stalled", "critical", "stalled: no progress", "text", 1.8e9, "r/stalled/1", 20, "look",
    labels=(("run", "grpo-1"),), values=(("kl", float("nan")),),
)  # fmt: skip
OVER = notice(replace(STALLED, resolved=True, severity="info"), STALLED)


def channel(tmp_path: Path, settings: str) -> Channel:
    file = tmp_path / "alerts.yaml"
    file.write_text(f"channels: [{{name: one, {settings}}}]")
    file.chmod(0o600)
    (opened,) = open_alerts(file, ENVIRONMENT).channels
    return opened


def test_a_webhook_signs_what_it_sends(tmp_path: Path, receiver: HttpReceiver) -> None:
    hook = channel(tmp_path, f"type: webhook, url: '{receiver.url}', method: PUT, sign: '${{TOKEN}}', "
                   "headers: {Authorization: 'Bearer ${TOKEN}'}")  # fmt: skip
    assert hook.send(notice(STALLED)).outcome == "taken"
    (request,) = receiver.got
    assert (request.method, request.headers["Authorization"]) == ("PUT", f"Bearer {SECRET}")
    digest = hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Rli-Agent-Signature"] == f"sha256={digest}"
    assert (request.json["id"], request.json["values"]) == ("r/stalled/1", {"kl": "NaN"})


def test_a_webhook_sends_what_the_template_says(tmp_path: Path, receiver: HttpReceiver) -> None:
    body = "{text: '{{severity_upper}} {{run}}: {{title}}', step: '{{step}}'}"
    channel(tmp_path, f"type: webhook, url: '{receiver.url}', body: {body}").send(notice(STALLED))
    assert receiver.got[0].json == {"text": "CRITICAL grpo-1: stalled: no progress", "step": 20}
    plain = "body: '{{title}}', headers: {Content-Type: text/plain, Title: x}"
    channel(tmp_path, f"type: webhook, url: '{receiver.url}', {plain}").send(notice(STALLED))
    assert (receiver.got[1].body, receiver.got[1].headers["Content-Type"]) == (b"stalled: no progress", "text/plain")


def test_what_a_receiver_repeats_of_a_secret_is_not_told(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answers = [(404, {}, f"no such hook: /services/{SECRET} at {receiver.url}")]
    answer = channel(tmp_path, f"type: webhook, url: '{receiver.url}'").send(notice(STALLED))
    assert (answer.outcome, answer.text[:3]) == ("failed", "404")
    assert SECRET not in answer.text
    closed = channel(tmp_path, f"type: slack, url: 'http://127.0.0.1:1/{SECRET}'").send(notice(STALLED))
    assert closed.outcome == "failed"
    assert SECRET not in closed.text


def test_discord_says_in_its_answer_for_how_long_to_wait(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answers = [(429, {}, '{"message": "slow", "retry_after": 1.5, "global": false}'), (204, {}, "")]
    talk = channel(tmp_path, f"type: discord, url: '{receiver.url}'")
    assert talk.send(notice(STALLED)).pause == 1.5
    assert talk.send(notice(STALLED)) == Answer("taken", "204")


def test_discord_says_when_it_takes_no_more_for_now(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answers = [(204, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "0.75"}, "")]
    talk = channel(tmp_path, f"type: discord, url: '{receiver.url}'")
    assert talk.send(notice(STALLED)) == Answer("taken", "204", 0.75)
    assert talk.send(notice(STALLED)) == Answer("taken", "200 ok")


def test_pagerduty_opens_an_incident_and_closes_it(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answers = [*[(202, {}, '{"status": "success"}')] * 2, (400, {}, "invalid"), (429, {}, "")]
    pager = channel(tmp_path, f"type: pagerduty, routing_key: '${{KEY}}', url: 'http://{receiver.address}'")
    assert [pager.send(one).outcome for one in (notice(STALLED), OVER)] == ["taken", "taken"]
    opened, closed = receiver.got
    assert opened.path == "/v2/enqueue"
    assert opened.json["routing_key"] == KEY
    assert opened.json["payload"]["custom_details"]["values"] == {"kl": "NaN"}
    assert closed.json == {"routing_key": KEY, "dedup_key": "r/stalled/1", "event_action": "resolve"}
    refused, busy = pager.send(notice(STALLED)), pager.send(notice(STALLED))
    assert (refused.outcome, refused.final) == ("refused", True), "it asks not to send a malformed event again"
    assert (busy.outcome, busy.final) == ("failed", False)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_apprise_reaches_what_it_knows(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answers = [(200, {}, "ok"), (500, {}, "")]
    service = channel(tmp_path, f"type: apprise, url: 'json://{receiver.address}/${{TOKEN}}'")
    assert service.send(notice(STALLED)).outcome == "taken"
    sent = receiver.got[0].json
    assert (sent["title"], sent["type"]) == ("[CRITICAL] stalled: no progress", "failure")
    assert "Do: look" in sent["message"]
    failed = service.send(OVER)
    assert failed.outcome == "failed"
    assert SECRET not in failed.text


def script(tmp_path: Path, text: str) -> str:
    file = tmp_path / "script.py"
    file.write_text(text)
    return f"type: command, command: ['{sys.executable}', '{file}']"


def test_a_command_gets_the_message_and_says_by_its_status_that_it_took_it(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    took = channel(tmp_path, script(tmp_path, f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())"))
    assert took.send(notice(STALLED)).outcome == "taken"
    assert json.loads(out.read_text())["title"] == "stalled: no progress"
    failing = channel(tmp_path, script(tmp_path, f"import sys; sys.exit('no: {SECRET}')") + ", timeout: 10s")
    failing.secrets.secret("${TOKEN}")
    assert failing.send(notice(STALLED)) == Answer("failed", "exit status 1: no: …")
    deaf = channel(tmp_path, script(tmp_path, "import sys; sys.stdin.close()"))
    assert deaf.send(notice(replace(STALLED, text="x" * 16_000))).outcome == "taken", "it need not read"


@pytest.mark.real
def test_a_command_that_does_not_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\ntime.sleep(600)\n"
    )
    hanging = channel(tmp_path, script(tmp_path, code) + ", timeout: 1s")
    answer = hanging.send(notice(STALLED))
    assert answer.outcome == "failed"
    assert "had not ended after 1 s" in answer.text
    for pid in pids.read_text().split():
        until(lambda pid=pid: gone(int(pid)), f"process {pid} to be gone")  # type: ignore[misc]


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has too."""
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return True


def test_the_command_test_tries_one_channel_or_all(tmp_path: Path, receiver: HttpReceiver) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(
        f"channels:\n- {{name: hook, type: webhook, url: '{receiver.url}'}}\n"
        f"- {{name: am, type: alertmanager, url: 'http://{receiver.address}'}}\n"
        "- {name: no, type: webhook, url: 'http://127.0.0.1:1/x'}\n"
    )

    def tried(*names: str) -> tuple[int, str]:
        result = CliRunner().invoke(group, ["alerts", "test", "--alerts", str(file), *names], standalone_mode=False)
        return result.return_value if result.exception is None else 2, result.output + str(result.exception or "")

    status, said = tried("hook", "am")
    assert (status, said.count("took the message: 200 ok")) == (0, 2)
    assert [request.path.split("/")[1] for request in receiver.got] == ["services", "api", "api"]
    begun, over = (request.json[0] for request in receiver.got[1:])
    assert begun["labels"] == over["labels"]
    assert over["endsAt"] < begun["endsAt"]
    status, said = tried()
    assert status == 1
    assert "no (127.0.0.1:1) did not take the message: Connection refused" in said
    assert tried("hok") == (2, "there is no channel hok")
