"""Images: pinned, the same ones as in docker-compose.yml, and all from a mirror where one is named."""

import re

import pytest
import yaml

from helm.rendering import ROOT, render
from helm.value_sets import each_set, rendering_of

VERSION = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def images(rendering) -> dict[str, set[str]]:
    """Return the images of each component."""
    found: dict[str, set[str]] = {}
    for pod in rendering.pods:
        found.setdefault(pod.component, set()).update(container["image"] for container in pod.containers)
    return found


@each_set
def test_every_image_is_pinned(name) -> None:
    """But for those that a developer has just built."""
    for component, found in images(rendering_of(name)).items():
        for image in found:
            tag = image.rpartition(":")[2] if "@" not in image else image.rpartition("@")[2]
            assert re.search(r"\d", tag) or (name, tag) == ("preset-dev", "dev"), f"{component}: {image}"
            assert not re.search(r"latest|stable|edge|nightly", tag), image


def test_images_of_taskyard_are_of_its_version() -> None:
    assert VERSION
    found = images(render({}))
    assert {each: found[each] for each in ("api", "dispatcher", "worker", "flower")} == {
        each: {f"taskyard-{each}:{VERSION[1]}"} for each in ("api", "dispatcher", "worker", "flower")
    }
    assert found["migrate"] <= {f"taskyard-{each}:{VERSION[1]}" for each in ("api", "dispatcher")}
    assert found["guard"] == {f"taskyard-dispatcher:{VERSION[1]}"}


@pytest.mark.parametrize("server", ["postgres", "rabbitmq"])
def test_servers_are_those_of_compose(server) -> None:
    """Compose floats within the minor that the chart pins a release of."""
    [used] = images(render({}))["postgresql" if server == "postgres" else server] - {""}
    repository, _, tag = used.partition(":")
    compose, _, floating = COMPOSE[server]["image"].partition(":")
    version, _, variant = floating.partition("-")
    assert repository == compose == server
    assert re.fullmatch(rf"{re.escape(version)}(\.\d+)+(-{variant})?(-\w+)?", tag), (tag, floating)
    assert not variant or f"-{variant}" in tag


def test_parts_are_those_of_compose() -> None:
    built = {service["image"] for service in COMPOSE.values() if "build" in service}
    assert built == {f"taskyard-{each}" for each in ("api", "dispatcher", "worker", "flower")}
    assert {image.partition(":")[0] for found in images(render({})).values() for image in found} == built | {
        "postgres",
        "rabbitmq",
    }


def test_a_mirror_is_put_before_every_image() -> None:
    for found in images(rendering_of("mirrored")).values():
        assert all(image.startswith("mirror.example:5000/all/") for image in found), found


def test_a_digest_takes_the_place_of_the_tag() -> None:
    found = images(rendering_of("mirrored"))
    digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    assert found["api"] == {f"mirror.example:5000/all/taskyard-api@{digest}"}
    assert found["worker"] == {"mirror.example:5000/all/taskyard-worker:1.2.3"}


def test_a_tag_goes_to_all_parts_and_not_to_the_servers() -> None:
    found = images(render({"image": {"tag": "1.2.3", "registry": "registry.example"}}))
    assert {image for component in found for image in found[component] if image.startswith("registry.example/")} == {
        f"registry.example/taskyard-{each}:1.2.3" for each in ("api", "dispatcher", "worker", "flower")
    }
    assert found["postgresql"] == images(render({}))["postgresql"]


def test_a_pool_may_have_an_image_of_its_own() -> None:
    [pod] = [pod for pod in rendering_of("pools").pods if pod.labels.get("taskyard.dev/pool") == "documents"]
    assert {container["image"] for container in pod.containers} == {"registry.example/team/myshop-worker:7"}
