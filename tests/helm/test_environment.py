"""Variables of the environment: each is one that its part reads, and each part gets those that it cannot do without."""

import json
import re
from collections.abc import Iterator

import pytest
from pydantic_settings import BaseSettings

from helm.rendering import CHART, ROOT, Object, PodTemplate
from helm.value_sets import FILES, each_set, rendering_of, values_of
from taskyard.flower import FlowerSettings
from taskyard.settings import DatabaseSettings, MigrationSettings
from taskyard_api.settings import ApiSettings
from taskyard_dispatcher.settings import DispatcherSettings
from taskyard_worker.builtin.email_send import MailSettings
from taskyard_worker.builtin.http_request import HttpSettings
from taskyard_worker.settings import WorkerSettings

SETTINGS: dict[str, list[type[BaseSettings]]] = {
    "api": [ApiSettings],
    "dispatcher": [DispatcherSettings],
    "worker": [WorkerSettings, HttpSettings, MailSettings],
    "flower": [FlowerSettings],
    "migrate": [MigrationSettings],
    "wait-for-schema": [DatabaseSettings],
}
IMAGES = {
    "api": "services/api/Dockerfile",
    "dispatcher": "services/dispatcher/Dockerfile",
    "worker": "services/worker/Dockerfile",
    "flower": "deploy/flower/Dockerfile",
}
# What Kubernetes puts in the place of a Secret, by what the variable is for.
SAMPLES = {"DATABASE_URL": "postgresql://user:pw@host:5432/taskyard", "CELERY_BROKER_URL": "amqp://user:pw@host:5672/"}


def variables(settings: type[BaseSettings]) -> set[str]:
    """Return the variables that `settings` reads."""
    prefix = settings.model_config["env_prefix"].upper()
    return {str(field.validation_alias or prefix + name.upper()) for name, field in settings.model_fields.items()}


def parts(name: str) -> Iterator[tuple[PodTemplate, Object, list[type[BaseSettings]]]]:
    """Yield the containers of one set of values that run a part, with the settings that it reads."""
    for pod in rendering_of(name).pods:
        for container in pod.containers:
            if known := SETTINGS.get(container["name"]):
                yield pod, container, known


def filled_in(container: Object) -> dict[str, str]:
    """Return the environment as the process sees it: `$(NAME)` replaced, Secrets by samples."""
    env: dict[str, str] = {}
    for variable in container.get("env", []):
        value = variable.get("value", SAMPLES.get(variable["name"], "sample"))
        env[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda found: env[found[1]], value)
    return env


def of_the_image(part: str) -> dict[str, str]:
    """Return what the image itself sets."""
    text = (ROOT / IMAGES[part]).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


@each_set
def test_every_variable_is_one_that_its_part_reads(name) -> None:
    """Or one that another is put together from; but for those that the values name, which are the user's own."""
    own = set(values_of(name).get("config") or {}) | {"OTHER", "NODE"}
    for pod, container, known in parts(name):
        read = set().union(*map(variables, known)) | own
        names = [variable["name"] for variable in container.get("env", [])]
        joined = set(re.findall(r"\$\((\w+)\)", " ".join(each.get("value", "") for each in container.get("env", []))))
        assert set(names) <= read | joined, pod.owner
        assert len(names) == len(set(names)), f"{pod.owner}: a variable comes twice"


@each_set
def test_every_variable_that_another_is_made_of_comes_before_it(name) -> None:
    """Else Kubernetes leaves `$(NAME)` as it is."""
    for pod in rendering_of(name).pods:
        for container in pod.containers:
            seen: set[str] = set()
            for variable in container.get("env", []):
                assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= seen, (pod.owner, variable)
                seen.add(variable["name"])


@each_set
def test_every_part_starts_with_what_it_gets(name, monkeypatch) -> None:
    """Its settings are complete and valid."""
    for _, container, known in parts(name):
        with monkeypatch.context() as patched:
            for variable in set().union(*map(variables, known)):
                patched.delenv(variable, raising=False)
            for variable, value in filled_in(container).items():
                patched.setenv(variable, value)
            for settings in known:
                settings()


@each_set
def test_a_pool_reads_its_own_settings(name, monkeypatch) -> None:
    for pod, container, known in parts(name):
        if pod.component == "worker" and container["name"] == "worker":
            with monkeypatch.context() as patched:
                for variable, value in filled_in(container).items():
                    patched.setenv(variable, value)
                settings = known[0]()
            assert isinstance(settings, WorkerSettings)
            assert settings.pool == pod.labels["taskyard.dev/pool"]
            assert settings.concurrency >= 1
            assert settings.queues


def test_config_takes_every_setting_that_the_chart_does_not_make() -> None:
    """Of those that docs/operations.md lists."""
    table = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(TASKYARD_\w+)`", table, re.MULTILINE)
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    of_the_chart = {
        variable["name"]
        for name in FILES
        for pod in rendering_of(name).pods
        for container in pod.containers
        for variable in container.get("env", [])
    }
    of_the_images = set().union(*map(of_the_image, IMAGES))
    # A password belongs into a Secret (extraEnv); these ports are those of the images; the rest is for tests.
    elsewhere = {
        "TASKYARD_SMTP_PASSWORD",
        "TASKYARD_API_PORT",
        "TASKYARD_FLOWER_PORT",
        "TASKYARD_FLOWER_AUTH_NONE_ANYWHERE",
        "TASKYARD_KUBERNETES_URL",
    }
    known = schema["properties"]["config"]["properties"].keys() | of_the_chart | of_the_images | elsewhere
    assert set(listed) - known == set()
    assert len(listed) > 50


@pytest.mark.parametrize("part", ["api", "dispatcher", "worker"])
def test_metrics_are_where_the_chart_says(part) -> None:
    """By the image, or by the chart: the port is that of the container's port `metrics`, on all addresses."""
    found = [(pod, container) for pod, container, _ in parts("defaults") if container["name"] == part]
    for _, container in found:
        env = of_the_image(part) | filled_in(container)
        [port] = [port["containerPort"] for port in container["ports"] if port["name"] == "metrics"]
        assert env["TASKYARD_METRICS_PORT"] == str(port)
        assert env["TASKYARD_METRICS_HOST"] == "0.0.0.0"


@pytest.mark.parametrize(("part", "prefix"), [("api", "TASKYARD_API"), ("flower", "TASKYARD_FLOWER")])
def test_http_is_where_the_chart_says(part, prefix) -> None:
    [container] = [container for _, container, _ in parts("defaults") if container["name"] == part]
    env = of_the_image(part) | filled_in(container)
    [port] = [port["containerPort"] for port in container["ports"] if port["name"] == "http"]
    assert env.get(f"{prefix}_PORT", "8000" if part == "api" else "5555") == str(port)
    assert env[f"{prefix}_HOST"] == "0.0.0.0"


def test_variables_of_ones_own_replace_those_of_the_chart() -> None:
    """And `config` reaches every part."""
    for _, container, _ in parts("dressed"):
        env = filled_in(container)
        assert env["TASKYARD_LOG_LEVEL"] == "debug"
        assert env["TASKYARD_LEASE_S"] == "30", "as a whole number"
        assert container["name"] == "migrate" or env["OTHER"] == "1"
