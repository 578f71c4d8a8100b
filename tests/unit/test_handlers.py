"""Declaring and loading handlers."""

import pytest
from pydantic import BaseModel

from taskyard import Context, task
from taskyard import testing as handler_testing
from taskyard.errors import HandlerLoadError
from taskyard.handlers import kind_of, load


class Order(BaseModel):
    customer: int


@task("unit.order", queue="orders", timeout_s=5, max_attempts=2)
def order(ctx: Context, wanted: Order) -> dict[str, int]:
    """Take an order.

    More words.
    """
    return {"customer": wanted.customer, "attempt": ctx.attempt}


@task("unit.async")
async def asynchronous(ctx: Context) -> str:
    return ctx.kind


def test_a_kind_has_what_its_decorator_said():
    kind = kind_of(order)
    assert (kind.name, kind.queue, kind.timeout_s, kind.max_attempts) == ("unit.order", "orders", 5, 2)
    assert kind.description == "Take an order."
    assert kind.schema()["required"] == ["customer"]


def test_a_handler_runs_in_process_with_its_payload_checked():
    assert handler_testing.run(order, {"customer": "7"}, attempt=3) == {"customer": 7, "attempt": 3}


def test_an_async_handler_runs_in_process():
    assert handler_testing.run(asynchronous) == "unit.async"


def test_a_kind_has_one_handler():
    with pytest.raises(HandlerLoadError, match=r"already handled by .*order"):

        @task("unit.order")
        def other(ctx: Context) -> None: ...


@pytest.mark.parametrize("name", ["", "Upper", "with space", "-dash", "x" * 64])
def test_a_malformed_name_is_refused(name):
    with pytest.raises(HandlerLoadError, match="must match"):
        task(name)(lambda ctx: None)


def test_a_signature_that_does_not_fit_is_refused():
    with pytest.raises(HandlerLoadError, match=r"takes \(ctx\) or \(ctx, payload\)"):
        task("unit.three")(lambda ctx, payload, more: None)


def test_a_module_that_cannot_be_imported_is_named_with_the_cause():
    with pytest.raises(HandlerLoadError, match=r"cannot import handlers from 'no\.such\.module'"):
        load(["no.such.module"])
