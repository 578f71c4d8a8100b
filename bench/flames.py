"""Draws a flame graph of a profile: `python -m bench.flames TITLE < STACKS > DRAWING.svg`.

STACKS has a line for each stack that a sampling profiler saw: its frames from the outermost to the innermost, with
semicolons between them, a space, and how often it was seen (`py-spy record --format raw` writes such lines). A frame is
a box above the one that called it, as wide as it was seen on the stack; who points at it reads its name and its share.
"""

import colorsys
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Annotated, Final

import typer

_WIDTH_PX: Final = 1400.0
_ROW_PX: Final = 16
_CHAR_PX: Final = 6.6
_THINNEST_PX: Final = 1.0
_HEAD_PX: Final = 28


@dataclass(slots=True)
class Frame:
    """A frame with what it called; `samples` is how often it was seen, what it called included."""

    name: str
    samples: int = 0
    called: dict[str, "Frame"] = field(default_factory=dict)


def tree(lines: Iterable[str]) -> Frame:
    """Return a frame that called all of the stacks in `lines`.

    Raises:
        ValueError: a line does not end with a number, or there is none.
    """
    root = Frame("all")
    for line in filter(str.strip, lines):
        stack, _, samples = line.rstrip().rpartition(" ")
        frame = root
        frame.samples += int(samples)
        for name in stack.split(";"):
            frame = frame.called.setdefault(name, Frame(name))
            frame.samples += int(samples)
    if not root.samples:
        raise ValueError("there is no stack to draw")
    return root


def draw(root: Frame, title: str) -> str:
    """Return the drawing, an SVG without scripts; what is thinner than a pixel is left out."""
    boxes = list(_boxes(root, 0.0, 0, _WIDTH_PX / root.samples))
    height = _HEAD_PX + _ROW_PX * (1 + max(depth for _, _, depth, _ in boxes))
    drawn = "\n".join(_box(frame, x, height - _ROW_PX * (depth + 1), width, root) for frame, x, depth, width in boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH_PX:.0f}" height="{height}" '
        f'font-family="monospace" font-size="11">\n<text x="6" y="18" font-size="14">{escape(title)}</text>\n'
        f"{drawn}\n</svg>\n"
    )


def _boxes(frame: Frame, x: float, depth: int, px_per_sample: float) -> Iterator[tuple[Frame, float, int, float]]:
    width = frame.samples * px_per_sample
    if width < _THINNEST_PX:
        return
    yield frame, x, depth, width
    for called in sorted(frame.called.values(), key=lambda each: each.name):
        yield from _boxes(called, x, depth + 1, px_per_sample)
        x += called.samples * px_per_sample


def _box(frame: Frame, x: float, y: float, width: float, root: Frame) -> str:
    chars = int((width - 4) / _CHAR_PX)
    name = frame.name if len(frame.name) <= chars else frame.name[: max(0, chars - 1)] + "…"
    label = f'<text x="{x + 3:.1f}" y="{y + 12:.0f}">{escape(name)}</text>' if chars > 2 else ""  # noqa: PLR2004
    return (
        f"<g><title>{escape(frame.name)}: {frame.samples / root.samples:.1%}</title>"
        f'<rect x="{x:.1f}" y="{y:.0f}" width="{max(0.5, width - 0.5):.1f}" height="{_ROW_PX - 1}" '
        f'fill="{_colour(frame.name)}"/>{label}</g>'
    )


def _colour(name: str) -> str:
    """Return a colour between red and yellow that is always the same for a name."""
    hue = (10 + zlib.crc32(name.encode()) % 45) / 360
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, 0.66, 0.85))


def main(title: Annotated[str, typer.Argument(help="What the drawing is of.")]) -> None:
    """Draw the stacks that standard input has, to standard output."""
    try:
        typer.echo(draw(tree(sys.stdin), title), nl=False)
    except ValueError as error:
        raise SystemExit(f"bench.flames: these are no stacks: {error}") from error


if __name__ == "__main__":
    typer.run(main)
