"""What a local run says: one line a step, with the seconds since its start."""

from collections.abc import Iterable
from time import monotonic
from typing import Final

from rich.console import Console
from rich.text import Text

_NAME_COLUMNS: Final = 20


class Terminal:
    """The terminal, or the log file that stands in for it. May be used from any thread."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._began = monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start of the run."""
        return monotonic() - self._began

    def say(self, line: str) -> None:
        """Tell how far things are, or what happened."""
        self._print(line, "")

    def succeed(self, line: str) -> None:
        """Tell what was reached."""
        self._print(line, "green")

    def fail(self, line: str) -> None:
        """Tell why the run ends."""
        self._print(line, "red")

    def addresses(self, rows: Iterable[tuple[str, str]]) -> None:
        """Show where everything is, one line each: they are copied from here, so none is wrapped or cut."""
        lines = [
            Text(f"  {name:<{_NAME_COLUMNS}}", style="bold") + Text(value, style="not bold") for name, value in rows
        ]
        self._console.print(Text("\n").join([Text(), *lines, Text()]), soft_wrap=True)

    def _print(self, line: str, style: str) -> None:
        self._console.print(Text(f"{self.elapsed_s:6.1f} s  ", style="dim") + Text(line, style=style), soft_wrap=True)
