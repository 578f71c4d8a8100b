"""The alerts: Prometheus's own checks and unit tests, and that none is without a test, a runbook, or a way to it."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.alerting import REPOSITORY, RULE_FILES, RUNBOOKS, Rule, alerts, rules
from monitoring.prometheus_server import program

UNIT_TESTS = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
DIAGNOSED = ("## Meaning", "## Impact", "## Diagnosis", "## Mitigation")


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@cache
def unit_tests() -> tuple[dict[str, Any], ...]:
    return tuple(test for file in UNIT_TESTS for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"])


def expectations(alert: Rule) -> list[bool]:
    """Return what unit tests expect of an alert: for each expression that names it, whether it fires."""
    found = []
    for test in unit_tests():
        for case in test["promql_expr_test"]:
            if f'alertname="{alert.name}"' in case["expr"]:
                fires = f'severity="{alert.labels["severity"]}"'
                found.append(any(fires in sample["labels"] for sample in case["exp_samples"]))
    return found


def test_prometheus_takes_every_rule():
    promtool("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_only_then(file):
    promtool("test", "rules", file)


def test_every_file_of_rules_has_its_tests_and_the_reverse():
    assert [file.name for file in RULE_FILES] == [file.name for file in UNIT_TESTS]


@pytest.mark.parametrize("alert", alerts(), ids=str)
def test_every_alert_is_tested_firing_and_quiet(alert):
    assert set(expectations(alert)) == {True, False}


def test_tests_name_alerts_that_exist():
    named = {name for file in UNIT_TESTS for name in re.findall(r'alertname="(\w+)"', file.read_text(encoding="utf-8"))}
    assert named == {alert.name for alert in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=str)
def test_an_alert_says_what_is_wrong_and_where_to_read_on(alert):
    assert re.fullmatch(r"Taskyard[A-Z]\w+", alert.name)
    assert alert.labels.keys() == {"severity"}
    assert alert.labels["severity"] in {"critical", "warning"}
    assert alert.annotations.keys() == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"docs/runbooks/{alert.name}.md"
    assert all(text[0] in '{"' or text[0].isupper() for text in alert.annotations.values() if "/" not in text)
    assert alert.annotations["summary"].endswith(".")


@pytest.mark.parametrize("alert", alerts(), ids=str)
def test_a_label_that_a_text_shows_is_left_by_the_expression(alert):
    shown = set(re.findall(r"\$labels\.(\w+)", " ".join(alert.annotations.values())))
    kept = {name for names in re.findall(r"\bby \(([^)]*)\)", alert.expression) for name in names.split(", ")}
    assert shown <= (kept or {"job", "instance"})


def test_a_name_has_one_severity_of_each_at_most():
    names = [str(alert) for alert in alerts()]
    assert len(names) == len(set(names))


def test_every_recorded_series_is_used():
    expressions = "".join(rule.expression for rule in rules())
    assert [rule.name for rule in rules() if not rule.is_alert and rule.name not in expressions] == []


def test_alerts_and_runbooks_are_pairs():
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {alert.name for alert in alerts()}


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("Taskyard*.md")), ids=lambda page: page.stem)
def test_a_runbook_has_all_its_sections(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert tuple(re.findall(r"^## .*$", text, re.MULTILINE)) == DIAGNOSED
    assert "\n    " in text.partition("## Diagnosis")[2].partition("## Mitigation")[0], "the diagnosis has no command"


def test_the_index_of_runbooks_has_them_all():
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (.+?) \|", index, re.MULTILINE)
    severities: dict[str, set[str]] = {}
    for alert in alerts():
        severities.setdefault(alert.name, set()).add(alert.labels["severity"])
    assert [name for name, link, _ in rows if name != link] == []
    assert {name: set(severity.split(", ")) for name, _, severity in rows} == severities


def test_links_are_paths_of_this_repository():
    assert RUNBOOKS.relative_to(REPOSITORY) == Path("docs/runbooks")
