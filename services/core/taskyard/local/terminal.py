"""What a local run says: one line a step, with the seconds since its start."""

from collections.abc import Iterable
from time import monotonic

from rich.console import Console
from rich.table import Table
from rich.text import Text


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
        """Show where everything is. Values are never cut or wrapped where that can be avoided: they get copied."""
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(name, Text(value))
        self._console.print()
        self._console.print(table)
        self._console.print()

    def _print(self, line: str, style: str) -> None:
        self._console.print(Text(f"{self.elapsed_s:6.1f} s  ", style="dim") + Text(line, style=style), soft_wrap=True)
