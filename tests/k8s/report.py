"""The figures of a run: gathered by the tests, printed at its end, and written to a folder that git ignores."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass
class Report:
    """Sections of figures, in the order in which the tests give them."""

    sections: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, section: str, **figures: Any) -> None:
        """Note figures; a list or a dictionary goes to the file alone."""
        self.sections.setdefault(section, {}).update(figures)

    def lines(self) -> Iterator[str]:
        """Give the plain figures as a table."""
        for section, figures in self.sections.items():
            yield section
            for name, value in figures.items():
                if not isinstance(value, list | dict):
                    yield (
                        f"  {name.replace('_', ' '):44} {value:.1f}"
                        if isinstance(value, float)
                        else (f"  {name.replace('_', ' '):44} {value}")
                    )

    def write(self, folder: Path) -> Path:
        """Write all of it to a file of its own, and return which."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
        file.write_text(json.dumps(self.sections, indent=1), encoding="utf-8")
        return file
