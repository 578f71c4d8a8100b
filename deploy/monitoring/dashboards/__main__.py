"""Writes the dashboards to where the chart and docker-compose.yml take them from."""

import json
from pathlib import Path
from typing import Final

from dashboards.grafana import Dashboard, render
from dashboards.overview import OVERVIEW
from dashboards.platform import PLATFORM
from dashboards.tasks import TASKS

ALL: Final[dict[str, Dashboard]] = {"overview": OVERVIEW, "tasks": TASKS, "platform": PLATFORM}
FOLDER: Final = Path(__file__).parents[2] / "helm/taskyard/files/dashboards"


def text(dashboard: Dashboard) -> str:
    """Return the file of a dashboard."""
    return json.dumps(render(dashboard, list(ALL.values())), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, dashboard in ALL.items():
        (FOLDER / f"{name}.json").write_text(text(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
