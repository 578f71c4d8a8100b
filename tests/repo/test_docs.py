"""What the documentation says of settings, errors, metrics and files is what there is."""

import importlib
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from monitoring.inventory import INVENTORY
from taskyard import errors
from taskyard.metrics import registry as common
from taskyard.settings import MigrationSettings
from taskyard_api import problems
from taskyard_api.metrics import ApiMetrics
from taskyard_api.settings import ApiSettings
from taskyard_dispatcher.metrics import DispatcherMetrics
from taskyard_dispatcher.settings import DispatcherSettings
from taskyard_kubernetes.metrics import GuardMetrics
from taskyard_kubernetes.settings import GuardSettings
from taskyard_worker.builtin.email_send import MailSettings
from taskyard_worker.builtin.http_request import HttpSettings
from taskyard_worker.metrics import WorkerMetrics
from taskyard_worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
OPERATIONS = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
API = (ROOT / "docs/api.md").read_text(encoding="utf-8")

WORDS = {"TASKYARD_WORKER_NAME": "host and process", "TASKYARD_SMTP_PORT": "by `TLS`"}
"""How the page puts defaults that are no plain values."""


def settings_classes() -> list[type[BaseSettings]]:
    flower = importlib.import_module("taskyard.flower").FlowerSettings
    # Flower last: its DATABASE_URL, which it does not use, is described by the other parts.
    parts = [ApiSettings, DispatcherSettings, WorkerSettings, HttpSettings, MailSettings, GuardSettings]
    return [MigrationSettings, *parts, flower]


def documented_settings() -> Iterator[tuple[str, str]]:
    """Give each variable with its default as the page is to put it."""
    seen = set()
    for settings in settings_classes():
        for name, field in settings.model_fields.items():
            variable = str(field.validation_alias or settings.model_config["env_prefix"].upper() + name.upper())
            if variable not in seen:
                seen.add(variable)
                yield variable, WORDS.get(variable) or default(field)


def default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in ("", ()):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value}`"


@pytest.mark.parametrize(("variable", "expected"), list(documented_settings()))
def test_every_setting_is_described_with_its_default(variable: str, expected: str) -> None:
    assert re.findall(rf"^\| `{variable}` \| (.*?) \|", OPERATIONS, re.MULTILINE) == [expected]


def test_no_setting_is_described_that_does_not_exist() -> None:
    described = set(re.findall(r"^\| `((?:TASKYARD|DATABASE|CELERY)_\w+)` \|", OPERATIONS, re.MULTILINE))
    assert described == {variable for variable, _ in documented_settings()}


def test_metrics_described_are_those_that_exist() -> None:
    registries = [CollectorRegistry() for _ in range(4)]
    ApiMetrics(registries[0])
    dispatcher = DispatcherMetrics(registries[1])
    WorkerMetrics(registries[2], "default", 1, [])
    GuardMetrics(registries[3])
    for led in (dispatcher.record, dispatcher.buffer, dispatcher.consistency):
        assert led.shown  # as by a leader
    existing = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for registry in (*registries, common("any"))
        for metric in registry.collect()
        if metric.name.startswith("taskyard_")
    }
    rows = re.findall(r"^\| (`taskyard_.*?) \|", OPERATIONS, re.MULTILINE)
    described = [name for row in rows for name in re.findall(r"`(taskyard_\w+)`", row)]
    assert set(described) == existing == set(INVENTORY)
    assert len(described) == len(set(described))


def test_every_error_code_is_described() -> None:
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and hasattr(cls, "code")]
    source = Path(problems.__file__).read_text(encoding="utf-8")
    codes = {
        *(cls.code for cls in classes),
        *problems._HTTP_CODES.values(),
        *re.findall(r'problem\(\s*(?:HTTPStatus\.)?\w+, "(\w+)"', source),
    }
    assert {"internal", "malformed", "invalid", "overloaded"} <= codes
    assert {code for code in codes if f"`{code}`" not in API} == set()


def test_every_call_is_described() -> None:
    app = importlib.import_module("taskyard_api.app").create_app(
        ApiSettings(DATABASE_URL="postgresql+psycopg2://nobody@127.0.0.1:1/none"), CollectorRegistry()
    )
    calls = {
        f"{method.upper()} {path.replace('{task_id}', '{id}')}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    assert {call for call in calls if f"`{call}`" not in API} == set()


def test_the_page_of_statuses_is_up_to_date() -> None:
    render = runpy.run_path(str(ROOT / "docs/make_states.py"))["render"]
    assert (ROOT / "docs/states.md").read_text(encoding="utf-8") == render(), "run `python docs/make_states.py`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if link and not (page.parent / link).exists()] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs/decisions"
    listed = set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in folder.glob("[0-9]*.md")}
