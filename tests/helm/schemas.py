"""Whether an object is one that Kubernetes takes: its own schemas, and those of custom resources, all strict."""

import json
from functools import cache
from pathlib import Path

import jsonschema_rs

from helm import fetching
from helm.rendering import Object

FETCHED = {"keda.sh/v1alpha1": "keda", "monitoring.coreos.com/v1": "prometheus-operator"}
# No package has those of the others. Ours say what the chart may use of them, in tests/helm/schemas/KIND.json.
OURS = Path(__file__).parent / "schemas"


def faults(made: Object, kubernetes_version: str) -> list[str]:
    """Return what is wrong with an object in the eyes of that version of Kubernetes."""
    validator = _validator(made["apiVersion"], made["kind"], kubernetes_version)
    if validator is None:
        return [f"Kubernetes {kubernetes_version} has no {made['kind']} in {made['apiVersion']}"]
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message[:300]}" for error in validator.iter_errors(made)
    ]


@cache
def _validator(api_version: str, kind: str, kubernetes_version: str) -> jsonschema_rs.Validator | None:
    if api_version in FETCHED:
        return _of(FETCHED[api_version], kind)
    ours = OURS / f"{kind}.json"
    if ours.exists():
        schema = json.loads(ours.read_text(encoding="utf-8"))
        return (
            jsonschema_rs.validator_for(schema) if api_version in schema["properties"]["apiVersion"]["enum"] else None
        )
    group, _, version = api_version.rpartition("/")
    name = _names(kubernetes_version).get((group, version, kind))
    return _of(f"kubernetes-{kubernetes_version}", name) if name else None


@cache
def _definitions(name: str) -> dict[str, dict]:
    return fetching.definitions(name)


@cache
def _names(kubernetes_version: str) -> dict[tuple[str, str, str], str]:
    """Return the long name of each kind that has objects, by group, version and kind."""
    return {
        (which["group"], which["version"], which["kind"]): name
        for name, schema in _definitions(f"kubernetes-{kubernetes_version}").items()
        for which in schema.get("x-kubernetes-group-version-kind", [])
    }


def _of(definitions: str, name: str) -> jsonschema_rs.Validator | None:
    known = _definitions(definitions)
    if name not in known:
        return None
    draft = "https://json-schema.org/draft/2020-12/schema"
    return jsonschema_rs.validator_for({"$schema": draft, "$defs": known, "$ref": f"#/$defs/{name}"})
