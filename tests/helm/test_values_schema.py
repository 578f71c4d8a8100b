"""A typo in the values is an error that names it, at every level, for Helm 3 and for Helm 4.

All mistakes are made in one go: Helm says them all, each with its place.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from helm.rendering import CHART, RefusedError, merge, render
from helm.values_tree import Path, leaves, maps, put

TYPO = "tpyo"
SUBCHARTS = {"postgresql", "rabbitmq"}
VALUES = {"workers": {"pools": {"default": {"resources": {}, "image": {}, "probes": {"liveness": {}}, "pdb": {}}}}}


def complaints(values: Mapping[str, Any], helm: str) -> dict[Path, str]:
    """Return what Helm says against the values, by place; those of a server's chart are below its name."""
    with pytest.raises(RefusedError) as refused:
        render(values, helm=helm)
    return dict(_places(str(refused.value)))


def _places(said: str) -> Iterator[tuple[Path, str]]:
    chart: Path = ()
    for line in said.splitlines():
        if heading := re.fullmatch(r"(\w+):", line):
            chart = () if heading[1] == "taskyard" else (heading[1],)
        elif found := re.match(r"\s*- at '(.*?)': (.*)", line):
            yield (*chart, *found[1].split("/")[1:]), found[2]


@pytest.mark.parametrize("helm", ["3", "4"])
def test_a_typo_at_any_level_is_an_error_that_names_it(chart_values, helm) -> None:
    tree = merge(chart_values, VALUES)
    places = list(maps(tree))
    values: dict[str, Any] = {}
    for place in places:
        values = merge(values, put((*place, TYPO), 1))
    said = complaints(values, helm)
    silent = [".".join(place) for place in places if TYPO not in said.get(place, "")]
    assert silent == []
    assert len(places) > 80


@pytest.mark.parametrize("helm", ["3", "4"])
def test_a_value_of_another_type_is_an_error_that_names_it(chart_values, helm) -> None:
    tree = merge(chart_values, VALUES)
    values: dict[str, Any] = {}
    wrong = [place for place, _ in leaves(tree)]
    for place in wrong:
        values = merge(values, put(place, {"of": {"another": "type"}} if place[-1] != "spec" else "text"))
    said = complaints(values, helm)
    free = {"affinity", "settings"}  # whatever Kubernetes, or PostgreSQL, takes
    silent = [
        ".".join(place)
        for place in wrong
        if place[-1] not in free and not any(at[: len(place)] == place for at in said)
    ]
    assert silent == []


def test_queues_are_checked_item_by_item() -> None:
    said = complaints({"global": {"queues": [{"name": "default"}, {"nmae": "mail"}]}}, "4")
    assert "nmae" in said["global", "queues", "1"]


def test_every_value_is_described(chart_values) -> None:
    """In values.yaml, by a comment above it or above the map it is in; the README is made of them."""
    page = (CHART / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    missing = []
    for place, _ in leaves(chart_values):
        name = ".".join(place)
        above = {".".join(place[:depth]) for depth in range(1, len(place) + 1)}
        if not above & listed:
            missing.append(name)
    assert missing == []
