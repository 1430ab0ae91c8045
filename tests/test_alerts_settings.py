"""The file of channels and routes: what is wrong is said with its place, and no secret is ever shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from receivers import SECRET

from rli_agent.alerts.opening import Alerts, open_alerts
from rli_agent.cli import group
from rli_agent.durations import seconds
from rli_agent.errors import UserError
from rli_agent.journal import logger
from rli_agent.message import Message, Severity

HOOK = "channels:\n  - {name: hook, type: webhook, url: 'http://127.0.0.1/x'}\n"
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it
ENVIRONMENT = {"TOKEN": SECRET, "KEY": "0123456789abcdef0123456789abcdef"}


def opened(tmp_path: Path, text: str) -> Alerts:
    file = tmp_path / "alerts.yaml"
    file.write_text(text)
    file.chmod(0o600)
    return open_alerts(file, ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("channels: [{name: a, type: slak, url: x}]", "1:28: unknown value `slak`; did you mean `slack`?"),
        ("channels:\n  - {name: a, type: slack, ulr: x}", "2:28: unknown key `ulr`; did you mean `url`?"),
        ("channels:\n  - {name: a, type: slack}", "2:5: missing key `url`"),
        (HOOK + "route: []\n", "3:1: unknown key `route`; did you mean `routes`?"),
        (HOOK + "routes:\n  - {to: hok}\n", "there is no channel `hok` (there are: hook)"),
        (HOOK + "routes:\n  - {to: hook, severity: fatal}\n", "4:26: unknown value `fatal`; there are: critical"),
        (HOOK + "routes:\n  - {to: hook, kinds: [nan]}\n", "4:16: unknown key `kinds`; did you mean `kind`?"),
        (HOOK + HOOK.partition("\n")[2], "3:12: a second channel with the name `hook`"),
        (HOOK + "group: 5 minutes\n", "3:8: `5 minutes` is not a duration; write 30s, 5m, 4h or 2d"),
        (HOOK + "repeat: 1s\n", "3:9: `1s` is too short, at least 60s"),
        (HOOK + "hourly: 0\n", "3:9: at least 1"),
        ("channels: [{name: a, type: webhook, url: '${GONE}'}]", "the environment variable GONE is not set"),
        ("channels: [{name: a, type: slack, url: 'file:gone'}]", "gone cannot be read: No such file or directory"),
        ("channels: [{name: a, type: slack, url: 'ftp://x/${TOKEN}'}]", "does not begin with http:// or https://"),
        ("channels: [{name: a, type: pagerduty, routing_key: short}]", "`routing_key` is not 32 letters and digits"),
        ("channels: [{name: a, type: email, host: h, from: nobody, to: a@b}]", "`nobody` is not a mail address"),
        ("channels: [{name: a, type: command, command: [no-such-program]}]", "there is no program no-such-program"),
        ("channels: [{name: a, type: apprise, url: 'nosuch://x'}]", "apprise knows no service for this address"),
        (HOOK.replace("}", ", body: {text: '{{titel}}'}}"), "`{{titel}}` is not a field of a message; did you mean"),
        (HOOK.replace("}", ", body: '{\"text\": {{title}}x}'}"), "the body, filled in, is not JSON"),
        (HOOK.replace("}", ", headers: {X-A: \"a\\nb\"}}"), "characters that no header can hold"),
        ("- nothing", "1:1: not a mapping; known keys: channels, grafana, group, hourly, page, repeat, routes"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_the_mend(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        opened(tmp_path, text)
    assert re.match(r"\S*alerts\.yaml:\d+:\d+: ", str(error.value)), str(error.value)
    assert said in str(error.value)
    assert SECRET not in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        open_alerts(tmp_path / "gone.yaml", {})
    (tmp_path / "junk.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8 text"):
        open_alerts(tmp_path / "junk.yaml", {})


ALL = """
channels:
  - {name: chat, type: slack, url: "https://hooks.slack.com/services/${TOKEN}"}
  - {name: talk, type: discord, url: "https://discord.com/api/webhooks/1/${TOKEN}"}
  - {name: hook, type: webhook, url: "https://h.example/x?token=${TOKEN}", sign: "${TOKEN}"}
  - {name: mail, type: email, host: smtp.example.org, from: a@example.org, to: b@example.org, username: a,
     password: "${TOKEN}"}
  - {name: pager, type: pagerduty, routing_key: "${KEY}"}
  - {name: am, type: alertmanager, url: "http://am:9093", headers: {Authorization: "Bearer ${TOKEN}"}}
  - {name: script, type: command, command: [cat]}
  - {name: many, type: apprise, url: "json://localhost/${TOKEN}"}
routes:
  - {to: [pager, script], severity: critical}
  - {to: mail, kind: ["*_collapse", nan], not_kind: entropy_*}
  - {to: mail, kind: finished, labels: {project: math*}}
