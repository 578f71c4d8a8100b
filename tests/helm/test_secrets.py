"""No password is known to anybody: each is generated once, or somebody else's, and nothing shows it."""

import base64
import re

import pytest
import yaml

from helm.rendering import CHART, Rendering, render, render_files
from helm.test_references import secrets as keys_of_secrets
from helm.value_sets import FILES, each_set, rendering_of, values_of

GITOPS = [name for name in FILES if name in {"preset-gitops", "gitops-existing"}]


def fresh(values: dict) -> Rendering:
    """Render once more, not from the cache: the release's namespace is the same, the process is another."""
    return render(values, helm="4", upgrade=True)


def passwords(rendering: Rendering) -> dict[tuple[str, str], str]:
    """Return whatever the Secrets hold."""
    return {
        (made["metadata"]["name"], key): base64.b64decode(value).decode()
        for made in rendering.of_kind("Secret")
        for key, value in made.get("data", {}).items()
    }


def test_what_is_generated_is_random_and_long() -> None:
    one, other = passwords(render({})), passwords(fresh({}))
    assert (
        one.keys()
        == other.keys()
        == {
            ("shop-auth", "first-key"),
            ("shop-postgresql", "postgres-password"),
            ("shop-postgresql", "password"),
            ("shop-postgresql", "api-password"),
            ("shop-postgresql", "dispatcher-password"),
            ("shop-postgresql", "worker-password"),
            ("shop-postgresql", "guard-password"),
            ("shop-rabbitmq", "dispatcher-password"),
            ("shop-rabbitmq", "worker-password"),
            ("shop-rabbitmq", "keda-password"),
            ("shop-rabbitmq", "flower-password"),
            ("shop-rabbitmq", "admin-password"),
            ("shop-rabbitmq", "erlang-cookie"),
            ("shop-flower", "password"),
        }
    )
    found = [made[key] for made in (one, other) for key in made]
    assert len(found) == len(set(found)), "no two are the same"
    assert all(re.fullmatch(r"[A-Za-z0-9]{24,}", value) for value in found), "they go into URLs as they are"


def test_what_is_generated_survives_an_uninstall() -> None:
    """The servers' volumes do, and took these passwords into their data."""
    for made in render({}).of_kind("Secret"):
        assert made["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_nothing_else_is_random() -> None:
    """So an upgrade begins no pod anew that has no cause to."""
    one, other = (
        [made for made in rendering.objects if made["kind"] != "Secret"] for rendering in (render({}), fresh({}))
    )
    assert one == other


@each_set
def test_no_password_is_in_what_everybody_may_read(name) -> None:
    """Neither as a value of the environment, nor in a ConfigMap, nor in arguments or annotations."""
    rendering = rendering_of(name)
    assert not [value for value in passwords(rendering).values() if value in rendering.text]
    for pod in rendering.pods:
        for container in pod.containers:
            for variable in container.get("env", []):
                if re.search(r"PASSWORD|SECRET|COOKIE|_KEY$|BASIC_AUTH$|_URL$|MANAGEMENT$|_API$", variable["name"]):
                    known_to_all = re.sub(r"\$\([A-Z_]+\)", "", variable.get("value", ""))
                    assert not re.search(r"//[^/@]*:[^/@]+@|^\w+:\w+$|^\w+$", known_to_all), variable


def test_no_value_of_the_chart_is_a_password() -> None:
    """Nothing to forget to change: no value holds one, or may."""
    for file in CHART.rglob("values*.yaml"):
        for line in file.read_text(encoding="utf-8").splitlines():
            found = re.match(r"\s*\S*(?:password|secret|token|cookie)\S*:\s*(\S.*)$", line, re.IGNORECASE)
            assert not found or found[1].startswith(("#", '""', "{", "[")), f"{file}: {line}"


@pytest.mark.parametrize("name", GITOPS)
def test_gitops_renders_the_same_bytes_each_time(name) -> None:
    values = values_of(name)
    assert render(values).text == fresh(values).text
    assert render(values).of_kind("Secret") == []


@pytest.mark.parametrize("name", GITOPS)
def test_gitops_has_no_job_that_vanishes(name) -> None:
    """Argo CD would make it anew at each sync."""
    for made in render(values_of(name)).of_kind("Job"):
        assert "ttlSecondsAfterFinished" not in made["spec"], made["metadata"]["name"]


def test_the_job_makes_what_helm_would_have_made() -> None:
    """The same Secrets with the same keys, so that the mode can be changed at any time."""
    assert keys_of_secrets(render({"secrets": {"mode": "job"}})) == keys_of_secrets(render({}))


def test_the_job_may_touch_its_own_secrets_alone() -> None:
    rendering = render({"secrets": {"mode": "job"}})
    [role] = [made for made in rendering.of_kind("Role") if "make-secrets" in made["metadata"]["name"]]
    named = {name for rule in role["rules"] for name in rule.get("resourceNames", [])}
    assert named == set(keys_of_secrets(rendering))
    unnamed = [rule for rule in role["rules"] if "resourceNames" not in rule]
    assert [rule["verbs"] for rule in unnamed] == [["create"]], "which cannot be bound to names"


def test_another_spec_is_another_job() -> None:
    """The template of a Job cannot be changed."""
    names = {
        made["metadata"]["name"]
        for values in ({}, {"flower": {"enabled": False}}, {"image": {"tag": "2"}})
        for made in render({"secrets": {"mode": "job"}} | values).of_kind("Job")
        if "make-secrets" in made["metadata"]["name"]
    }
    assert len(names) == 3


def test_with_secrets_of_ones_own_none_is_made() -> None:
    rendering = rendering_of("existing-secrets")
    assert rendering.of_kind("Secret") == []
    assert not [pod for pod in rendering.pods if pod.component == "make-secrets"]


def test_the_gitops_preset_needs_nothing_more() -> None:
    file = CHART / "values" / "gitops.yaml"
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["global"]["gitops"]["enabled"] is True
    assert render_files(file).objects
