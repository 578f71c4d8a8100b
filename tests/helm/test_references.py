"""Whatever an object names is there: Secrets and ConfigMaps with their keys, service accounts, roles, claims."""

import json
import re
from collections.abc import Iterator

from helm.rendering import CHART, Object, PodTemplate, Rendering, identity
from helm.value_sets import each_set, rendering_of, values_of

# What operators make, and what is named in the values here: the keys of each.
ELSEWHERE = {
    "our-database": {"dsn"},
    "our-broker": {"amqp", "http", "url", "management-url"},
    "our-logins": {"api", "dispatcher", "guard"},
    "our-amqp": {"dispatcher", "flower", "flower-management", "keda-management"},
    "our-worker": {"database", "amqp"},
    "our-owner": {"url", "management"},
    "main-app": {"uri"},
    "shop-postgresql-app": {"uri"},
    "bunny-default-user": {"connection_string", "username", "password"},
    "shop-rabbitmq-default-user": {"connection_string", "username", "password"},
    "taskyard-database": {"url"},
    "taskyard-broker": {"url", "management-url"},
}


def elsewhere() -> dict[str, set[str]]:
    """Return what somebody else makes; of the servers' Secrets exactly the keys that values.yaml asks for."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    asked = re.findall(r"^(\w+):\n(?:(?:  .*)?\n)*?((?:  # .*\n)+)  existingSecret:", text, re.MULTILINE)
    keys = {part: set(re.findall(r"[a-z]+(?:-[a-z]+)*", _asked(comment))) - {"and"} for part, comment in asked}
    return ELSEWHERE | {f"our-{part}": found for part, found in keys.items()}


def _asked(comment: str) -> str:
    [found] = re.findall(r"with keys? (.*?)(?:, instead| instead|\.$)", re.sub(r"\n  # ", " ", comment.strip()))
    return found


def secrets(rendering: Rendering) -> dict[str, set[str]]:
    """Return the keys of each Secret that is rendered, or that the Job of mode `job` makes."""
    found = {
        made["metadata"]["name"]: set(made.get("data", {})) | set(made.get("stringData", {}))
        for made in rendering.of_kind("Secret")
    }
    for made in rendering.of_kind("ConfigMap"):
        if "secrets.json" in made.get("data", {}):
            found |= {each["name"]: set(each["keys"]) for each in json.loads(made["data"]["secrets.json"])}
    return found


def config_maps(rendering: Rendering) -> dict[str, set[str]]:
    """Return the keys of each ConfigMap."""
    return {made["metadata"]["name"]: set(made.get("data", {})) for made in rendering.of_kind("ConfigMap")}


def references(pod: PodTemplate, kind: str) -> Iterator[tuple[str, str | None]]:
    """Yield name and key of whatever a pod takes from Secrets (`secret`) or ConfigMaps (`configMap`)."""
    for container in pod.containers:
        for variable in container.get("env", []):
            if source := variable.get("valueFrom", {}).get(f"{kind}KeyRef"):
                yield source["name"], source["key"]
        yield from ((each[f"{kind}Ref"]["name"], None) for each in container.get("envFrom", []) if f"{kind}Ref" in each)
    for source in volume_sources(pod):
        if held := source.get(kind):
            name = held.get("secretName") or held["name"]
            yield from ((name, item["key"]) for item in held.get("items", [{"key": None}]))


def volume_sources(pod: PodTemplate) -> Iterator[Object]:
    """Yield what the volumes of a pod are made of."""
    for volume in pod.spec.get("volumes", []):
        yield from [volume, *volume.get("projected", {}).get("sources", [])]


def dangling(wanted: Iterator[tuple[str, str | None]], there: dict[str, set[str]]) -> set[tuple[str, str | None]]:
    """Return what is wanted and is not there."""
    return {(name, key) for name, key in wanted if name not in there or (key and key not in there[name])}


@each_set
def test_every_secret_and_its_key_is_there(name) -> None:
    rendering = rendering_of(name)
    there = elsewhere() | secrets(rendering)
    for pod in rendering.pods:
        assert dangling(references(pod, "secret"), there) == set(), pod.owner


@each_set
def test_every_config_map_and_its_key_is_there(name) -> None:
    rendering = rendering_of(name)
    there = config_maps(rendering)
    for pod in rendering.pods:
        assert dangling(references(pod, "configMap"), there) == set(), pod.owner


@each_set
def test_what_keda_logs_in_with_is_there(name) -> None:
    rendering = rendering_of(name)
    there = elsewhere() | secrets(rendering)
    authentications = {made["metadata"]["name"]: made for made in rendering.of_kind("TriggerAuthentication")}
    for made in authentications.values():
        for kind, of_kind in (("secretTargetRef", there), ("configMapTargetRef", config_maps(rendering))):
            wanted = ((each["name"], each["key"]) for each in made["spec"].get(kind, []))
            assert dangling(wanted, of_kind) == set(), identity(made)
    for made in rendering.of_kind("ScaledObject"):
        for trigger in made["spec"]["triggers"]:
            assert trigger["authenticationRef"]["name"] in authentications


@each_set
def test_every_secret_that_is_made_is_used(name) -> None:
    """With each of its keys: what nobody reads should not lie there."""
    rendering = rendering_of(name)
    used: dict[str, set[str | None]] = {}
    for pod in rendering.pods:
        for secret, key in references(pod, "secret"):
            used.setdefault(secret, set()).add(key)
    for made in rendering.of_kind("TriggerAuthentication"):
        for each in made["spec"]["secretTargetRef"]:
            used.setdefault(each["name"], set()).add(each["key"])
    for secret, keys in secrets(rendering).items():
        assert secret in used
        keda = {"keda-password"} if not rendering.of_kind("TriggerAuthentication") else set()
        assert None in used[secret] or keys - keda <= used[secret], secret


@each_set
def test_every_service_account_is_there_and_used(name) -> None:
    rendering = rendering_of(name)
    there = {made["metadata"]["name"] for made in rendering.of_kind("ServiceAccount")}
    assert {pod.spec["serviceAccountName"] for pod in rendering.pods} == there


@each_set
def test_every_binding_has_its_role_and_its_account(name) -> None:
    rendering = rendering_of(name)
    for binding in rendering.of_kind("RoleBinding"):
        rendering.get("Role", binding["roleRef"]["name"])
        for subject in binding["subjects"]:
            assert subject["namespace"] == binding["metadata"]["namespace"]
            rendering.get("ServiceAccount", subject["name"])
    assert len(rendering.of_kind("Role")) == len(rendering.of_kind("RoleBinding"))


@each_set
def test_every_volume_is_there_and_mounted(name) -> None:
    rendering = rendering_of(name)
    templates = {
        identity(made): {claim["metadata"]["name"] for claim in made["spec"].get("volumeClaimTemplates", [])}
        for made in rendering.of_kind("StatefulSet")
    }
    for pod in rendering.pods:
        mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])} | templates.get(pod.owner, set())
        assert mounted == volumes, pod.owner
        for volume in pod.spec.get("volumes", []):
            if claim := volume.get("persistentVolumeClaim"):
                rendering.get("PersistentVolumeClaim", claim["claimName"])


@each_set
def test_pull_secrets_are_those_of_the_values_in_every_pod(name) -> None:
    wanted = [{"name": each} for each in (values_of(name).get("global") or {}).get("imagePullSecrets", [])]
    assert all(pod.spec.get("imagePullSecrets", []) == wanted for pod in rendering_of(name).pods)
