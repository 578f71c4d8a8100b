"""A namespace, and in it a release, for each module of tests: they prove what happens in a cluster, from outside.

Nothing here reaches into Taskyard: what is seen is what Helm, kubectl and the API say. `make e2e-k8s` runs it; plain
`make test` does not, for it needs a cluster, and half an hour.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from k8s.api import Api, proxy
from k8s.cluster import Cluster
from k8s.inside import start
from k8s.release import Release, image
from k8s.report import Report

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / ".dev/e2e-k8s"
REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run be shorter than the proof."""
    group = parser.getgroup("k8s", "Taskyard on Kubernetes")
    group.addoption("--tag", default="e2e", help="tag of the images, in the cluster already")
    group.addoption("--next-tag", default="e2e-next", help="tag to upgrade to, in the cluster already")
    group.addoption("--namespace", default="taskyard-e2e", help="namespaces begin with this")
    group.addoption("--keep", action="store_true", help="leave the namespaces, to look into them")
    group.addoption("--set", action="append", default=[], help="more values, as for helm: global.storageClass=fast")
    group.addoption("--tasks", type=int, default=300, help="tasks of the test of scaling")
    group.addoption("--requests", type=int, default=5000, help="requests during an upgrade, and during a rollback")
    group.addoption("--kill-minutes", type=float, default=5.0, help="how long pods are killed")
    group.addoption("--kill-seed", type=int, default=None, help="what is killed when; printed by each run")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the report."""
    config.stash[REPORT] = Report()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the time that a cluster takes."""
    for item in items:
        item.add_marker(pytest.mark.timeout(3600))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures and write them down."""
    report = config.stash[REPORT]
    if report.sections:
        terminalreporter.section("figures")
        for line in report.lines():
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"all of them: {report.write(REPORTS).relative_to(ROOT)}")


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    for tool in ("kubectl", "helm"):
        if shutil.which(tool) is None:
            pytest.exit(f"{tool} is not on PATH; docs/kubernetes.md says where to get it", returncode=1)


@pytest.fixture(scope="session")
def report(pytestconfig) -> Report:
    """Where figures go."""
    return pytestconfig.stash[REPORT]


@pytest.fixture(scope="module")
def cluster(request, pytestconfig) -> Iterator[Cluster]:
    """An empty namespace of the module's own."""
    part = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    made = Cluster(f"{pytestconfig.option.namespace}-{part}")
    made.remove()
    made.create()
    yield made
    if not pytestconfig.option.keep:
        made.remove()


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """Reaches Kubernetes' API as kubectl does."""
    with proxy() as url, httpx.Client(base_url=url, timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def release(cluster, client, pytestconfig) -> Release:
    """A release that is not installed yet."""
    api = Api(client, cluster, "taskyard-api", image("worker", pytestconfig.option.tag))
    return Release(cluster, api, pytestconfig.option.tag, settings=tuple(pytestconfig.getoption("--set")))


@pytest.fixture(scope="module")
def program(cluster, pytestconfig) -> Callable[..., Any]:
    """Starts a program in the cluster, in the worker's image, which has httpx."""

    def started(name: str, *arguments: object, text: str = "") -> Any:
        return start(cluster, name, *arguments, image=image("worker", pytestconfig.option.tag), text=text)

    return started


@pytest.fixture(scope="module")
def audit(program, release) -> Callable[..., Any]:
    """Waits for the end of these tasks and tells how each came to it; see programs/audit.py."""

    def audited(ids: list[int], deadline_s: float) -> Any:
        running = program("audit", release.api.inside_url, deadline_s, text=json.dumps(ids))
        return running.result(deadline_s + 120)

    return audited