"""


def message(kind: str, severity: Severity, resolved: bool = False, project: str = "math-1") -> Message:
    return Message(kind, severity, "t", "", 1.8e9, f"r/{kind}/1", resolved=resolved, labels=(("project", project),))


def test_routes_say_what_goes_where(tmp_path: Path) -> None:
    route = opened(tmp_path, ALL).router
    everywhere = {"chat", "talk", "hook", "am", "many"}

    def to(one: Message, before: frozenset[str] = frozenset()) -> set[str]:
        return set(route(one, before)) - everywhere

    assert set(route(message("stalled", "critical"), frozenset())) == everywhere | {"pager", "script"}
    assert to(message("reward_collapse", "warning")) == {"mail"}
    assert to(message("entropy_collapse", "warning")) == set()
    assert to(message("finished", "info")) == {"mail"}
    assert to(message("finished", "info", project="code")) == set()
    assert set(route(message("stalled", "info", resolved=True), frozenset({"pager", "gone"}))) == {"pager"}
    assert to(message("preempted", "warning"), frozenset({"pager"})) == {"pager"}, "what goes on goes where it began"


def test_incidents_alone_go_to_pagerduty(tmp_path: Path) -> None:
    key = "{name: pager, type: pagerduty, routing_key: '${KEY}'}"
    route = opened(tmp_path, f"channels: [{key}]").router
    assert route(message("started", "info"), frozenset()) == []
    assert route(message("stalled", "critical"), frozenset()) == ["pager"]


def test_the_list_says_what_goes_where_and_shows_no_secret(tmp_path: Path) -> None:
    opened(tmp_path, ALL)
    shown = CliRunner().invoke(group, ["alerts", "list", "--alerts", str(tmp_path / "alerts.yaml")], env=ENVIRONMENT)
    assert shown.exit_code == 0, shown.output
    assert "chat    hooks.slack.com: all messages" in shown.output
    assert "pager   events.pagerduty.com: critical (incidents only)" in shown.output
    assert "mail    smtp.example.org:587: any severity; kind *_collapse, nan; not entropy_*; or any" in shown.output
    assert SECRET not in shown.output
    assert ENVIRONMENT["KEY"] not in shown.output


def test_a_secret_in_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    said: list[str] = []
    sink = logger.add(said.append, level="WARNING", format="{message}")
    try:
        file = tmp_path / "alerts.yaml"
        file.write_text(f"channels: [{{name: chat, type: slack, url: 'https://hooks.slack.com/{SECRET}'}}]")
        file.chmod(0o644)
        open_alerts(file, {})
        assert "holds secrets (chat.url) and others can read it: chmod 600" in "".join(said)
        said.clear()
        file.chmod(0o600)
        open_alerts(file, {})
        opened(tmp_path, ALL)
        (tmp_path / "alerts.yaml").chmod(0o644)
        open_alerts(file, ENVIRONMENT)
        assert said == []
    finally:
        logger.remove(sink)


BAD = ("ftp://a/b", "hooks.slack.com/x", "http:///", "http://a b/", "http://u:p@h/x", "http://h:x/")


@pytest.mark.parametrize("url", BAD)
def test_an_address_in_the_environment_that_cannot_be_used_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(UserError) as error:
        open_alerts(None, {"RLI_AGENT_WEBHOOK": url + SECRET})
    assert SECRET not in str(error.value)
    assert "RLI_AGENT_WEBHOOK" in str(error.value)


def test_the_environment_alone_makes_a_channel_whose_form_follows_the_host(tmp_path: Path) -> None:
    forms = {
        "https://hooks.slack.com/services/a": "SlackChannel",
        "https://discord.com/api/webhooks/1/a": "DiscordChannel",
        "https://hooks.slack.com.evil.example/a": "WebhookChannel",
        "https://example.org/discord.com": "WebhookChannel",
    }
    for url, form in forms.items():
        (channel,) = open_alerts(None, {"RLI_AGENT_WEBHOOK": url}).channels
        assert (channel.name, type(channel).__name__) == ("webhook", form)
    file = tmp_path / "hook"
    file.write_text("https://hooks.slack.com/services/T/B/x\n")
    (channel,) = open_alerts(None, {"RLI_AGENT_WEBHOOK_FILE": str(file)}).channels
    assert channel.place == "hooks.slack.com"
    assert open_alerts(None, {}).channels == []
    file.write_text("")
    for missing in (file, tmp_path / "none"):
        with pytest.raises(UserError):
            open_alerts(None, {"RLI_AGENT_WEBHOOK_FILE": str(missing)})


def test_durations() -> None:
    assert [seconds(text) for text in ("30s", "5m", "4h", "2d", "0.5 s")] == [30, 300, 14_400, 172_800, 0.5]
    for text in ("", "5", "-3s", "1h30m"):
        with pytest.raises(ValueError, match="is not a duration"):
            seconds(text)
