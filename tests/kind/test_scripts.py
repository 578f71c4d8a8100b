"""The scripts of deploy/kind, as far as they can be judged without a cluster: their plan, their words, their form."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kind"
SCRIPTS = ["addons", "deploy", "diagnose", "down", "images", "test", "up"]
TOOLS_OF_EVERY_SYSTEM = ["bash", "cat", "cut", "date", "dirname", "env", "find", "git", "grep", "sed", "sh", "sort"]


@pytest.fixture
def bare_machine(tmp_path) -> dict[str, str]:
    """The environment of a machine without Docker, kubectl, helm, kind and minikube."""
    for tool in TOOLS_OF_EVERY_SYSTEM:
        (tmp_path / tool).symlink_to(shutil.which(tool))
    return {"PATH": str(tmp_path), "HOME": str(tmp_path)}


def call(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return subprocess.run(
        [FOLDER / script, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def plan(script: str, *arguments: str, **environment: str) -> list[str]:
    """Return the commands that the script would run."""
    done = call(script, "--plan", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def position(lines: list[str], beginning: str) -> int:
    """Return where the only line stands that begins so."""
    [found] = [place for place, line in enumerate(lines) if line.startswith(beginning)]
    return found


def test_shellcheck_finds_nothing() -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    scripts = [FOLDER / name for name in SCRIPTS]
    done = subprocess.run(
        [checker, "--external-sources", "--source-path", ROOT, *scripts], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_all_scripts_are_known_here() -> None:
    assert sorted(file.name for file in FOLDER.iterdir() if os.access(file, os.X_OK)) == SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_stops_at_an_error_and_explains_itself(script, bare_machine) -> None:
    assert "\nset -euo pipefail\n" in (FOLDER / script).read_text(encoding="utf-8")
    done = call(script, "--help", **bare_machine)
    assert done.returncode == 0
    assert f"{script} [" in done.stdout, done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_option_is_refused_by_its_name(script, bare_machine) -> None:
    done = call(script, "--nonsense", **bare_machine)
    assert done.returncode == 1
    assert "--nonsense" in done.stderr


@pytest.mark.parametrize(("platform", "other"), [("kind", "minikube"), ("minikube", "kind")])
def test_all_that_is_missing_is_said_at_once_and_how_to_get_it(platform, other, bare_machine) -> None:
    done = call("up", "--platform", platform, **bare_machine)
    assert done.returncode == 1
    missing = dict(re.findall(r"^  (\w+): (.*)$", done.stderr, re.MULTILINE))
    assert missing.keys() == {"docker", "kubectl", "helm", platform}
    assert all("https://" in way for way in missing.values())
    assert done.stdout == "", "nothing was begun"


@pytest.mark.parametrize(
    ("platform", "making", "loading"),
    [("kind", "kind create cluster", "kind load docker-image"), ("minikube", "minikube start", "minikube image load")],
)
def test_a_bare_machine_gets_cluster_images_and_addons_before_the_chart(
    platform, making, loading, bare_machine
) -> None:
    lines = plan("up", "--platform", platform, **bare_machine)
    last = len(lines) - 1
    assert position(lines, making) == 0
    assert position(lines, "helm upgrade --install taskyard ") == last
    assert position(lines, "helm upgrade --install keda ") < last
    assert position(lines, "helm upgrade --install traefik ") < last
    assert any("metrics-server" in line for line in lines)
    assert [line.split()[-1] for line in lines if line.startswith(loading)] == [
        f"taskyard-{part}:dev-of-contents" for part in ("api", "dispatcher", "worker", "flower")
    ]
    assert "--set image.tag=dev-of-contents" in lines[last]


def test_every_chart_of_others_has_a_fixed_version(bare_machine) -> None:
    charts = [line for line in plan("up", **bare_machine) if " --repo " in line]
    assert len(charts) == 3
    assert all(re.search(r" --version \d+\.\d+\.\d+ ", line) for line in charts)


def test_an_existing_cluster_gets_keda_and_the_chart_and_nothing_else(bare_machine) -> None:
    lines = plan("deploy", **bare_machine, TASKYARD_LOAD_IMAGE="bring --here")
    assert [line.split()[3] for line in lines if line.startswith("helm ")] == ["keda", "taskyard"]
    assert [line for line in lines if line.startswith("bring --here ")] == [
        f"bring --here taskyard-{part}:dev-of-contents" for part in ("api", "dispatcher", "worker", "flower")
    ]


def test_a_registry_gets_the_images_and_the_chart_takes_them_from_there(bare_machine) -> None:
    lines = plan("deploy", **bare_machine, TASKYARD_REGISTRY="registry.example:5000/team")
    assert "docker push --quiet registry.example:5000/team/taskyard-api:dev-of-contents" in lines
    assert "--set image.registry=registry.example:5000/team" in lines[-1]


def test_a_cluster_that_images_cannot_reach_is_refused_before_anything_is_built(bare_machine) -> None:
    done = call("images", "--plan", **bare_machine)
    assert done.returncode == 1
    assert "TASKYARD_REGISTRY" in done.stderr
    assert done.stdout == ""


def test_options_of_helm_are_passed_on(bare_machine) -> None:
    [*_, last] = plan("up", "--", "--set", "api.replicas=3", **bare_machine)
    assert last.endswith(" --set api.replicas=3")


def test_what_is_made_is_what_is_removed(bare_machine) -> None:
    for platform, removing in (("kind", "kind delete cluster"), ("minikube", "minikube delete")):
        assert position(plan("down", "--platform", platform, **bare_machine), removing) == 0


def test_a_diagnosis_asks_for_no_secret(bare_machine) -> None:
    lines = plan("diagnose", **bare_machine)
    assert position(lines, "kubectl get events") > 0
    assert not any("secret" in line for line in lines)


def test_a_port_of_the_cluster_is_open_to_this_machine_alone() -> None:
    text = (FOLDER / "kind.yaml").read_text(encoding="utf-8")
    assert text.count("hostPort:") == text.count("listenAddress: 127.0.0.1") == 1
