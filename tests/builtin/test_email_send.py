"""Laws of email.send, against an SMTP server in a thread."""

import socketserver
import threading
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from taskyard import Discard, Retry
from taskyard.handlers import kind_of
from taskyard.testing import run
from taskyard_worker.builtin.email_send import Email, compose, send


class Mailbox(socketserver.ThreadingTCPServer):
    """Takes mail; `answers` has what it says to a command, by the command's first words, other than yes."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.answers = {}
        self.taken = []


class Conversation(socketserver.StreamRequestHandler):
    """One connection, as RFC 5321 has it."""

    def handle(self):
        """Greet, take one message after the other, part."""
        self.say("HELLO", "220 here")
        recipients = []
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "RCPT" and self.say(line, "250 yes").startswith("2"):
                recipients.append(line.partition("<")[2].rstrip(">"))
            elif word == "DATA" and self.say("DATA", "354 go on").startswith("3"):
                self.server.taken.append((recipients, self.text()))
                self.say("END", "250 taken")
            elif word == "QUIT":
                self.say("QUIT", "221 bye")
                return
            elif word == "EHLO":
                self.wfile.write(b"250-here\r\n250 8BITMIME\r\n")
            elif word not in {"RCPT", "DATA"}:
                self.say(line, "250 yes")

    def say(self, line, usual):
        """Answer `line` with what the test wants, else as usual; return the answer."""
        answer = next((text for start, text in self.server.answers.items() if line.startswith(start)), usual)
        self.wfile.write(answer.encode() + b"\r\n")
        return answer

    def text(self):
        """Return the message up to the lone dot."""
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return message_from_bytes(b"".join(lines), policy=policy.default)


@pytest.fixture(scope="module")
def server():
    with Mailbox() as mailbox:
        thread = threading.Thread(target=mailbox.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield mailbox
        mailbox.shutdown()
        thread.join()


@pytest.fixture
def mailbox(server, monkeypatch):
    """Set the worker up to send by the server of this test."""
    monkeypatch.setattr("socket.getfqdn", lambda *_: "worker.test")  # a lookup that may take seconds
    for name, value in {
        "HOST": "127.0.0.1",
        "PORT": str(server.server_address[1]),
        "TLS": "none",
        "FROM": "Shop <no-reply@shop.example>",
        "TIMEOUT_S": "5",
    }.items():
        monkeypatch.setenv(f"TASKYARD_SMTP_{name}", value)
    server.answers.clear()
    server.taken.clear()
    return server


EMAIL = {"to": ["Ann Öst <ann@example.com>"], "subject": "Grüße", "text": "Hallo\n.\nende"}


def test_it_arrives_as_written(mailbox):
    full = EMAIL | {
        "cc": ["bob@example.com"],
        "bcc": ["eve@example.com", "ann@example.com"],
        "html": "<p>Hallo</p>",
        "reply_to": "help@shop.example",
        "headers": {"X-Order": "7"},
    }
    result = run(send, full, idempotency_key="task-7")
    assert result == {
        "message_id": "<task-7@shop.example>",
        "accepted": ["ann@example.com", "bob@example.com", "eve@example.com"],
        "refused": {},
    }
    ((recipients, message),) = mailbox.taken
    assert recipients == result["accepted"]
    assert message["Subject"] == "Grüße"
    assert message["From"] == "Shop <no-reply@shop.example>"
    assert message["To"].addresses[0].display_name == "Ann Öst"
    assert (message["Message-ID"], message["X-Order"]) == ("<task-7@shop.example>", "7")
    assert message["Reply-To"] == "help@shop.example"
    assert "eve" not in message.as_string()
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert message.get_body(("plain",)).get_content().splitlines() == ["Hallo", ".", "ende"]


def test_html_alone_is_enough(mailbox):
    run(send, {"to": ["a@b.example"], "subject": "s", "html": "<b>x</b>"})
    assert mailbox.taken[0][1].get_content_type() == "text/html"


def test_every_attempt_has_the_same_message_id(mailbox):
    for key in ("plain-key", "with spaces, <brackets> and\nlines"):
        first, second = (run(send, EMAIL, attempt=attempt, idempotency_key=key)["message_id"] for attempt in (1, 2))
        assert first == second
    assert len({message["Message-ID"] for _, message in mailbox.taken}) == 2


@pytest.mark.parametrize(
    ("command", "answer", "raised"),
    [
        ("HELLO", "421 busy", Retry),
        ("HELLO", "554 go away", Discard),
        ("mail FROM", "451 later", Retry),
        ("mail FROM", "550 not you", Discard),
        ("rcpt TO", "450 greylisted", Retry),
        ("rcpt TO", "550 unknown", Discard),
        ("DATA", "451 later", Retry),
        ("END", "452 full", Retry),
        ("END", "552 too large", Discard),
    ],
)
def test_the_server_says_whether_it_is_for_good(mailbox, command, answer, raised):
    mailbox.answers[command] = answer
    with pytest.raises(raised, match=answer):
        run(send, EMAIL)


def test_some_refused_recipients_are_named_and_the_others_have_it(mailbox):
    mailbox.answers["rcpt TO:<gone"] = "550 unknown"
    result = run(send, EMAIL | {"to": ["gone@example.com", "here@example.com"]})
    assert result["accepted"] == ["here@example.com"]
    assert result["refused"] == {"gone@example.com": "550 unknown"}


def test_a_bad_farewell_after_the_message_was_taken_is_no_failure(mailbox):
    mailbox.answers["QUIT"] = "500 what"
    assert run(send, EMAIL)["accepted"] == ["ann@example.com"]


def test_no_connection_is_tried_again(mailbox, monkeypatch):
    monkeypatch.setenv("TASKYARD_SMTP_PORT", "1")
    with pytest.raises(Retry):
        run(send, EMAIL)


def test_a_server_without_what_the_settings_ask_for_ends_the_task(mailbox, monkeypatch):
    monkeypatch.setenv("TASKYARD_SMTP_TLS", "starttls")
    with pytest.raises(Discard, match="STARTTLS"):
        run(send, EMAIL)
    monkeypatch.setenv("TASKYARD_SMTP_TLS", "none")
    monkeypatch.setenv("TASKYARD_SMTP_USER", "me")
    with pytest.raises(Discard, match="AUTH"):
        run(send, EMAIL)


@pytest.mark.parametrize("name", ["TASKYARD_SMTP_HOST", "TASKYARD_SMTP_FROM"])
def test_a_missing_setting_is_named(mailbox, monkeypatch, name):
    monkeypatch.delenv(name)
    with pytest.raises(Discard, match=name):
        run(send, EMAIL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": []},
        {"to": ["nobody"]},
        {"to": ["a@b.example\nBcc: c@d.example"]},
        {"to": ["a@b.example, c@d.example"]},
        {"to": ["A <a@b.example"]},
        {"subject": "s\r\nBcc: c@d.example"},
        {"headers": {"Bcc": "c@d.example"}},
        {"headers": {"X-A": "b\nBcc: c@d.example"}},
        {"text": 7},
    ],
)
def test_what_could_smuggle_a_header_or_reaches_nobody_is_refused(wrong):
    with pytest.raises(ValueError, match="validation error"):
        run(send, EMAIL | wrong)
    assert not Draft202012Validator(kind_of(send).schema()).is_valid(EMAIL | wrong)


def test_a_message_needs_content():
    bare = {"to": ["a@b.example"], "subject": "s"}
    schema = Draft202012Validator(kind_of(send).schema())
    for empty in (bare, bare | {"text": None}, bare | {"html": None}):
        with pytest.raises(ValueError, match="give text, html or both"):
            run(send, empty)
        assert not schema.is_valid(empty)
    for content in ({"text": "t"}, {"html": "h"}, {"text": "t", "html": None}, {"text": None, "html": "h"}):
        assert schema.is_valid(bare | content)


@given(st.from_regex(r"[a-z!#$%&'*+/=?^_`{|}~.-]{1,20}@[a-z-]{1,10}(\.[a-z-]{1,10})?", fullmatch=True))
def test_an_address_that_passes_can_be_written(address):
    try:
        email = Email(to=[address], subject="s", text="t")
    except ValidationError:
        return
    message = compose(email, "a@b.example", "key", datetime.now(UTC))
    assert email.recipients() == [address]
    assert address in message.as_string()
