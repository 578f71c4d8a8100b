"""What the chart embeds is what lies beside it: rules, dashboards, programs; and its README is made of its values."""

import json
import subprocess
import sys

import yaml

from helm.rendering import CHART, render
from helm.value_sets import rendering_of

RULES = sorted((CHART / "files" / "rules").glob("*.yaml"))
DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))


def test_rules_are_embedded_as_they_are() -> None:
    """Their own templates, `{{ $labels.queue }}`, are Prometheus's."""
    embedded = [made["spec"]["groups"] for made in rendering_of("monitoring").of_kind("PrometheusRule")]
    files = [yaml.safe_load(file.read_text(encoding="utf-8"))["groups"] for file in RULES]
    assert files
    assert sorted(embedded, key=json.dumps) == sorted(files, key=json.dumps)


def test_dashboards_are_embedded_as_they_are() -> None:
    """Each in a ConfigMap of its own, which must stay below 1 MiB, with what Grafana's sidecar looks for."""
    embedded = {}
    for made in rendering_of("monitoring").of_kind("ConfigMap"):
        if "grafana_dashboard" in made["metadata"]["labels"]:
            assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
            assert made["metadata"]["annotations"]["grafana_folder"] == "Tasks"
            [(name, text)] = made["data"].items()
            assert len(text.encode()) < 900 * 1024
            embedded[name] = json.loads(text)
    assert embedded.keys() == {file.name for file in DASHBOARDS}
    assert embedded == {file.name: json.loads(file.read_text(encoding="utf-8")) for file in DASHBOARDS}


def test_programs_are_embedded_as_they_are() -> None:
    scripts = {file.name: file.read_text(encoding="utf-8") for file in (CHART / "scripts").glob("*.py")}
    embedded: dict[str, str] = {}
    for made in render({}).of_kind("ConfigMap"):
        embedded |= {name: text for name, text in made["data"].items() if name.endswith(".py")}
    assert scripts
    assert embedded == scripts


def test_nothing_of_monitoring_is_there_unasked() -> None:
    """Their definitions may not be in the cluster."""
    rendering = render({})
    assert not rendering.of_kind("ServiceMonitor", "PodMonitor", "PrometheusRule")
    labels = [made["metadata"]["labels"] for made in rendering.of_kind("ConfigMap")]
    assert not [each for each in labels if "grafana_dashboard" in each]


def test_the_readme_is_made_of_the_values() -> None:
    made = subprocess.run(
        [sys.executable, CHART.parent / "make_readme.py", "--check"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
