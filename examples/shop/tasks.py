"""What the shop has done in the background: invoices are rendered, then put into its archive."""

import html
import os
from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field

from taskyard import Context, Discard, Retry, RetryPolicy, task


class Line(BaseModel):
    """One position; a discount has a negative price."""

    article: Annotated[str, Field(min_length=1, max_length=200)]
    quantity: Annotated[int, Field(ge=1)] = 1
    price: Annotated[Decimal, Field(max_digits=12, decimal_places=2, description="of one piece, without tax")]

    @property
    def amount(self) -> Decimal:
        """What all pieces cost, without tax."""
        return self.quantity * self.price


class Invoice(BaseModel):
    """What `invoice.render` is submitted with; the API checks it before the task is taken."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "number": "2026-0042",
                    "customer": "Ann Example",
                    "issued": "2026-03-01",
                    "lines": [{"article": "Teapot", "quantity": 2, "price": "19.90"}],
                }
            ]
        },
    )

    number: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")]
    customer: Annotated[str, Field(min_length=1, max_length=200)]
    issued: date
    currency: Literal["EUR", "CHF", "USD"] = "EUR"
    tax_percent: Annotated[Decimal, Field(ge=0, le=100, decimal_places=2)] = Decimal(19)
    lines: Annotated[list[Line], Field(min_length=1, max_length=500)]


class Rendered(BaseModel):
    """The invoice as text and as HTML; amounts are strings, since JSON's numbers lose cents."""

    net: Decimal
    tax: Decimal
    total: Decimal
    text: str
    html: str


class Document(BaseModel):
    """What `invoice.archive` is submitted with."""

    number: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")]
    html: str


@task("invoice.render", queue="documents", timeout_s=60, max_attempts=5)
def render(ctx: Context, invoice: Invoice) -> Rendered:
    """Render an invoice to text and HTML."""
    net = cents(sum((line.amount for line in invoice.lines), Decimal(0)))
    tax = cents(net * invoice.tax_percent / 100)
    if net < 0:
        raise Discard(f"invoice {invoice.number} comes to {net} {invoice.currency}: issue a credit note instead")
    totals = [("Net", net), (f"Tax {invoice.tax_percent} %", tax), ("Total", net + tax)]
    text = as_text(invoice, totals)
    ctx.progress(0.5, "text is done")
    page = as_html(invoice, totals)
    ctx.log.info("invoice rendered", number=invoice.number, total=str(net + tax))
    return Rendered(net=net, tax=tax, total=net + tax, text=text, html=page)


@task("invoice.archive", queue="documents", timeout_s=30, max_attempts=20, retry=RetryPolicy(first_s=5, longest_s=600))
async def archive(ctx: Context, document: Document) -> dict[str, str]:
    """Put a rendered invoice into the archive at `SHOP_ARCHIVE_URL`."""
    url = f"{os.environ['SHOP_ARCHIVE_URL']}/invoices/{document.number}"
    headers = {"Content-Type": "text/html; charset=utf-8", "Idempotency-Key": ctx.idempotency_key}
    try:
        async with archive_client() as client:
            answer = await client.put(url, content=document.html.encode(), headers=headers)
    except httpx.TransportError as error:
        raise Retry(f"the archive cannot be reached: {error}") from error
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise Retry("the archive is closed for maintenance", after_s=60)
    if answer.is_client_error:  # the same document will be refused again
        raise Discard(f"the archive refuses invoice {document.number}: {answer.status_code} {answer.text[:200]}")
    answer.raise_for_status()  # any other exception is tried again, too, after the kind's own delay
    return {"url": url}


def archive_client() -> httpx.AsyncClient:
    """Return a client for the archive; tests put another in its place."""
    return httpx.AsyncClient(timeout=10)


def cents(amount: Decimal) -> Decimal:
    """Round to two places, halves away from zero, as invoices are."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def as_text(invoice: Invoice, totals: Sequence[tuple[str, Decimal]]) -> str:
    """Return the invoice as lines of 60 characters, or more where an article needs them."""
    rows = [(f"{line.quantity} x {line.article}", line.amount) for line in invoice.lines]
    return "\n".join(
        [
            f"Invoice {invoice.number}, {invoice.issued:%Y-%m-%d}",
            f"for {invoice.customer}",
            "",
            *(f"{label:<44} {amount:>11.2f} {invoice.currency}" for label, amount in (*rows, *totals)),
        ]
    )


def as_html(invoice: Invoice, totals: Sequence[tuple[str, Decimal]]) -> str:
    """Return the invoice as a page; whatever the customer and the articles are called, it is shown, not run."""
    rows = "".join(
        f"<tr><td>{line.quantity}</td><td>{html.escape(line.article)}</td><td>{line.amount:.2f}</td></tr>"
        for line in invoice.lines
    )
    ends = "".join(f"<tr><th colspan=2>{label}</th><td>{amount:.2f}</td></tr>" for label, amount in totals)
    title = f"Invoice {invoice.number}"
    return (
        f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>"
        f"<p>{html.escape(invoice.customer)}, {invoice.issued:%Y-%m-%d}, amounts in {invoice.currency}</p>"
        f"<table>{rows}{ends}</table>"
    )
