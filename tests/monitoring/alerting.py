"""The alerts and recording rules that Taskyard ships, as data."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
RULE_FILES = sorted((REPOSITORY / "deploy/helm/taskyard/files/rules").glob("*.yaml"))
RUNBOOKS = REPOSITORY / "docs/runbooks"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `name` is the alert's, or the recorded series'."""

    file: Path
    name: str
    expression: str
    is_alert: bool
    labels: dict[str, str]
    annotations: dict[str, str]

    def __str__(self) -> str:
        return f"{self.name}-{self.labels['severity']}" if self.is_alert else self.name


@cache
def rules() -> tuple[Rule, ...]:
    """Return every rule of every file."""
    return tuple(
        _rule(file, rule)
        for file in RULE_FILES
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    )


def _rule(file: Path, rule: dict[str, Any]) -> Rule:
    name = rule.get("alert") or rule["record"]
    return Rule(file, name, rule["expr"], "alert" in rule, rule.get("labels", {}), rule.get("annotations", {}))


def alerts() -> list[Rule]:
    """Return the alerts; some names are there twice, with different severities."""
    return [rule for rule in rules() if rule.is_alert]
