"""Helm 3 and Helm 4 find nothing to say against the chart, whatever the values, and render the same."""

import json

import pytest
import yaml

from helm.rendering import CHART, NAMESPACE, render, run, side_by_side
from helm.value_sets import FILES, each_set, rendering_of, values_of


def lint(name: str, helm: str) -> str:
    """Return what `helm lint` says, or nothing where it is content."""
    command = ["lint", "--strict", str(CHART), "--namespace", NAMESPACE, "--values", "-"]
    done = run(*command, helm=helm, stdin=json.dumps(values_of(name)))
    return "" if done.returncode == 0 and "[WARNING]" not in done.stdout else f"{name}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("helm", ["3", "4"])
def test_helm_finds_nothing_to_say(helm) -> None:
    said = side_by_side([lambda name=name: lint(name, helm) for name in FILES])
    assert not "\n".join(filter(None, said))


@each_set
def test_helm_3_and_helm_4_render_the_same(name) -> None:
    values = values_of(name)
    if (values.get("secrets") or {}).get("mode", "generate") == "generate":
        values = values | {"secrets": {"mode": "job"}}  # what is generated is random
    assert render(values, helm="3").objects == render(values, helm="4").objects


def test_no_version_of_kubernetes_makes_a_difference() -> None:
    """So one rendering stands for all versions."""
    values = values_of("gitops-existing")
    assert render(values, kube_version="1.30.0").text == render(values, kube_version="1.37.2").text


def test_kubernetes_1_29_is_refused() -> None:
    done = run("template", "shop", str(CHART), "--kube-version", "1.29.9")
    assert "requires kubeVersion: >=1.30.0-0" in done.stderr


def test_a_vendors_version_of_kubernetes_is_accepted() -> None:
    done = run("template", "shop", str(CHART), "--kube-version", "1.30.4-gke.100")
    assert done.returncode == 0, done.stderr


@each_set
def test_no_two_objects_have_the_same_name(name) -> None:
    made = [
        (made["apiVersion"], made["kind"], made["metadata"].get("namespace"), made["metadata"]["name"])
        for made in rendering_of(name).objects
    ]
    assert len(made) == len(set(made))


@each_set
def test_everything_is_in_the_namespace_of_the_release(name) -> None:
    """Of all but extraObjects, which are the user's own."""
    elsewhere = [
        made["metadata"]
        for made in rendering_of(name).objects
        if made["metadata"].get("labels") and made["metadata"].get("namespace") != NAMESPACE
    ]
    assert elsewhere == []


def test_the_version_of_the_application_is_the_projects() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = (CHART.parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{chart["appVersion"]}"\n' in project
