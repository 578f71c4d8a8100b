"""Laws of data.process."""

import csv
import io

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from taskyard import Discard
from taskyard.documents import MAX_RESULT_BYTES
from taskyard.handlers import kind_of
from taskyard.results import to_text
from taskyard.testing import run
from taskyard_worker.builtin.data_process import process
from taskyard_worker.builtin.tables import cell_value, sniff, unique

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
texts = words.filter(lambda text: isinstance(cell_value(text), str))  # what CSV, too, takes for text
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
cells = st.none() | st.booleans() | numbers | texts
names = st.lists(words, min_size=1, max_size=4, unique=True)


@st.composite
def tables(draw):
    """Lists of equal length, the names first."""
    header = draw(names)
    return [header, *draw(st.lists(st.lists(cells, min_size=len(header), max_size=len(header)), max_size=12))]


def as_csv(table, delimiter=","):
    """Return the table as CSV, every value as JSON writes it."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    for row in table:
        writer.writerow(
            "" if cell is None else cell if isinstance(cell, str) else orjson.dumps(cell).decode() for cell in row
        )
    return file.getvalue()


def only(summary):
    (column,) = summary["columns"]
    return column


def test_no_payload_is_an_empty_table():
    assert run(process) == {"rows": 0, "column_count": 0, "columns": [], "truncated": False, "delimiter": None}


@given(tables())
def test_every_row_is_counted_once_in_every_column(table):
    summary = run(process, {"rows": table, "top": 100})
    assert summary["rows"] == len(table) - 1
    for column in summary["columns"]:
        assert column["count"] + column["nulls"] == summary["rows"]
        assert column["distinct"] <= column["count"]
        assert sum(entry["count"] for entry in column["top"]) == column["count"]
        assert len(column["top"]) == column["distinct"]


@given(st.lists(numbers, min_size=1, max_size=50))
def test_the_mean_lies_between_the_least_and_the_greatest(values):
    column = only(run(process, {"rows": [{"x": value} for value in values]}))
    assert column["min"] == min(values)
    assert column["max"] == max(values)
    assert column["min"] <= column["mean"] <= column["max"]
    assert column["type"] in {"integer", "number"}


@given(tables())
def test_objects_lists_and_csv_of_the_same_table_agree(table):
    lists = run(process, {"rows": table})
    text = run(process, {"csv": as_csv(table), "delimiter": ","})
    assert text == lists | {"delimiter": ","}
    if len(table) > 1:
        objects = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
        assert run(process, {"rows": objects}) == lists


@given(tables(), st.sampled_from(",;\t|"))
def test_a_delimiter_that_makes_cells_is_found_out(table, delimiter):
    plain = [[f"n{index}" for index in range(len(table[0]) + 1)], *([*range(len(row) + 1)] for row in table[1:])]
    assert sniff(as_csv(plain, delimiter)) == delimiter


@pytest.mark.timeout(60)  # a fraction of a second by design; a square of the lines would take many minutes
def test_ten_thousand_lines_are_summed_up():
    lines = ["id,city,amount,paid"]
    lines += [f"{n},{('Rome', 'Oslo', 'Berlin')[n % 3]},{n / 4},{'true' if n % 2 else ''}" for n in range(10_000)]
    summary = run(process, {"csv": "\n".join(lines)})
    identity, city, amount, paid = summary["columns"]
    assert summary["rows"] == 10_000
    assert (identity["type"], identity["min"], identity["max"], identity["mean"]) == ("integer", 0, 9999, 4999.5)
    assert identity["distinct"] == 10_000
    assert (city["type"], city["min"], city["max"], city["distinct"]) == ("string", "Berlin", "Rome", 3)
    assert city["top"][0] == {"value": "Rome", "count": 3334}
    assert (amount["type"], amount["mean"]) == ("number", 4999.5 / 4)
    assert (paid["type"], paid["count"], paid["nulls"]) == ("boolean", 5000, 5000)
    assert paid["top"] == [{"value": True, "count": 5000}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        (" -3 ", -3),
        ("0", 0),
        ("007", "007"),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", "9223372036854775808"),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1_000", "1_000"),
        ("٣", "٣"),
        ("+5", "+5"),
        ("a ", "a "),
    ],
)
def test_a_cell_is_a_number_only_where_json_writes_it_so(text, value):
    found = cell_value(text)
    assert (found, type(found)) == (value, type(value))


def test_an_error_names_the_line():
    with pytest.raises(Discard, match=r"line 4 has 1 cells, the first has 2"):
        run(process, {"csv": 'a,b\n"two\nlines",2\nlonely\n', "delimiter": ","})
    with pytest.raises(Discard, match="line 2: unexpected end of data"):
        run(process, {"csv": 'a,b\n"open,2\n'})
    with pytest.raises(Discard, match="row 3 is a list, the first an object"):
        run(process, {"rows": [{}, {}, []]})
    with pytest.raises(Discard, match="row 2 has 1 cells, the first has 2"):
        run(process, {"rows": [["a", "b"], [1]]})


def test_rows_and_csv_together_are_refused_by_the_schema_too():
    with pytest.raises(ValueError, match="give rows or csv, not both"):
        run(process, {"rows": [], "csv": ""})
    (error,) = Draft202012Validator(kind_of(process).schema()).iter_errors({"rows": [], "csv": ""})
    assert list(error.absolute_path) == ["csv"]
    for payload in ({"rows": None, "csv": "a"}, {"rows": [{}], "csv": None}, {"rows": None, "csv": None}, {}):
        assert Draft202012Validator(kind_of(process).schema()).is_valid(payload)
        run(process, payload)


def test_names_are_made_unique_without_taking_one_that_is_there():
    assert unique(["a", "a", "a (2)", "", "a"]) == ["a", "a (2)", "a (2) (2)", "column_4", "a (3)"]


def test_without_a_header_columns_are_named_by_position():
    summary = run(process, {"csv": "1;2\n3;4", "header": False})
    assert [(column["name"], column["mean"]) for column in summary["columns"]] == [("column_1", 2), ("column_2", 3)]
    assert summary["delimiter"] == ";"


def test_nested_values_count_by_their_json_and_truths_apart_from_numbers():
    assert only(run(process, {"rows": [{"x": {"b": 1, "a": 2}}, {"x": {"a": 2, "b": 1}}]}))["top"] == [
        {"value": '{"a":2,"b":1}', "count": 2}
    ]
    column = only(run(process, {"rows": [{"x": 1}, {"x": True}, {"x": 1.0}, {}]}))
    assert (column["type"], column["distinct"], column["nulls"]) == ("mixed", 2, 1)


def test_a_byte_order_mark_and_empty_lines_are_no_data():
    summary = run(process, {"csv": "\ufeffa,b\r\n\r\n1,2\r\n\r\n"})
    assert [column["name"] for column in summary["columns"]] == ["a", "b"]
    assert summary["rows"] == 1


@pytest.mark.timeout(60)  # seconds by design; a square of what a body can hold would take hours
@pytest.mark.parametrize(
    "payload",
    [
        {"csv": "," * 1_000_000},
        {"csv": ",".join("\x01" * 300 for _ in range(3000)) + "\n" + ",".join("\x02" * 50 for _ in range(3000))},
        {"rows": [{f"{n}-{k}": n for k in range(10)} for n in range(8000)]},
        {"rows": [{"a": 1}] + [{}] * 200_000},
        {"csv": "\n".join(",".join(f"{n}{k}" for k in range(1000)) for n in range(100, 200)), "top": 100},
        {"rows": [["x" * 500_000], ["y" * 500_000]]},
    ],
    ids=["wide", "escapes", "sparse", "tall", "many top values", "long"],
)
def test_whatever_a_body_holds_the_summary_comes_and_fits_into_a_result(payload):
    summary = run(process, payload)
    assert len(to_text(summary)) <= MAX_RESULT_BYTES
    assert len(summary["columns"]) == summary["column_count"] or summary["truncated"]


def test_progress_is_told():
    told = []
    run(process, {"csv": "a,b\n1,2"}, report=lambda fraction, note: told.append((fraction, note)))
    assert told == [(0, "column 1 of 2"), (0.5, "column 2 of 2"), (1, "")]
