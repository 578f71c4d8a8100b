"""Reading what the handler of `test.traced` left."""

from pathlib import Path


def starts(file: Path) -> list[str]:
    """Return which attempts it began, as "task.attempt"."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [line.split()[1] for line in lines if line.startswith("start ")]
