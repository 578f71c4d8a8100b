"""Laws of the documents that the record can hold."""

import json
from functools import reduce

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json as to_json_text

from taskyard.documents import MAX_DEPTH, check, dump, is_plain, storable
from taskyard.errors import InvalidError
from taskyard.results import to_text

texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"))
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)

DEEP = reduce(lambda inner, _: [inner], range(MAX_DEPTH + 1), 1)


@given(documents)
def test_what_is_dumped_reads_back_the_same(document):
    assert orjson.loads(dump(document, "payload")) == document


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"a": "x\x00y"}, "payload.a"),
        ({"a": [1, "\ud800"]}, "payload.a[1]"),
        ({"a": {"b": float("nan")}}, "payload.a.b"),
        ({"a": float("inf")}, "payload.a"),
        ({"a": 2**63}, "payload.a"),
        ({"\x00": 1}, "payload"),
        ({1: 2}, "payload"),
        ({"a": b"bytes"}, "payload.a"),
        ({"a": {1, 2}}, "payload.a"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(document, place):
    with pytest.raises(InvalidError) as refused:
        check(document, "payload")
    assert refused.value.faults[0].field == place


def test_depth_is_bounded():
    document: object = 1
    for _ in range(MAX_DEPTH):
        document = [document]
    check(document, "payload")
    with pytest.raises(InvalidError, match="nested deeper"):
        check([document], "payload")


@given(st.text())
def test_any_text_becomes_storable(text):
    made = storable(text)
    assert "\x00" not in made
    made.encode()


@pytest.mark.parametrize("returned", [float("nan"), {"a": float("inf")}, object(), b"\xff", {1: object()}, 2**70])
def test_a_result_that_is_no_json_is_refused(returned):
    with pytest.raises(InvalidError):
        to_text(returned)


def test_a_result_that_holds_itself_is_refused():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidError):
        to_text(loop)


def test_a_result_over_the_limit_is_refused_with_its_size():
    with pytest.raises(InvalidError, match="1048579 bytes"):
        to_text("x" * 1048577)


def test_a_result_may_be_what_pydantic_can_say_as_json():
    assert json.loads(to_text({"at": __import__("datetime").date(2026, 11, 24), "t": (1, 2)})) == {
        "at": "2026-11-24",
        "t": [1, 2],
    }


@given(documents)
def test_what_looks_plain_can_be_stored(document):
    text = to_json_text(document)
    if is_plain(text):
        check(orjson.loads(text), "result")


@pytest.mark.parametrize("document", [{"a": "x\x00y"}, [float("nan")], [float("-inf")], 2**63, {"\x00": 1}, DEEP])
def test_what_cannot_be_stored_does_not_look_plain(document):
    assert not is_plain(to_json_text(document, inf_nan_mode="constants"))


@pytest.mark.parametrize("document", [None, {"rows": 12, "mean": -1.5e-7}, ["ä", "\n", 2**59], [[]] * 60])
def test_what_handlers_return_mostly_looks_plain(document):
    assert is_plain(to_json_text(document))
