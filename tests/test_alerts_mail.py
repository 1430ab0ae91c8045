"""Mail to a real SMTP server: encrypted unless told otherwise, one a message, the end in answer to the beginning."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from receivers import SECRET, MailReceiver, certificate, notice

from rli_agent.alerts.channels.mail import MailChannel
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import Email
from rli_agent.message import Message

STALLED = Message(
    "stalled", "critical", "stalled: no progress for 10 min", "States: <b>trainer</b> in weight_sync", 1.8e9,
    "r/stalled/1800000000", 20, "py-spy dump", labels=(("run", "grpo-1"), ("project", "math")), since=1.8e9 - 600,
    since_step=20, values=(("seconds_without_progress", 600.0),),
)  # fmt: skip


@pytest.fixture
def server() -> Iterator[MailReceiver]:
    one = MailReceiver()
    yield one
    one.close()


def mail_to(server: MailReceiver, **more: Any) -> MailChannel:
    given = {"security": "none", "timeout": "2s"} | more
    settings = Email(
        name="mail", host="127.0.0.1", port=server.port, sender="Agent <agent@example.org>",
        to=["ada@example.org", "Grace <grace@example.org>"], **given,
    )  # fmt: skip
    return MailChannel(settings, Secrets({"PASSWORD": SECRET}, Path()))


def text_of(mail: EmailMessage, form: str) -> str:
    part = mail.get_body((form,))
    assert part is not None
    return str(part.get_content())


def test_a_mail_says_what_since_when_by_which_numbers_and_what_to_do(server: MailReceiver) -> None:
    assert mail_to(server).send(notice(STALLED)).outcome == "taken"
    (mail,) = server.mails
    assert mail["Subject"] == "[rli-agent CRITICAL] stalled: no progress for 10 min — run grpo-1 step 20"
    assert mail["To"] == "ada@example.org, Grace <grace@example.org>"
    assert mail["Date"] == "Fri, 15 Jan 2027 08:00:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = text_of(mail, "plain")
    for told in ("Since: step 20, 2027-01-15T07:50:00Z", "Numbers: seconds_without_progress 600", "Do: py-spy dump"):
        assert told in text
    assert "&lt;b&gt;trainer&lt;/b&gt;" in text_of(mail, "html")


def test_the_end_answers_the_beginning_and_a_repetition_too(server: MailReceiver) -> None:
    channel = mail_to(server)
    channel.send(notice(STALLED))
    channel.send(notice(STALLED, again=1))
    channel.send(notice(replace(STALLED, resolved=True, severity="info"), STALLED))
    first, again, over = server.mails
    assert again["References"] == over["References"] == first["Message-ID"]
    assert len({mail["Message-ID"] for mail in server.mails}) == 3
    assert "still: stalled" in again["Subject"]
    assert over["Subject"].startswith("[rli-agent RESOLVED]")


def test_a_delivery_that_is_repeated_has_the_same_id(server: MailReceiver) -> None:
    for _ in range(2):
        mail_to(server).send(notice(STALLED))
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_encrypted_with_a_login(tmp_path: Path, security: str) -> None:
    pem = certificate(tmp_path)
    server = MailReceiver(pem, tls=security == "tls", password=SECRET)
    try:
        login = {"security": security, "username": "agent", "password": "${PASSWORD}"}
        assert mail_to(server, ca=str(pem), **login).send(notice(STALLED)).outcome == "taken"
        assert len(server.mails) == 1
        assert set(server.logins) == {"agent"}
        distrusted = mail_to(server, **login).send(notice(STALLED))
        assert (distrusted.outcome, len(server.mails)) == ("failed", 1)
        assert "CERTIFICATE_VERIFY_FAILED" in distrusted.text
        wrong = mail_to(server, ca=str(pem), **(login | {"password": "wrong-password"})).send(notice(STALLED))
        assert wrong.outcome == "failed"
        assert "535" in wrong.text
        assert "wrong-password" not in wrong.text
    finally:
        server.close()


def test_without_encryption_no_mail_goes_unless_told_so_and_no_password_at_all(server: MailReceiver) -> None:
    answer = mail_to(server, security="starttls").send(notice(STALLED))
    assert (answer.outcome, server.mails) == ("failed", [])
    assert "STARTTLS" in answer.text
    with pytest.raises(ValueError, match="a password is not sent without encryption"):
        mail_to(server, username="a", password="${PASSWORD}")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [("451 busy", "failed"), ("552 too large", "refused"), ("554 spam, says " + SECRET, "refused")],
)
def test_what_the_server_says_is_told_apart(server: MailReceiver, said: str, outcome: str) -> None:
    server.answers = [said]
    channel = mail_to(server, security="none")
    channel.secrets.secret(SECRET)
    answer = channel.send(notice(STALLED))
    assert (answer.outcome, server.mails) == (outcome, [])
    assert said[:3] in answer.text
    assert SECRET not in answer.text


def test_a_server_that_is_gone_or_says_nothing_is_waited_for_no_longer_than_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Email(
            name="m", host="127.0.0.1", port=silent.getsockname()[1], sender="a@b", to="c@d", security="none",
            timeout="0.2s",
        )  # fmt: skip
        channel = MailChannel(settings, Secrets({}, Path()))
        assert channel.send(notice(STALLED)).outcome == "failed"
    answer = channel.send(notice(STALLED))
    assert answer.outcome == "failed"
    assert answer.text == "Connection refused"
