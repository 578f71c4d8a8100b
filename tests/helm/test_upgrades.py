"""What an upgrade finds in the cluster: passwords that stay, and servers whose data the new ones cannot read."""

import base64

import pytest

from helm.cluster import cluster
from helm.rendering import NAMESPACE, Object, RefusedError, Rendering, render

KEDA = ("keda.sh/v1alpha1",)


def upgraded(values: dict, *there: Object, helm: str = "4", apis: tuple[str, ...] = KEDA) -> Rendering:
    """Render an upgrade in a cluster that has these objects and APIs."""
    with cluster(*there, apis=apis) as address:
        return render(values, server=address, upgrade=True, helm=helm)


def secret(name: str, **data: str) -> Object:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": encoded}


def server(name: str, image: str) -> Object:
    """Return a StatefulSet as it runs."""
    container = {"name": name, "image": image}
    template = {"spec": {"containers": [container]}}
    metadata = {"name": f"shop-{name}", "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": {"template": template}}


@pytest.mark.parametrize("helm", ["3", "4"])
def test_passwords_that_are_there_stay(helm) -> None:
    """The servers took them into their data; one that is missing is made."""
    there = secret("shop-postgresql", password="old")
    made = upgraded({}, there, helm=helm).get("Secret", "shop-postgresql")["data"]
    assert made["password"] == there["data"]["password"]
    assert len(base64.b64decode(made["postgres-password"])) >= 24


@pytest.mark.parametrize("helm", ["3", "4"])
def test_from_a_release_without_logins_secrets_gain_keys_and_lose_none(helm) -> None:
    """Pods of that release, which still run, and a rollback to it need what it had."""
    there = [
        secret("shop-postgresql", **{"postgres-password": "a", "password": "b"}),
        secret("shop-rabbitmq", **{"password": "c", "keda-password": "d", "erlang-cookie": "e"}),
    ]
    rendering = upgraded({}, *there, helm=helm)
    for old in there:
        made = rendering.get("Secret", old["metadata"]["name"])["data"]
        assert made.items() >= old["data"].items()
        assert {"dispatcher-password", "worker-password"} <= made.keys()
    assert rendering.get("Secret", "shop-auth")["data"].keys() == {"first-key"}


def test_a_first_key_that_is_there_stays() -> None:
    there = secret("shop-auth", **{"first-key": "k" * 48})
    assert upgraded({}, there).get("Secret", "shop-auth")["data"] == there["data"]


def test_the_servers_start_anew_for_other_users_and_for_nothing_else() -> None:
    """By what is in their pods' templates: users and roles are made at a start."""

    def hashes(rendering: Rendering) -> dict[str, Object]:
        return {pod.owner: pod.metadata["annotations"] for pod in rendering.pods if pod.owner.startswith("Stateful")}

    there = secret("shop-rabbitmq", **{"worker-password": "old"})
    assert hashes(render({})) == hashes(upgraded({"image": {"tag": "2"}}, there))
    assert "taskyard.dev/users-hash" in hashes(render({}))["StatefulSet/shop-rabbitmq"]


def test_gitops_does_not_ask_the_cluster() -> None:
    values = {"global": {"gitops": {"enabled": True}}, "secrets": {"mode": "job"}}
    there = [secret("shop-postgresql", password="old"), server("rabbitmq", "rabbitmq:3.8-management")]
    assert upgraded(values, *there).objects == render(values, upgrade=True).objects


@pytest.mark.parametrize(
    "old",
    ["rabbitmq:4.3.0-management", "rabbitmq:4.2.7-management", "mirror.example:5000/all/rabbitmq:4.2-management"],
)
def test_rabbitmq_goes_up_by_one_minor(old) -> None:
    assert upgraded({}, server("rabbitmq", old)).objects


@pytest.mark.parametrize(
    "old", ["rabbitmq:4.1.4-management", "rabbitmq:3.13.7-management", "rabbitmq:4.4.0-management"]
)
def test_rabbitmq_skips_no_minor_and_never_goes_back(old) -> None:
    with pytest.raises(RefusedError, match=r"rabbitmq\.image\.tag"):
        upgraded({}, server("rabbitmq", old))
    assert upgraded({"rabbitmq": {"upgradeGuard": False}}, server("rabbitmq", old)).objects


def test_postgresql_keeps_its_major() -> None:
    assert upgraded({}, server("postgresql", "postgres:18.1")).objects
    with pytest.raises(RefusedError, match=r"postgresql\.image\.tag"):
        upgraded({}, server("postgresql", "postgres:17.6"))
    assert upgraded({"postgresql": {"upgradeGuard": False}}, server("postgresql", "postgres:17.6")).objects


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "autoscaling.mode"),
        ({"autoscaling": {"mode": "none"}, "monitoring": {"rules": {"enabled": True}}}, "monitoring.rules.enabled"),
        (
            {"autoscaling": {"mode": "none"}, "gateway": {"enabled": True, "parentRefs": [{"name": "a"}]}},
            "gateway.enabled",
        ),
    ],
)
def test_what_the_cluster_does_not_have_is_said_before_anything_is_made(values, said) -> None:
    with pytest.raises(RefusedError, match=said):
        upgraded(values, apis=())


def test_a_cluster_that_has_it_all_is_content() -> None:
    values = {
        "monitoring": {each: {"enabled": True} for each in ("serviceMonitor", "podMonitor", "rules")},
        "gateway": {"enabled": True, "parentRefs": [{"name": "a"}]},
    }
    apis = (*KEDA, "monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1")
    assert upgraded(values, apis=apis).objects


def test_what_cannot_be_changed_does_not_change() -> None:
    """Selectors and claims are immutable; the templates of Jobs are, and so another one has another name."""
    old = render({})
    new = render(
        {
            "image": {"tag": "9.9.9"},
            "global": {"commonLabels": {"team": "tasks"}},
            "config": {"TASKYARD_LOG_LEVEL": "debug"},
        }
    )
    for made in old.of_kind("Deployment", "StatefulSet"):
        spec = new.get(made["kind"], made["metadata"]["name"])["spec"]
        assert spec["selector"] == made["spec"]["selector"]
        assert spec.get("volumeClaimTemplates") == made["spec"].get("volumeClaimTemplates")
    jobs = {made["metadata"]["name"]: made["spec"]["template"] for made in old.of_kind("Job")}
    for made in new.of_kind("Job"):
        assert jobs.get(made["metadata"]["name"], made["spec"]["template"]) == made["spec"]["template"]
