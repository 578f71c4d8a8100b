"""Write the tables of the chart's README from its values; with --check, only say whether they are up to date.

A value's comment is what stands above it in values.yaml. What is between the marks in README.md is replaced, all
else is written by hand.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).with_name("taskyard")
PAGE: Final = CHART / "README.md"
BEGIN: Final = "<!-- values: begin -->\n"
END: Final = "<!-- values: end -->\n"
LONGEST_DEFAULT: Final = 80

_KEY: Final = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][\w.-]*):")


def render(page: str) -> str:
    """Return the page with its tables made anew.

    Raises:
        ValueError: the page lacks the marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {BEGIN.strip()} or {END.strip()} in the page")
    tables = "\n".join(_lines())
    return f"{before}{BEGIN}\n{tables}\n\n{END}{after}"


def main() -> int:
    """Write the page, or judge it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is stale")
    page = PAGE.read_text(encoding="utf-8")
    fresh = render(page)
    if not parser.parse_args().check:
        PAGE.write_text(fresh, encoding="utf-8")
        return 0
    if page == fresh:
        return 0
    sys.stderr.write(f"{PAGE} is stale: run `make chart-readme`\n")
    return 1


def comments(text: str) -> dict[tuple[str, ...], str]:
    """Return the comment above each key of a values.yaml, by the key's path, `(api, service, port)`."""
    found: dict[tuple[str, ...], str] = {}
    path: tuple[str, ...] = ()
    above: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            above.append(line.strip().lstrip("# "))
        elif match := _KEY.match(line):
            path = (*path[: len(match["indent"]) // 2], match["key"])
            if above:
                found[path] = " ".join(above)
            above = []
        else:
            above = []
    return found


def leaves(values: Mapping[str, Any], written: set[tuple[str, ...]], path: tuple[str, ...] = ()) -> Iterator[Any]:
    """Give the path and the value of all that has a line of its own, `written`, and is no map of such lines."""
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict) and any((*here, inner) in written for inner in value):
            yield from leaves(value, written, here)
        else:
            yield here, value


def _lines() -> Iterator[str]:
    yield from _tables(CHART / "values.yaml", "", skip={"postgresql", "rabbitmq"})
    for server in ("postgresql", "rabbitmq"):
        yield ""
        yield f"### {server}"
        yield ""
        yield from _table(CHART / "charts" / server / "values.yaml", f"{server}.")


def _tables(file: Path, prefix: str, skip: set[str]) -> Iterator[str]:
    """Give a table for each key of the first level, under its comment."""
    text = file.read_text(encoding="utf-8")
    said = comments(text)
    for index, key in enumerate(key for key in yaml.safe_load(text) if key not in skip):
        if index:
            yield ""
        yield f"### {key}"
        yield ""
        if above := said.get((key,)):
            yield _escaped(above)
            yield ""
        yield from _table(file, prefix, key)


def _table(file: Path, prefix: str, only: str | None = None) -> Iterator[str]:
    text = file.read_text(encoding="utf-8")
    said = comments(text)
    yield "| value | default | meaning |"
    yield "|---|---|---|"
    for path, value in leaves(yaml.safe_load(text), _written(text)):
        if only is None or path[0] == only:
            meaning = "" if path == (only,) else said.get(path, "")
            yield f"| `{prefix}{'.'.join(path)}` | {_default(value)} | {_escaped(_of_maps(path, said, meaning))} |"


def _of_maps(path: tuple[str, ...], said: dict[tuple[str, ...], str], meaning: str) -> str:
    """Put what is said of a map before what is said of the first of its values; once, and so it is taken away."""
    above = [said.pop(path[:length]) for length in range(2, len(path)) if path[:length] in said]
    return " ".join([*(f"*{text}*" for text in above), meaning]).strip()


def _written(text: str) -> set[tuple[str, ...]]:
    paths: set[tuple[str, ...]] = set()
    path: tuple[str, ...] = ()
    for line in text.splitlines():
        if match := _KEY.match(line):
            path = (*path[: len(match["indent"]) // 2], match["key"])
            paths.add(path)
    return paths


def _default(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > LONGEST_DEFAULT:
        return "see values.yaml"
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    raise SystemExit(main())
