"""A real API server takes every object of every set of values that the chart is tested with: a dry run on the server.

It sees what schemas do not: rules in CEL, quantities, selectors that do not fit, pods that Pod Security refuses. Kinds
that the cluster does not know, of operators that are not installed, are left out and counted.
"""

import json

import pytest
import yaml

from helm.value_sets import FILES
from k8s.release import CHART


@pytest.fixture(scope="module")
def known(cluster):
    """The kinds that the cluster has, each with its API version."""
    lines = cluster.kubectl("api-resources", "--no-headers").splitlines()
    # NAME [SHORTNAMES] APIVERSION NAMESPACED KIND
    return {(words[-3], words[-1]) for words in map(str.split, lines)}


@pytest.mark.parametrize("name", FILES)
def test_the_api_server_takes_every_object(name, cluster, release, known, report):
    values = ["--values", str(FILES[name])] if FILES[name] else []
    rendered = release.helm("template", release.name, str(CHART), *values, "--set", "image.tag=1.0.0")
    objects = [made for made in yaml.safe_load_all(rendered) if made]
    taken = [made for made in objects if (made["apiVersion"], made["kind"]) in known]
    # A pod of its own (those of helm test) is refused where its service account is not there: that one is made.
    accounts = [made for made in taken if made["kind"] == "ServiceAccount"]
    cluster.apply(*accounts)
    said = cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--warnings-as-errors", "--filename", "-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": taken}),
    )  # fmt: skip
    report.add("dry run on the server", **{name: f"{len(taken)} of {len(objects)} objects"})
    assert len(said.splitlines()) == len(taken) > 0
