"""`.env.example` is the whole list of settings, with their true defaults."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import AliasChoices, AliasPath
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[2]
ADDRESSES = {"DATABASE_URL", "CELERY_BROKER_URL"}  # shown with an example, since they have no default


def settings_classes() -> Iterator[type[BaseSettings]]:
    for path in sorted(ROOT.glob("services/*/taskyard*/**/*.py")):
        module = ".".join(path.relative_to(ROOT / "services").with_suffix("").parts[1:])
        for name in re.findall(r"^class (\w+)\([\w, ]*Settings\):", path.read_text(encoding="utf-8"), re.MULTILINE):
            yield getattr(importlib.import_module(module), name)


def variables(settings: type[BaseSettings]) -> dict[str, str]:
    """Return the field of each variable that `settings` reads."""
    found = {}
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        assert not isinstance(alias, AliasChoices | AliasPath)
        found[alias or settings.model_config["env_prefix"].upper() + name.upper()] = name
    return found


@pytest.fixture(scope="module")
def example() -> dict[str, str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    lines = re.findall(r"^#?([A-Z_]+)=(.*)$", text, re.MULTILINE)
    assert len(lines) == len(dict(lines)), "a setting is listed twice"
    return dict(lines)


def test_all_settings_are_listed_and_no_others(example: dict[str, str]) -> None:
    assert set(example) == {variable for settings in settings_classes() for variable in variables(settings)}


@pytest.mark.parametrize("settings", list(settings_classes()))
def test_the_values_listed_are_the_defaults(
    settings: type[BaseSettings], example: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in example:
        monkeypatch.delenv(variable, raising=False)
    for address in ADDRESSES:
        monkeypatch.setenv(address, example[address])
    by_default = settings()
    for variable in variables(settings):
        monkeypatch.setenv(variable, example[variable])
    assert settings() == by_default


def test_nothing_is_set_by_copying_it() -> None:
    assert not re.search(r"^[^#\n]", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
