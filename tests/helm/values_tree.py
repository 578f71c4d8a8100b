"""The tree of the chart's values: where its maps and its leaves are, and how one of them is changed."""

from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]

# Maps whose keys are the user's: labels, limits and whatever Kubernetes itself defines.
FREE = {
    "affinity",
    "annotations",
    "commonAnnotations",
    "commonLabels",
    "additionalLabels",
    "config",
    "labels",
    "limits",
    "nodeSelector",
    "pools",
    "requests",
    "settings",
    "spec",
    "serviceAccountAnnotations",
}


def maps(tree: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Yield the path of every map whose keys are the chart's, the root among them."""
    if path and path[-1] in FREE:
        if path[-1] == "pools":
            yield from (found for name, pool in tree.items() for found in maps(pool, (*path, name)))
        return
    yield path
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from maps(value, (*path, key))


def leaves(tree: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield path and value of whatever is no map of the chart's; a map that is empty, or the user's, is a leaf."""
    for key, value in tree.items():
        here = (*path, key)
        if isinstance(value, Mapping) and value and (key not in FREE or key == "pools"):
            yield from leaves(value, here)
        else:
            yield here, value


def put(path: Path, value: Any) -> dict[str, Any]:
    """Return a tree with one value."""
    for key in reversed(path):
        value = {key: value}
    return value
