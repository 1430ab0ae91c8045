"""What a message shows beside its words: the curve as a picture where the channel takes one, and where to look on."""

from __future__ import annotations

import base64
import json
import math
import struct
import zlib
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from receivers import HttpReceiver, MailReceiver, notice

from rli_agent.alerts import words
from rli_agent.alerts.channel import Channel
from rli_agent.alerts.channels.mail import MailChannel
from rli_agent.alerts.links import Places, links, page_address
from rli_agent.alerts.opening import open_alerts
from rli_agent.alerts.picture import HEIGHT, WIDTH, picture
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import Email
from rli_agent.errors import UserError
from rli_agent.message import Curve, Message

RISING = Curve("rl_policy_kl", tuple(range(100, 120)), tuple(0.01 * n for n in range(1, 21)), 0.15)
LABELS = (("project", "math"), ("experiment_name", "grpo"), ("run", "grpo 1"))
ALERT = Message(
    "kl_explosion", "critical", "kl_explosion at step 119", "It grows.", 1.8e9, "r/kl_explosion/1", 119, "stop",
    labels=LABELS, values=(("value", 0.2),), curve=RISING,
    links=links(Places("http://127.0.0.1:9092", "https://grafana.example.org/g/"), Message(
        "kl_explosion", "critical", "", "", 1.8e9, "", labels=LABELS)),
)  # fmt: skip


class Drawn(NamedTuple):
    """A PNG, read by its specification."""

    width: int
    height: int
    palette: list[tuple[int, int, int]]
    rows: list[bytes]

    def columns(self, colour: tuple[int, int, int]) -> dict[int, list[int]]:
        """By column, the rows in which a colour stands."""
        index = self.palette.index(colour)
        found: dict[int, list[int]] = {}
        for y, row in enumerate(self.rows):
            for x, dot in enumerate(row):
                if dot == index:
                    found.setdefault(x, []).append(y)
        return found


LINE, LIMIT = (0x1F, 0x5F, 0xBF), (0xD1, 0x24, 0x2F)


def read(png: bytes) -> Drawn:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    parts: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + body),)
        parts[kind] = body
        at += 12 + length
    assert list(parts)[-1] == b"IEND"
    width, height, depth, colours, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert (depth, colours, rest) == (8, 3, [0, 0, 0])
    data = zlib.decompress(parts[b"IDAT"])
    rows = [data[n : n + width + 1] for n in range(0, len(data), width + 1)]
    assert len(rows) == height
    assert {row[0] for row in rows} == {0}
    palette = [tuple(parts[b"PLTE"][n : n + 3]) for n in range(0, len(parts[b"PLTE"]), 3)]
    return Drawn(width, height, palette, [row[1:] for row in rows])  # type: ignore[arg-type]


def test_a_curve_that_rises_is_drawn_rising_over_its_limit() -> None:
    drawn = read(picture(RISING))
    assert (drawn.width, drawn.height) == (WIDTH, HEIGHT)
    line = drawn.columns(LINE)
    tops = [min(line[x]) for x in sorted(line)]
    assert tops == sorted(tops, reverse=True)
    assert tops[0] - tops[-1] > HEIGHT // 2
    (limit,) = {y for rows in drawn.columns(LIMIT).values() for y in rows}
    assert tops[-1] < limit < tops[0]


