"""What will not do is refused when it is rendered, by a message that names the value to change."""

import pytest

from helm.rendering import CHART, RefusedError, render, run

TWO_QUEUES = {"queues": [{"name": "default"}, {"name": "mail"}]}
GATEWAY = {"enabled": True, "parentRefs": [{"name": "public"}]}
WRONG = {
    "more connections than the server takes": (
        {"workers": {"defaults": {"max": 40}}},
        ["postgresql.maxConnections", "200", "workers.pools"],
    ),
    "more connections than the external server takes": (
        {
            "database": {"mode": "external", "external": {"existingSecret": "mine", "maxConnections": 50}},
            "postgresql": {"enabled": False},
        },
        ["database.external.maxConnections", "50"],
    ),
    "a pool that serves a queue nobody listed": (
        {"workers": {"pools": {"mails": {"queues": ["mial"]}}}},
        ["workers.pools.mails.queues", '"mial"', "global.queues", "default"],
    ),
    "a pool without queues": ({"workers": {"pools": {"idle": {}}}}, ["workers.pools.idle.queues"]),
    "a pool that serves a queue twice": (
        {"workers": {"pools": {"default": {"queues": ["default", "default"]}}}},
        ["workers.pools.default.queues", "twice"],
    ),
    "a queue that is listed twice": (
        {"global": {"queues": [{"name": "default"}, {"name": "default"}]}},
        ["global.queues", "twice"],
    ),
    "a pool called as a part is": (
        {"workers": {"pools": {"api": {"queues": ["default"]}}}},
        ["workers.pools.api", "name of a part"],
    ),
    "an ingress and a gateway": (
        {"ingress": {"enabled": True, "host": "a.example"}, "gateway": GATEWAY},
        ["ingress.enabled", "gateway.enabled"],
    ),
    "an ingress without a host": ({"ingress": {"enabled": True}}, ["ingress.host"]),
    "a gateway to attach to nothing": ({"gateway": {"enabled": True}}, ["gateway.parentRefs"]),
    "one host for two": (
        {"ingress": {"enabled": True, "host": "a.example", "flowerHost": "a.example"}},
        ["ingress.flowerHost"],
    ),
    "an hpa that goes to zero": (
        {"autoscaling": {"mode": "hpa"}, "workers": {"defaults": {"min": 0}}},
        ["workers.pools.default.min", "keda"],
    ),
    "more pods at least than at most": (
        {"workers": {"pools": {"default": {"min": 9, "max": 3}}}},
        ["workers.pools.default.min", "9", "3"],
    ),
    "more of the api at least than at most": (
        {"api": {"autoscaling": {"enabled": True, "min": 5, "max": 4}}},
        ["api.autoscaling.min", "5", "4"],
    ),
    "a window smaller than the pools": ({"dispatcher": {"window": 10}}, ["dispatcher.window", "10", "80"]),
    "a queue shorter than the window": ({"rabbitmq": {"maxLength": 1000}}, ["rabbitmq.maxLength", "1000"]),
    "gitops with random secrets": (
        {"global": {"gitops": {"enabled": True}}},
        ["secrets.mode", "global.gitops.enabled", "job"],
    ),
    "existing secrets that are not named": (
        {"secrets": {"mode": "existing"}, "rabbitmq": {"existingSecret": "mine"}},
        ["postgresql.existingSecret", "flower.existingSecret", "auth.existingSecret"],
    ),
    "a test without a key": (
        {"migrations": {"enabled": False}},
        ["auth.existingSecret", "tests.enabled", "migrations.enabled"],
    ),
    "a URL for a part in the chart's own servers": (
        {
            "database": {"urls": {"worker": {"secret": "mine", "key": "url"}}},
            "broker": {"managementUrls": {"keda": {"secret": "mine", "key": "url"}}},
        },
        ["database.urls", "database.mode", "broker.managementUrls", "broker.mode"],
    ),
    "a URL for a part that there is not": (
        {"database": {"urls": {"flower": {"secret": "mine", "key": "url"}}}},
        ["/database/urls", "flower"],
    ),
    "a URL without a key": ({"broker": {"urls": {"worker": {"secret": "mine"}}}}, ["/broker/urls/worker", "key"]),
    "an unknown way to let in": ({"auth": {"mode": "off"}}, ["/auth/mode", "keys"]),
    "an external database and one of the chart's own": (
        {"database": {"mode": "external", "external": {"existingSecret": "mine"}}},
        ["postgresql.enabled", "database.mode"],
    ),
    "no database at all": ({"postgresql": {"enabled": False}}, ["database.mode", "postgresql.enabled"]),
    "no broker at all": ({"rabbitmq": {"enabled": False}}, ["broker.mode", "rabbitmq.enabled"]),
    "an external broker nobody can find": (
        {"broker": {"mode": "external"}, "rabbitmq": {"enabled": False}},
        ["broker.external.existingSecret"],
    ),
    "two nodes of rabbitmq": ({"rabbitmq": {"replicas": 2}}, ["/replicas", "1, 3, 5"]),
    "an unknown mode": ({"autoscaling": {"mode": "vpa"}}, ["/autoscaling/mode", "keda"]),
    "a number as text": ({"api": {"replicas": "two"}}, ["/api/replicas"]),
    "a name that Kubernetes would not take": (
        {"workers": {"pools": {"Upper_Case": {"queues": ["default"]}}}},
        ["Upper_Case"],
    ),
    "an admission of everything by an unknown namespace": (
        {"global": {"networkPolicy": {"ingressNamespaces": "traefik"}}},
        ["/global/networkPolicy/ingressNamespaces"],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_it_is_refused_and_said_why(wrong) -> None:
    values, said = WRONG[wrong]
    with pytest.raises(RefusedError) as refused:
        render(values)
    assert [part for part in said if part not in str(refused.value)] == [], str(refused.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    values = {
        "ingress": {"enabled": True},
        "workers": {"pools": {"default": {"min": 9, "max": 3}}},
        "dispatcher": {"window": 1},
    }
    with pytest.raises(RefusedError) as refused:
        render(values)
    for name in ("ingress.host", "workers.pools.default.min", "dispatcher.window"):
        assert name in str(refused.value)


def test_what_is_wrong_in_a_pool_that_is_off_is_no_matter() -> None:
    assert render({"workers": {"pools": {"later": {"enabled": False, "queues": ["not-yet"]}}}}).objects


def test_connections_are_counted_to_the_last() -> None:
    """One fewer than is needed is refused, and the message says how many are."""
    values = {"workers": {"defaults": {"max": 40}}}
    with pytest.raises(RefusedError) as refused:
        render(values)
    needed = int(str(refused.value).split("open up to ")[1].split()[0])
    assert render(values | {"postgresql": {"maxConnections": needed}}).objects
    with pytest.raises(RefusedError):
        render(values | {"postgresql": {"maxConnections": needed - 1}})


def test_a_release_whose_name_no_service_could_have_is_refused() -> None:
    """Helm takes a dot, or a digit at first; the DNS label of a Service does not."""
    for release in ("a.b", "1shop"):
        done = run("template", release, str(CHART))
        assert done.returncode == 1, release
        assert "global.fullnameOverride" in done.stderr
