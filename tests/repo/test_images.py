"""What the images are built from fits together; no container engine is needed to see it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PARTS = {
    "api": ROOT / "services/api/Dockerfile",
    "dispatcher": ROOT / "services/dispatcher/Dockerfile",
    "worker": ROOT / "services/worker/Dockerfile",
    "flower": ROOT / "deploy/flower/Dockerfile",
}
LOCKS = sorted((ROOT / "locks").glob("*.txt"))


def requirements(lock: Path) -> list[str]:
    """Return the lock's entries, each with its continuation lines."""
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins(part: str) -> dict[str, str]:
    """Return the version of each package."""
    return dict(entry.split(maxsplit=1)[0].split("==") for entry in requirements(ROOT / f"locks/{part}.txt"))


@pytest.mark.parametrize("part", PARTS)
def test_an_image_has_the_versions_that_the_tests_ran_with(part: str) -> None:
    assert pins(part).items() <= pins("dev").items()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_has_hashes_and_no_addresses(lock: Path) -> None:
    for entry in requirements(lock):
        assert re.match(r"[a-z0-9][a-z0-9._-]*==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry
        assert not re.search(r"://|--\w*index|--find-links|@", entry), entry


def test_the_api_has_no_worker_and_the_worker_no_api() -> None:
    assert not pins("api").keys() & {"celery", "kombu", "amqp", "httpx", "pillow"}
    assert not (pins("worker").keys() | pins("dispatcher").keys()) & {"fastapi", "uvicorn", "starlette"}
    assert not pins("dispatcher").keys() & {"pillow", "kubernetes", "lightkube"}


@pytest.mark.parametrize(("part", "dockerfile"), PARTS.items(), ids=PARTS)
def test_an_image_gets_the_core_and_its_own_part(part: str, dockerfile: Path) -> None:
    text = dockerfile.read_text(encoding="utf-8")
    parts = {"core", part} | ({"kubernetes"} if part == "dispatcher" else set())
    assert set(re.findall(r"^COPY .*services/(\w+)$", text, re.MULTILINE)) == parts - {"flower"}
    assert re.findall(r"--require-hashes .*-r \S*/(\w+)\.txt", text) == [part]


@pytest.mark.parametrize("dockerfile", PARTS.values(), ids=PARTS)
def test_an_image_runs_without_rights_and_without_a_shell(dockerfile: Path) -> None:
    final = dockerfile.read_text(encoding="utf-8").rsplit("\nFROM ", 1)[1]
    assert re.findall(r"^USER (.*)$", final, re.MULTILINE) == ["10001:10001"]
    assert re.search(r'^CMD \["taskyard-\w+"\]$', final, re.MULTILINE)
    assert "ENTRYPOINT" not in final


def test_all_images_stand_on_the_same_base() -> None:
    bases = {
        base
        for dockerfile in PARTS.values()
        for base in re.findall(r"^FROM (\S+)", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert bases == {"python:3.13-slim", "dependencies"}


def test_compose_opens_ports_to_this_machine_alone() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    lists = re.findall(r'^ +ports: \[("[^]]+")\]$', text, re.MULTILINE)
    assert len(lists) == text.count("ports:"), "ports are written as strings in brackets, on one line"
    ports = [port.strip('"') for ports in lists for port in ports.split(", ")]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert {int(port.rsplit(":", 1)[1]) for port in ports} == {5432, 5672, 15672, 8000, 5555, 9090, 3000}


def test_compose_gives_no_container_of_ours_any_right() -> None:
    """The two servers begin as root to own their data, and give that up themselves; theirs are the only exceptions."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    faults = [
        f"{name}: {fault}"
        for name, service in services.items()
        if name not in {"postgres", "rabbitmq"}
        for fault in rights(service)
    ]
    assert faults == []
    assert {name for name, service in services.items() if "build" in service} >= {"api", "dispatcher", "worker"}


def rights(service: dict[str, Any]) -> list[str]:
    """Return what a service may do that it need not."""
    wanted = {
        "writes to its own files": service.get("read_only") is True,
        "keeps capabilities": service.get("cap_drop") == ["ALL"] and not service.get("cap_add"),
        "may gain privileges": service.get("security_opt") == ["no-new-privileges:true"],
        "is privileged": not service.get("privileged"),
        "is root": str(service.get("user", "")).partition(":")[0] not in {"0", "root"},
        "shares the host's processes, network or devices": not service.keys()
        & {"pid", "ipc", "network_mode", "devices", "userns_mode", "uts"},
        "writes to the host": all(
            volume.endswith(":ro") for volume in service.get("volumes", []) if volume.startswith((".", "/", "~"))
        ),
    }
    return [fault for fault, kept in wanted.items() if not kept]


def test_compose_and_the_local_run_agree_on_the_consumer_timeout() -> None:
    """A broker that takes messages back too early runs long tasks twice."""
    local = (ROOT / "services/core/taskyard/local/rabbitmq_configuration.py").read_text(encoding="utf-8")
    compose = (ROOT / "deploy/compose/rabbitmq.conf").read_text(encoding="utf-8")
    [expected] = re.findall(r'"consumer_timeout": "(\d+)"', local)
    assert re.findall(r"^consumer_timeout = (\d+)$", compose, re.MULTILINE) == [expected]