def test_a_lone_spike_on_a_wide_scale_does_not_flatten_the_rest() -> None:
    values = (0.001, 0.01, 0.1, 1.0, 1000.0)
    line = read(picture(Curve("x", (None,) * 5, values))).columns(LINE)
    assert max(line[min(line)]) - min(line[sorted(line)[len(line) // 2]]) > 20


@pytest.mark.real
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=2, max_size=120),
    st.one_of(st.none(), st.floats(allow_nan=True)),
    st.one_of(st.none(), st.integers(-1, 10**12)),
)
def test_whatever_the_figures_are_it_is_a_small_picture_or_a_clear_refusal(
    values: list[float], limit: float | None, first: int | None
) -> None:
    curve = Curve("x", tuple(None if first is None else first + n for n in range(len(values))), tuple(values), limit)
    if sum(map(math.isfinite, values)) < 2:
        with pytest.raises(ValueError, match="two values"):
            picture(curve)
        return
    png = picture(curve)
    assert len(png) < 16_000
    assert read(png).columns(LINE)


def test_text_shows_the_curve_too() -> None:
    text = words.in_full(ALERT)
    assert "Curve: rl_policy_kl 0.01 ▁▁▂▂▂▃▃▄▄▄▅▅▅▆▆▇▇▇██ 0.2, steps 100 to 119" in text
    assert "Page: http://127.0.0.1:9092/\n" in text


# -- channels


@pytest.fixture
def server() -> Iterator[MailReceiver]:
    one = MailReceiver()
    yield one
    one.close()


def channel(tmp_path: Path, settings: str) -> Channel:
    file = tmp_path / "alerts.yaml"
    file.write_text(f"channels: [{{name: one, {settings}}}]")
    file.chmod(0o600)
    (opened,) = open_alerts(file, {}).channels
    return opened


def test_a_mail_carries_the_picture_and_shows_it(server: MailReceiver) -> None:
    settings = Email(
        name="mail", host="127.0.0.1", port=server.port, sender="agent@example.org", to="ada@example.org",
        security="none",
    )  # fmt: skip
    assert MailChannel(settings, Secrets({}, Path())).send(notice(ALERT)).outcome == "taken"
    (mail,) = server.mails
    (image,) = (part for part in mail.walk() if part.get_content_type() == "image/png")
    assert image.get_content() == picture(RISING)
    page = mail.get_body(("html",))
    assert page is not None
    assert f'src="cid:{str(image["Content-ID"])[1:-1]}"' in page.get_content()
    assert 'href="https://grafana.example.org/g/d/rli-overview?' in page.get_content()
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert "▁▁▂" in plain.get_content()


def test_discord_gets_the_picture_with_the_form(tmp_path: Path, receiver: HttpReceiver) -> None:
    receiver.answers = [(200, {}, "")]
    assert channel(tmp_path, f"type: discord, url: '{receiver.url}'").send(notice(ALERT)).outcome == "taken"
    (request,) = receiver.got
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    form, image = message_from_bytes(head + request.body, policy=policy.default).iter_parts()
    assert form.get_content_type() == "application/json"
    payload = form.get_payload(decode=True)
    assert isinstance(payload, bytes)
    sent = json.loads(payload)
    assert sent["embeds"][0]["image"] == {"url": "attachment://curve.png"}
    assert sent["attachments"] == [{"id": 0, "filename": "curve.png"}]
    assert image.get_filename() == "curve.png"
    assert image.get_payload(decode=True) == picture(RISING)
    assert len(request.body) < 20_000


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_apprise_attaches_the_picture_where_the_service_takes_files(tmp_path: Path, receiver: HttpReceiver) -> None:
    assert channel(tmp_path, f"type: apprise, url: 'json://{receiver.address}/'").send(notice(ALERT)).outcome == "taken"
    (attached,) = receiver.got[0].json["attachments"]
    assert attached["filename"] == "curve.png"
    assert base64.b64decode(attached["base64"]) == picture(RISING)


def test_slack_and_webhooks_get_the_curve_as_text_and_as_numbers(tmp_path: Path, receiver: HttpReceiver) -> None:
    channel(tmp_path, f"type: slack, url: '{receiver.url}'").send(notice(ALERT))
    channel(tmp_path, f"type: webhook, url: '{receiver.url}'").send(notice(ALERT))
    slack, hook = (request.json for request in receiver.got)
    fields = [field["text"] for block in slack["blocks"] for field in block.get("fields", ())]
    assert any(text.startswith("*Curve:* rl_policy_kl 0.01 ▁") for text in fields)
    assert hook["curve"]["values"] == list(RISING.values)
    assert hook["links"]["page"] == "http://127.0.0.1:9092/"


def test_pagerduty_and_alertmanager_get_the_links(tmp_path: Path, receiver: HttpReceiver) -> None:
    key = "k" * 32
    channel(tmp_path, f"type: pagerduty, routing_key: {key}, url: 'http://{receiver.address}'").send(notice(ALERT))
    channel(tmp_path, f"type: alertmanager, url: 'http://{receiver.address}'").send(notice(ALERT))
    pager, (alert,) = (request.json for request in receiver.got)
    assert [link["text"] for link in pager["links"]] == ["Page", "Grafana"]
    assert pager["client_url"] == alert["generatorURL"] == "http://127.0.0.1:9092/"


# -- links


def test_grafana_is_shown_the_run_and_the_time() -> None:
    (name, address), *_ = links(Places(None, "http://g:3000"), replace(ALERT, links=()))
    assert name == "Grafana"
    assert address.startswith("http://g:3000/d/rli-overview?var-project=math&var-experiment=grpo&var-run=grpo+1&from=")
    assert links(Places(), ALERT) == ()


def test_the_page_is_named_as_others_know_it() -> None:
    assert page_address("http://127.0.0.1:9092", "node7") == "http://127.0.0.1:9092"
    assert page_address("http://0.0.0.0:9092", "node7") == page_address("http://[::]:9092", "node7")
    assert page_address("http://0.0.0.0:9092", "node7") == "http://node7:9092"


@pytest.mark.parametrize("wrong", ["grafana: 'g:3000'", "page: 'https://u:p@h/'", "page: 'http://h/?token=x'"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(f"channels: []\n{wrong}\n")
    with pytest.raises(UserError, match=r"alerts\.yaml:2"):
        open_alerts(file, {})
