"""The kind `data.process`: tells what is in a table, column by column.

    csv text ──▶ cells ─┐
                        ├─▶ per column: how often each value occurs ──▶ summary
    JSON rows ─▶ values ┘

The tables are read in `tables`, the columns summed up in `columns`; this is what users see of them.
"""

from typing import Annotated, Any, Final, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from taskyard import Context, Discard, task
from taskyard.documents import MAX_RESULT_BYTES
from taskyard_worker.builtin.columns import ColumnSummary, summarise
from taskyard_worker.builtin.tables import MAX_COLUMNS, Table, TableError, read_csv, read_rows

MAX_SUMMARY_BYTES: Final = MAX_RESULT_BYTES * 3 // 4

# one plain type for both, so that the API names the row that is neither, not all that a row may be
Row = Annotated[dict[str, Any] | list[Any], WithJsonSchema({"type": ["object", "array"]})]


class TablePayload(BaseModel):
    """A table, as JSON rows or as CSV text; nothing at all is an empty table."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            # as the validator below has it, so that the API, too, refuses both
            "if": {"required": ["rows"], "properties": {"rows": {"type": "array"}}},
            "then": {"properties": {"csv": {"const": None}}},
            "examples": [
                {"csv": "city,inhabitants\nBerlin,3878100\nRome,2754719\n"},
                {"rows": [{"city": "Berlin", "inhabitants": 3878100}, {"city": "Rome", "inhabitants": None}], "top": 3},
            ],
        },
    )

    rows: Annotated[list[Row] | None, Field(description="objects; or lists of equal length, with the names first")] = (
        None
    )
    csv: Annotated[str | None, Field(description="CSV text (RFC 4180); an empty cell is a null")] = None
    delimiter: Annotated[
        str | None,
        Field(pattern=r'^[^"\r\n]$', description="between CSV cells; found out among , ; tab and | if not given"),
    ] = None
    header: Annotated[
        bool, Field(description="whether the first CSV line, or the first of the lists, has the names")
    ] = True
    top: Annotated[int, Field(ge=0, le=100, description="how many of the most frequent values to name")] = 5

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.rows is not None and self.csv is not None:
            raise ValueError("give rows or csv, not both")
        return self


class TableSummary(BaseModel):
    """What is in the table.

    `columns` has at most 1,000 of the `column_count` columns, and is cut further where the result would grow too
    large: then `truncated` is true.
    """

    rows: int
    column_count: int
    columns: list[ColumnSummary]
    truncated: bool
    delimiter: Annotated[str | None, Field(description="what separated the CSV cells")] = None


@task("data.process", timeout_s=120, max_attempts=3)
def process(ctx: Context, payload: TablePayload) -> TableSummary:
    """Summarise a table: per column its type, nulls, distinct values, minimum, maximum, mean and top values."""
    try:
        table = _read(payload)
    except TableError as error:
        raise Discard(str(error)) from error
    summaries = []
    for position, column in enumerate(table.columns):
        ctx.progress(position / len(table.columns), f"column {position + 1} of {len(table.columns)}")
        summaries.append(summarise(column, payload.top))
    ctx.progress(1.0)
    return fitted(
        TableSummary(
            rows=table.row_count,
            column_count=table.column_count,
            columns=summaries,
            truncated=table.column_count > MAX_COLUMNS,
            delimiter=table.delimiter,
        ),
        MAX_SUMMARY_BYTES,
    )


def fitted(summary: TableSummary, limit_bytes: int) -> TableSummary:
    """Return `summary` cut to `limit_bytes` of JSON: first the longest lists of top values go, then columns."""
    while len(orjson.dumps(summary.model_dump())) > limit_bytes:
        longest = max((len(column.top) for column in summary.columns), default=0)
        if longest > 0:
            columns = [column.model_copy(update={"top": column.top[: longest // 2]}) for column in summary.columns]
        else:
            columns = summary.columns[: len(summary.columns) // 2]
        summary = summary.model_copy(update={"columns": columns, "truncated": True})
    return summary


def _read(payload: TablePayload) -> Table:
    if payload.csv is not None:
        return read_csv(payload.csv, payload.delimiter, header=payload.header)
    return read_rows(payload.rows or [], header=payload.header)
