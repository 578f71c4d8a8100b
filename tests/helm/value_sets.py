"""The sets of values with which the chart is tested: its own, the presets it ships, and those in tests/helm/values."""

import contextlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.rendering import CHART, Rendering, render, side_by_side

FILES = {
    "defaults": None,
    **{f"preset-{file.stem}": file for file in sorted((CHART / "values").glob("*.yaml"))},
    **{file.stem: file for file in sorted((Path(__file__).parent / "values").glob("*.yaml"))},
}
each_set = pytest.mark.parametrize("name", FILES)


@cache
def values_of(name: str) -> dict[str, Any]:
    """Return the values of one set, without the chart's own."""
    file = FILES[name]
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {} if file else {}


def rendering_of(name: str) -> Rendering:
    """Return one set rendered."""
    return render(values_of(name))


def render_all() -> None:
    """Render all sets, as fast as this machine can. One that fails does so again in the tests, where it is said."""
    side_by_side([lambda name=name: _tried(name) for name in FILES])


def _tried(name: str) -> None:
    with contextlib.suppress(Exception):
        rendering_of(name).objects  # noqa: B018 -- parsed here, while the other core renders
