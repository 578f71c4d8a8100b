"""The kind `email.send`: one message over SMTP.

The Message-ID is made from the task's idempotency key, so that a message that was sent twice, because a worker died
between the server's "250 OK" and our record of it, is seen as one by those who receive it.
"""

import re
import smtplib
import ssl
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from taskyard import Context, Discard, Retry, task

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS: Final = rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
_MAILBOX: Final = rf'^({_ADDRESS}|[^<>@,;:"\\\x00-\x1f\x7f]*<{_ADDRESS}>)$'
_LINE: Final = r"^[^\x00-\x1f\x7f]*$"
_HEADER: Final = (
    r"^([Xx]-[A-Za-z0-9-]{1,70}|In-Reply-To|References|List-Id|List-Unsubscribe|List-Unsubscribe-Post"
    r"|Auto-Submitted|Precedence|Feedback-ID|Importance)$"
)
_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
_PERMANENT: Final = range(500, 600)

Mailbox = Annotated[str, Field(pattern=_MAILBOX, max_length=320)]
HeaderName = Annotated[str, Field(pattern=_HEADER)]
HeaderValue = Annotated[str, Field(pattern=_LINE, max_length=900)]


class MailSettings(BaseSettings):
    """The server that takes our mail, from `TASKYARD_SMTP_…`."""

    model_config = SettingsConfigDict(env_prefix="TASKYARD_SMTP_", env_ignore_empty=True, frozen=True)

    host: str = Field("", description="the SMTP server; without one email.send fails")
    port: int | None = Field(None, ge=1, le=65535, description="default: 587 for starttls, 465 for tls, 25 for none")
    user: str = Field("", description="whom to log in as; empty: no login")
    password: SecretStr = SecretStr("")
    tls: Literal["starttls", "tls", "none"] = Field("starttls", description="how the connection is encrypted")
    from_: str = Field(
        "",
        validation_alias="TASKYARD_SMTP_FROM",
        pattern=_MAILBOX + "|^$",
        description="sender, such as Shop <no-reply@shop.example>",
    )
    timeout_s: float = Field(30.0, gt=0, description="time for each answer of the server, in seconds")


class Email(BaseModel):
    """One message, as plain text, HTML or both."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"to": ["Ann <ann@example.com>"], "subject": "Your order", "text": "It is on its way."}],
            # as the validator below has it, so that the API, too, refuses an empty message
            "if": {"not": {"required": ["text"], "properties": {"text": {"type": "string"}}}},
            "then": {"required": ["html"], "properties": {"html": {"type": "string"}}},
        },
    )

    to: Annotated[
        list[Mailbox], Field(min_length=1, max_length=100, description="ann@example.com or Ann <ann@example.com>")
    ]
    cc: Annotated[list[Mailbox], Field(max_length=100)] = []
    bcc: Annotated[list[Mailbox], Field(max_length=100, description="receive it too, unseen by the others")] = []
    reply_to: Annotated[Mailbox | None, Field(description="where answers go, if not to the sender")] = None
    subject: Annotated[str, Field(pattern=_LINE, min_length=1, max_length=500)]
    text: Annotated[str | None, Field(description="the message as plain text")] = None
    html: Annotated[str | None, Field(description="the message as HTML; with text, readers choose")] = None
    headers: Annotated[
        dict[HeaderName, HeaderValue],
        Field(
            max_length=20,
            description="X-… and those that lists and threads need",
            json_schema_extra={"additionalProperties": False},  # else the schema lets other names pass
        ),
    ] = {}

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if self.text is None and self.html is None:
            raise ValueError("give text, html or both")
        return self

    def recipients(self) -> list[str]:
        """Return all bare addresses that receive it, each once."""
        return list(dict.fromkeys(parseaddr(mailbox)[1] for mailbox in (*self.to, *self.cc, *self.bcc)))


class Sent(BaseModel):
    """What the server took: `refused` has its answer for each address that it did not accept."""

    message_id: str
    accepted: list[str]
    refused: dict[str, str]


@task("email.send", timeout_s=120, max_attempts=8)
def send(ctx: Context, email: Email) -> Sent:
    """Send one email by the SMTP server of the worker's settings."""
    settings = MailSettings()
    for value, name in ((settings.host, "TASKYARD_SMTP_HOST"), (settings.from_, "TASKYARD_SMTP_FROM")):
        if not value:
            raise Discard(f"this worker cannot send email: {name} is not set")
    message = compose(email, settings.from_, ctx.idempotency_key, datetime.now(UTC))
    recipients = email.recipients()
    try:
        refused = _deliver(message, recipients, settings)
    except (smtplib.SMTPException, OSError) as error:
        raise verdict(error) from error
    return Sent(
        message_id=str(message["Message-ID"]),
        accepted=[address for address in recipients if address not in refused],
        refused={address: _answer(*answer) for address, answer in refused.items()},
    )


