"""By mail: to the mail server that the settings name, or by this server's own sendmail."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from hostd.acme.threads import in_thread
from hostd.alerts.notify.notifier import Message, NotSent

SENDMAIL = Path("/usr/sbin/sendmail")
SECONDS = 20.0
"""For each step of a conversation with a mail server."""

RunProgram = Callable[[Sequence[str], bytes], Awaitable[None]]
"""Runs a program of the system's with this input, as a user without rights. Raises NotSent."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server. `security` is `starttls`, `tls` or `none`; `login_file` has user and password in two lines."""

    host: str
    port: int
    security: str
    login_file: Path | None


class Mailer:
    """Sends mails. `sender` is whom they are from."""

    def __init__(
        self, server: MailServer | None, sender: str, run: RunProgram, sendmail: Path = SENDMAIL
    ) -> None:
        self._server = server
        self._sender = sender
        self._run = run
        self._sendmail = sendmail

    async def send(self, where: str, message: Message) -> None:
        """Hand a mail to the server that takes it on. Raises NotSent."""
        mail = compose(self._sender, where, message)
        if self._server is not None:
            server = self._server
            await in_thread(lambda: _deliver(server, self._sender, where, mail))
        elif self._sendmail.exists():
            argv = [str(self._sendmail), "-i", "-f", self._sender, "--", where]
            await self._run(argv, mail.as_bytes(policy=mail.policy.clone(linesep="\n")))
        else:
            raise NotSent(f"no mail can be sent: {self.trouble}")

    @property
    def trouble(self) -> str | None:
        """Why no mail can be sent at all; None if it can."""
        if self._server is not None or self._sendmail.exists():
            return None
        return f"this server has no {self._sendmail}, and the setting mail_server is empty"


def compose(sender: str, to: str, message: Message) -> EmailMessage:
    """The mail: the sentence as its subject, and all there is to know as its text."""
    mail = EmailMessage(policy=SMTP)
    text = str(message["text"])
    mail["From"], mail["To"] = sender, to
    mail["Subject"] = text if len(text) <= 150 else f"{text[:149]}…"
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message['id']}@{sender.rpartition('@')[2]}>"
    # Nobody's answer "I am on holiday" shall come back (RFC 3834).
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{text}\n\n{message['hint']}\n\n{json.dumps(dict(message), indent=2)}\n")
    return mail


def _deliver(server: MailServer, sender: str, to: str, mail: EmailMessage) -> None:
    """One conversation with a mail server; blocks."""
    try:
        with _connected(server) as smtp:
            if server.login_file is not None:
                smtp.login(*_login(server.login_file))
            smtp.send_message(mail, sender, [to])
    except smtplib.SMTPRecipientsRefused as error:
        (code, said), *_ = error.recipients.values()
        raise NotSent(f"the mail server refuses the address: {code} {_said(said)}", final=code >= 500) from error
    except smtplib.SMTPAuthenticationError as error:
        raise NotSent(f"the mail server refuses the login (mail_login_file): {error.smtp_code}") from error
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"the mail server answers {error.smtp_code} {_said(error.smtp_error)}") from error
    except smtplib.SMTPNotSupportedError as error:
        raise NotSent("the mail server does not know STARTTLS, or no login (mail_security)") from error
    except ssl.SSLError as error:
        raise NotSent(f"the mail server's certificate is not valid, or it speaks no TLS: {error.reason}") from error
    except TimeoutError as error:
        raise NotSent(f"the mail server did not answer within {SECONDS:g} seconds") from error
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"the mail server {server.host} cannot be reached: {_why(error)}") from error


def _connected(server: MailServer) -> smtplib.SMTP:
    trusted = ssl.create_default_context()
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=SECONDS, context=trusted)
    smtp = smtplib.SMTP(server.host, server.port, timeout=SECONDS)
    if server.security == "starttls":
        try:
            smtp.starttls(context=trusted)
        except BaseException:
            smtp.close()
            raise
    return smtp


def _login(file: Path) -> tuple[str, str]:
    try:
        if file.stat().st_mode & 0o077:
            raise NotSent(f"{file} is open to other users. Close it: chmod 600 {file}")
        user, password, *_ = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise NotSent(f"{file} (mail_login_file) must be a file with a user and a password in two lines") from error
    return user, password


def _why(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number and number > 0 else type(error).__name__


def _said(text: bytes | str) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text
