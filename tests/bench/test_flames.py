"""Flame graphs: boxes as wide as what they stand for."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.flames import draw, tree

_SVG = "{http://www.w3.org/2000/svg}"
names = st.text("abc<&>\"' ", min_size=1, max_size=8).filter(str.strip)
stacks = st.lists(st.tuples(st.lists(names, min_size=1, max_size=5), st.integers(1, 9)), min_size=1, max_size=12)


@given(stacks)
def test_a_frame_was_seen_as_often_as_what_it_called_and_itself(seen):
    root = tree(f"{';'.join(stack)} {samples}\n" for stack, samples in seen)
    assert root.samples == sum(samples for _, samples in seen)
    assert sum(called.samples for called in root.called.values()) == root.samples


@given(stacks, names)
def test_a_drawing_is_a_document_whatever_the_names_are(seen, title):
    drawing = ET.fromstring(draw(tree(f"{';'.join(stack)} {samples}" for stack, samples in seen), title))
    assert drawing.findtext(f"{_SVG}text") == title


def test_what_is_empty_is_refused():
    with pytest.raises(ValueError, match="no stack"):
        tree([""])


def test_widths_are_shares():
    drawing = ET.fromstring(draw(tree(["main;read 3", "main;write;flush 1", ""]), "of two"))
    shares = [box.findtext(f"{_SVG}title") for box in drawing.iter(f"{_SVG}g")]
    assert shares == ["all: 100.0%", "main: 100.0%", "read: 75.0%", "write: 25.0%", "flush: 25.0%"]
    widths = [float(box.get("width")) for box in drawing.iter(f"{_SVG}rect")]
    assert re.fullmatch("1399.5 1399.5 1049.5 349.5 349.5", " ".join(map(str, widths)))
