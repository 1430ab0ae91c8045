"""Mail by SMTP. The mail that says that an incident is over answers the one that told of it."""

from __future__ import annotations

import contextlib
import hashlib
import html
import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Any, cast

from rli_agent.alerts import words
from rli_agent.alerts.channel import Answer, Channel, Notice
from rli_agent.alerts.picture import picture
from rli_agent.alerts.secrets import Secrets
from rli_agent.alerts.settings import Email, several
from rli_agent.durations import seconds
from rli_agent.terminal import cut

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_COLOURS = {"critical": "#b00020", "warning": "#b26a00", "info": "#1f5fbf"}
_GREEN = "#1b7f3b"
#: The id of the picture in a mail.
_PICTURE = "curve@rli-agent"


class MailChannel(Channel):
    """People's mailboxes."""

    merges = True

    def __init__(self, settings: Email, secrets: Secrets) -> None:
        self._host = secrets.resolve(settings.host)
        self._security = settings.security
        self._port = settings.port if settings.port is not None else _PORTS[settings.security]
        self._from = _address(secrets.resolve(settings.sender))
        self._to = [_address(secrets.resolve(to)) for to in several(settings.to)]
        if not self._to:
            raise ValueError("`to` names nobody")
        if (settings.username is None) != (settings.password is None):
            raise ValueError("`username` and `password` are given together, or not at all")
        self._login: tuple[str, str] | None = None
        if settings.username is not None and settings.password is not None:
            if settings.security == "none":
                raise ValueError("a password is not sent without encryption: give `security: starttls` or `tls`")
            self._login = secrets.resolve(settings.username), secrets.secret(settings.password)
        self._timeout = seconds(settings.timeout)
        try:
            self._tls = ssl.create_default_context(cafile=settings.ca)
        except OSError as error:
            raise ValueError(f"the certificates in `ca` cannot be read: {error}") from None
        super().__init__(settings.name, f"{self._host}:{self._port}", secrets)

    def deliver(self, notice: Notice) -> Answer:
        mail = self._mail(notice)
        try:
            refused = self._sent(mail)
        except smtplib.SMTPRecipientsRefused as error:
            said = "; ".join(f"{who}: {_said(code, text)}" for who, (code, text) in error.recipients.items())
            return Answer("failed", said)
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            outcome = "refused" if error.smtp_code >= 500 else "failed"
            return Answer(outcome, _said(error.smtp_code, error.smtp_error))  # type: ignore[arg-type]
        except smtplib.SMTPResponseException as error:
            return Answer("failed", _said(error.smtp_code, error.smtp_error))
        lacking = "".join(f"; not {who}: {_said(code, text)}" for who, (code, text) in refused.items())
        return Answer("taken", f"sent to {len(self._to) - len(refused)} of {len(self._to)}{lacking}")

    def _sent(self, mail: EmailMessage) -> dict[str, tuple[int, bytes]]:
        """Hand it over; the recipients that were refused, if others were not."""
        # Its own name is given, since looking it up may take long.
        common: dict[str, Any] = {"timeout": self._timeout, "local_hostname": socket.gethostname()}
        if self._security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, context=self._tls, **common)
        else:
            server = smtplib.SMTP(self._host, self._port, **common)
        try:
            if self._security == "starttls":
                server.starttls(context=self._tls)
            if self._login is not None:
                server.login(*self._login)
            refused = server.send_message(mail)
            with contextlib.suppress(OSError):  # it was taken, however the goodbye goes
                server.quit()
        finally:
            server.close()
        return refused

    def _mail(self, notice: Notice) -> EmailMessage:
        message = notice.message
        mail = EmailMessage()
        run, step = dict(message.labels).get("run"), message.step
        about = (f" — run {run}" if run else "") + (f" step {step}" if step is not None else "")
        title = words.headed(message, notice.again)
        mail["Subject"] = _header(f"[rli-agent {words.word(message)}] {title}{about}", 250)
        mail["From"], mail["To"] = self._from, ", ".join(self._to)
        mail["Date"] = formatdate(message.time, usegmt=True)
        mail["Message-ID"] = self._id(notice.key)
        if notice.earlier or notice.again:
            before = [self._id(key) for key, _ in notice.earlier]
            before += [self._id(notice.key.removesuffix(f"/{notice.again}"))] if notice.again else []
            mail["In-Reply-To"], mail["References"] = before[-1], " ".join(before)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        mail.set_content(words.in_full(message))
        shown = picture(message.curve) if message.curve is not None else None
        mail.add_alternative(as_html(notice, _PICTURE if shown is not None else None), subtype="html")
        if shown is not None:
            page = cast("EmailMessage", mail.get_payload(1))
            page.add_related(shown, "image", "png", cid=f"<{_PICTURE}>", filename="curve.png", disposition="inline")
        return mail

    def _id(self, key: str) -> str:
        """The same whenever the same is told: mail programs show a repeated delivery once."""
        return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{parseaddr(self._from)[1].rpartition('@')[2]}>"


def as_html(notice: Notice, shown: str | None = None) -> str:
    """The notice as a page without anything from elsewhere. shown: the id of the picture that comes with it."""
    message = notice.message
    colour = _GREEN if message.resolved else _COLOURS[message.severity]
    rows = "".join(
        f'<tr><th align="left">{html.escape(name)}</th><td>{_cell(value)}</td></tr>'
        for name, value in words.facts(message)
    )
    curve = f'<p><img src="cid:{shown}" alt="{html.escape(words.drawn(message.curve))}"></p>' if (
        shown is not None and message.curve is not None
    ) else ""  # fmt: skip
    text = f"<pre>{html.escape(message.text)}</pre>" if message.text else ""
    todo = f"<p><b>Do:</b> {html.escape(message.todo)}</p>" if message.todo else ""
    return (
        f'<html><body><p style="color:{colour}"><b>{words.word(message)}: {html.escape(message.kind)}</b></p>'
        f"<p><b>{html.escape(words.headed(message, notice.again))}</b></p>{curve}<table>{rows}</table>{text}{todo}"
        "</body></html>"
    )


def _cell(value: str) -> str:
    shown = html.escape(value)
    return f'<a href="{shown}">{shown}</a>' if value.startswith(("http://", "https://")) else shown


def _header(text: str, most: int) -> str:
    return cut(" ".join(text.split()), most)


def _address(text: str) -> str:
    name, host = parseaddr(text)[1].rpartition("@")[::2]
    if not name or not host or not (name + host).isascii() or any(c < " " for c in text):
        raise ValueError(f"`{text}` is not a mail address")
    return text.strip()


def _said(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
