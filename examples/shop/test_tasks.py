"""How the shop's handlers are tested: in process, with no broker, database or worker."""

# ruff: noqa: D103 - the name of a test is the law that it proves

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from shop import tasks
from shop.tasks import archive, render
from taskyard import Discard, Retry
from taskyard.testing import run

INVOICE: dict[str, Any] = {
    "number": "2026-0042",
    "customer": "Ann <b>Example</b>",
    "issued": "2026-03-01",
    "lines": [{"article": "Teapot", "quantity": 2, "price": "19.90"}, {"article": "Voucher", "price": "-5.00"}],
}


def test_an_invoice_adds_up() -> None:
    rendered = run(render, INVOICE)
    assert (rendered["net"], rendered["tax"], rendered["total"]) == ("34.80", "6.61", "41.41")
    assert rendered["text"].splitlines()[-1].split() == ["Total", "41.41", "EUR"]


def test_names_are_shown_and_not_run() -> None:
    assert "Ann &lt;b&gt;Example&lt;/b&gt;" in run(render, INVOICE)["html"]


def test_progress_is_told() -> None:
    told: list[tuple[float, str]] = []
    run(render, INVOICE, report=lambda fraction, note: told.append((fraction, note)))
    assert told == [(0.5, "text is done")]


def test_a_negative_invoice_is_given_up() -> None:
    with pytest.raises(Discard, match="credit note"):
        run(render, INVOICE | {"lines": [{"article": "Voucher", "price": "-5.00"}]})


def test_an_invoice_without_lines_is_no_invoice() -> None:
    with pytest.raises(ValidationError):
        run(render, INVOICE | {"lines": []})


@pytest.fixture
def archive_answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[httpx.Request]]:
    """Have the archive answer with a status; the list fills with what it was sent."""

    def answer(status: int) -> list[httpx.Request]:
        sent: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            sent.append(request)
            return httpx.Response(status)

        monkeypatch.setenv("SHOP_ARCHIVE_URL", "https://archive.example")
        monkeypatch.setattr(tasks, "archive_client", lambda: httpx.AsyncClient(transport=httpx.MockTransport(handle)))
        return sent

    return answer


DOCUMENT = {"number": "2026-0042", "html": "<p>"}


def test_every_attempt_sends_the_same_key(archive_answers: Callable[[int], list[httpx.Request]]) -> None:
    sent = archive_answers(201)
    for attempt in (1, 2):
        assert run(archive, DOCUMENT, attempt=attempt) == {"url": "https://archive.example/invoices/2026-0042"}
    assert len({request.headers["Idempotency-Key"] for request in sent}) == 1


@pytest.mark.parametrize(("status", "raised"), [(503, Retry), (400, Discard), (500, httpx.HTTPStatusError)])
def test_the_answer_decides(
    archive_answers: Callable[[int], list[httpx.Request]], status: int, raised: type[Exception]
) -> None:
    archive_answers(status)
    with pytest.raises(raised):
        run(archive, DOCUMENT)