def compose(email: Email, sender: str, key: str, now: datetime) -> EmailMessage:
    """Return the message of `email` from the mailbox `sender`; the same `key` gives the same Message-ID."""
    message = EmailMessage(policy=SMTP)
    message["From"] = _mailbox(sender)
    message["To"] = _mailboxes(email.to)
    if email.cc:
        message["Cc"] = _mailboxes(email.cc)
    if email.reply_to:
        message["Reply-To"] = _mailbox(email.reply_to)
    message["Subject"] = email.subject
    message["Date"] = format_datetime(now)
    local = key if re.fullmatch(rf"{_ATOM}(\.{_ATOM})*", key) else sha256(key.encode()).hexdigest()
    message["Message-ID"] = f"<{local}@{_mailbox(sender).domain}>"
    for name, value in email.headers.items():
        message[name] = value
    if email.text is not None:
        message.set_content(email.text)
        if email.html is not None:
            message.add_alternative(email.html, subtype="html")
    elif email.html is not None:
        message.set_content(email.html, subtype="html")
    return message


def verdict(error: smtplib.SMTPException | OSError) -> Retry | Discard:
    """Return what to raise for `error`: the server said that it is for good, or it may pass."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            answers = error.recipients
            listed = "; ".join(f"{address}: {_answer(*answer)}" for address, answer in answers.items())
            permanent = all(code in _PERMANENT for code, _ in answers.values())
            message = f"every recipient was refused: {listed}"
        case smtplib.SMTPResponseException():
            permanent = error.smtp_code in _PERMANENT
            message = f"the SMTP server answered {_answer(error.smtp_code, error.smtp_error)}"
        case _:
            permanent = isinstance(error, smtplib.SMTPNotSupportedError)
            message = f"no mail could be handed over: {type(error).__name__}: {error}"
    return Discard(message) if permanent else Retry(message)


def _deliver(message: EmailMessage, recipients: Sequence[str], settings: MailSettings) -> dict[str, tuple[int, bytes]]:
    port = settings.port or _PORTS[settings.tls]
    context = ssl.create_default_context()
    if settings.tls == "tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, port, timeout=settings.timeout_s, context=context)
    else:
        client = smtplib.SMTP(settings.host, port, timeout=settings.timeout_s)
    with closing(client):
        if settings.tls == "starttls":
            client.starttls(context=context)
        if settings.user:
            client.login(settings.user, settings.password.get_secret_value())
        refused = client.send_message(message, parseaddr(settings.from_)[1], recipients)
        with suppress(smtplib.SMTPException, OSError):  # it is sent: no farewell may bring about another attempt
            client.quit()
    return refused


def _mailbox(text: str) -> Address:
    name, address = parseaddr(text)
    user, _, domain = address.rpartition("@")
    return Address(name, user, domain)


def _mailboxes(texts: Iterable[str]) -> tuple[Address, ...]:
    return tuple(_mailbox(text) for text in texts)


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {words[:300]}"
