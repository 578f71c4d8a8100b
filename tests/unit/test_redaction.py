"""What is secret in payloads, and that neither texts nor logs show it."""

import io
import json
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from taskyard import Context, Discard, Retry, logs, task
from taskyard.errors import HandlerLoadError
from taskyard.handlers import kind_of
from taskyard.outcomes import Failed
from taskyard.redaction import NO_SECRETS, REDACTED, Redaction, Secrets
from taskyard.settings import ProcessSettings
from taskyard.statements.claims import Claim, Held
from taskyard_worker.board import Board
from taskyard_worker.runner import Runner

DOCUMENT = {
    "user": "ann",
    "Password": "hunter22",
    "card": {"number": 4111, "holder": "Ann"},
    "cards": [{"number": "5500", "pin": None}, {"number": "3400"}],
    "other": {"card": {"number": 7}},
}


def test_a_bare_name_is_secret_at_any_depth_and_in_any_case():
    shown = Redaction(["password", "NUMBER"]).apply(DOCUMENT)
    assert shown["Password"] == REDACTED
    assert shown["card"] == {"number": REDACTED, "holder": "Ann"}
    assert [card["number"] for card in shown["cards"]] == [REDACTED, REDACTED]
    assert shown["other"]["card"]["number"] == REDACTED
    assert DOCUMENT["Password"] == "hunter22"


def test_a_path_is_secret_from_the_root_on_through_arrays():
    shown = Redaction(["card.number", "cards.number"]).apply(DOCUMENT)
    assert shown["card"]["number"] == REDACTED
    assert shown["cards"] == [{"number": REDACTED, "pin": None}, {"number": REDACTED}]
    assert shown["other"] == DOCUMENT["other"]


def test_a_secret_member_is_secret_as_a_whole_and_null_shows():
    assert Redaction(["card", "pin"]).apply(DOCUMENT) == DOCUMENT | {
        "card": REDACTED,
        "cards": [{"number": "5500", "pin": None}, {"number": "3400"}],
        "other": {"card": REDACTED},
    }


def test_all_is_secret_of_a_kind_that_nobody_knows():
    everything = Redaction((), whole=True)
    assert everything.apply({"a": {"b": 1}}) == {"a": REDACTED}
    assert everything.apply([1]) == REDACTED
    assert everything.apply(None) is None
    assert everything.covers(["a"])


def test_a_path_within_a_secret_is_covered():
    redaction = Redaction(["password", "cards.number"])
    assert redaction.covers(["deep", 0, "password", "part"])
    assert redaction.covers(["cards", 3, "number"])
    assert not redaction.covers(["cards", 3])
    assert not redaction.covers(["a", "cards", "number"])


def test_places_tell_where_a_copy_of_an_answer_stands():
    redaction = Redaction(["password", "cards.number"])
    copied = {"password": REDACTED, "cards": [{"number": "1"}, {"number": REDACTED}], "note": REDACTED}
    assert list(redaction.places(copied, "payload")) == ["payload.password", "payload.cards[1].number"]


@pytest.mark.parametrize(
    "text",
    [
        "said 'it''s \"se\\cret\"'",
        str(['it\'s "se\\cret"']),
        repr('it\'s "se\\cret"'),
        json.dumps({"a": 'it\'s "se\\cret"'}),
        "GET /?key=it%27s%20%22se%5Ccret%22",
        "it's+%22se%5Ccret%22",
    ],
)
def test_a_secret_is_found_however_it_is_written(text):
    assert "cret" not in Secrets(['it\'s "se\\cret"', "cret"]).scrub(text)


def test_what_is_left_of_a_long_secret_that_was_cut_is_found_too():
    secret = "abcdefgh-0123456789-zyxwvuts-9876543210"
    text = f"input_value='{secret[:14]}...{secret[-12:]}', and {secret[:9]}…"
    assert Secrets([secret]).scrub(text) == "input_value='[redacted]...[redacted]', and [redacted]…"


def test_a_short_secret_is_replaced_where_it_stands_by_itself():
    assert Secrets([7, "ab"]).scrub("7 of 17, ab in table") == "[redacted] of 17, [redacted] in table"


@given(st.text(min_size=5, max_size=60).filter(str.strip), st.text(max_size=20), st.text(max_size=20))
def test_no_text_shows_a_secret_of_five_characters_or_more(secret, before, after):
    shown = Secrets([secret]).scrub(f"{before}{secret}{after}")
    assert secret not in shown.replace(REDACTED, "\x00")


@pytest.mark.parametrize("redact", ["password", [""], ["a..b"], ["a b"], ["x"] * 101])
def test_what_names_no_member_is_refused(redact):
    with pytest.raises(HandlerLoadError, match="redact"):
        task("unit.bad-redact", redact=redact)(lambda ctx: None)


class Login(BaseModel):
    password: str
    how: str = "raise"

    @field_validator("password")
    @classmethod
    def _is_long(cls, value: str) -> str:
        if len(value) < 8:
            raise ValueError(f"{value!r} is too short")
        return value


@task("unit.login", redact=["password"])
def login(ctx: Context, payload: Login) -> str:
    ctx.log.warning("tries", password=payload.password)
    ctx.progress(0.5, f"as {payload.password}")
    logging.getLogger("library").warning("sent %r", payload)
    if payload.how == "discard":
        raise Discard(f"no {payload.password}")
    if payload.how == "retry":
        raise Retry(f"later {payload.password}")
    if payload.how == "validation":
        Login.model_validate({"password": payload.password, "how": [payload.password]})
    if payload.how == "result":
        return payload.password + "\x00"
    raise ValueError(f"{payload.password} and {payload!r}")


def _run(payload):
    claim = Claim(Held(1, 1), "unit.login", "a", (), payload, datetime.now(UTC), 60.0, 5, 0, 0, 0.0)
    slot = Board(1).slot(0)
    noted = []
    slot.report = lambda fraction, note: noted.append(note)
    outcome = Runner(slot).run(kind_of(login), claim)
    assert isinstance(outcome, Failed)
    return outcome, noted


@pytest.mark.parametrize("how", ["raise", "discard", "retry", "validation", "result"])
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_secret_is_in_no_error_no_progress_and_no_log(how, log_format, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure(ProcessSettings(log_format=log_format), "test")
        outcome, noted = _run({"password": 'hunter22 "äöü" 0123456789', "how": how})
        logging.getLogger("after").warning("hunter22")
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    seen, _, after = stream.getvalue().partition("sent ")
    for text in (outcome.error.message, outcome.error.traceback, *noted, seen, after.partition("\n")[0]):
        assert "hunter22" not in text
        assert "0123456789" not in text
    assert REDACTED in seen
    assert noted == [f"as {REDACTED}"]
    assert "hunter22" in after, "what a payload held is a secret no longer than its handler runs"


def test_a_payload_that_a_validator_refuses_is_refused_without_its_secret():
    outcome, _ = _run({"password": "tiny1"})
    assert outcome.error.message == f"password: Value error, '{REDACTED}' is too short"


def test_without_secrets_a_text_stays_as_it_is():
    assert NO_SECRETS.scrub("text") == "text"
    assert Redaction(()).secrets({"a": "text"}).scrub("text") == "text"
