"""`maxTaskSeconds` is the one knob: from it follows whatever must outlast a task, or end it."""

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from helm.rendering import Rendering, render
from taskyard import handlers
from taskyard_worker.builtin import MODULES

STAGES = st.one_of(st.integers(1, 86400), st.sampled_from([1, 209, 210, 211, 240, 241, 600, 601, 1199, 1200, 1201]))

RABBITMQ = "consumer_timeout"


def pool(rendering: Rendering, name: str) -> dict:
    """Return the pod template of a pool's Deployment."""
    return rendering.get("Deployment", f"shop-worker-{name}")["spec"]["template"]


def environment(template: dict) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in template["spec"]["containers"][0]["env"]}


def policies(rendering: Rendering) -> list[dict]:
    [made] = [made for made in rendering.of_kind("ConfigMap") if "definitions.json" in made["data"]]
    return json.loads(made["data"]["definitions.json"])["policies"]


def timeout_of(rendering: Rendering, queue: str) -> int:
    """Return RabbitMQ's consumer timeout of a queue in ms, by the policy of highest priority that is for it."""
    meant = [policy for policy in policies(rendering) if re.search(policy["pattern"], queue)]
    return max(meant, key=lambda policy: policy["priority"])["definition"].get(
        "consumer-timeout", _of_the_server(rendering)
    )


def _of_the_server(rendering: Rendering) -> int:
    [text] = [text for made in rendering.of_kind("ConfigMap") for text in made["data"].values() if RABBITMQ in text]
    [timeout] = re.findall(rf"^{RABBITMQ} = (\d+)$", text, re.MULTILINE)
    return int(timeout)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seconds=STAGES, other=STAGES)
def test_everything_follows_from_it(seconds: int, other: int) -> None:
    """Two pools serve one queue, which must have patience for the slower of the two."""
    values = {
        "global": {"queues": [{"name": "default"}, {"name": "own"}]},
        "workers": {
            "pools": {
                "default": {"queues": ["default"], "maxTaskSeconds": seconds, "min": 0, "max": 2},
                "other": {"queues": ["default", "own"], "maxTaskSeconds": other, "min": 0, "max": 2},
            }
        },
    }
    rendering = render(values)
    for name, longest in (("default", seconds), ("other", other)):
        template = pool(rendering, name)
        env = environment(template)
        grace_s = template["spec"]["terminationGracePeriodSeconds"]
        assert env["TASKYARD_MAX_TASK_S"] == str(longest)
        assert grace_s == longest + 60
        assert grace_s > longest + float(env["TASKYARD_INTERRUPT_GRACE_S"])
        scaler = rendering.get("ScaledObject", f"shop-worker-{name}")["spec"]
        assert scaler["cooldownPeriod"] == max(300, grace_s + 30)
        annotations = template["metadata"].get("annotations", {})
        kept = {key for key, value in annotations.items() if (key, value) in KEPT}
        assert len(kept) == (2 if longest > 600 else 0)
    assert timeout_of(rendering, "tasks.default") == max(1_800_000, (max(seconds, other) + 600) * 1000)
    assert timeout_of(rendering, "tasks.own") == max(1_800_000, (other + 600) * 1000)
    assert timeout_of(rendering, "tasks.somebodys") >= timeout_of(rendering, "tasks.default")


KEPT = {("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"), ("karpenter.sh/do-not-disrupt", "true")}


def test_the_default_covers_every_built_in_kind() -> None:
    """None of them has its task cut short by a pool of the defaults."""
    limit = float(environment(pool(render({}), "default"))["TASKYARD_MAX_TASK_S"])
    assert all(kind.timeout_s <= limit for kind in handlers.load(MODULES).values())


def test_a_longer_interrupt_grace_prolongs_what_a_pod_has_to_end() -> None:
    template = pool(render({"workers": {"defaults": {"interruptGraceSeconds": 120}}}), "default")
    assert template["spec"]["terminationGracePeriodSeconds"] >= 360 + 120 + 30


def test_a_cooldown_of_ones_own_is_taken_as_it_is() -> None:
    values = {"autoscaling": {"keda": {"cooldownSeconds": 30}}, "workers": {"defaults": {"min": 0}}}
    [scaler] = render(values).of_kind("ScaledObject")
    assert scaler["spec"]["cooldownPeriod"] == 30


def test_a_pool_that_never_goes_to_zero_has_no_cooldown() -> None:
    """KEDA warns of one at each installation."""
    [scaler] = render({}).of_kind("ScaledObject")
    assert scaler["spec"]["minReplicaCount"] == 1
    assert "cooldownPeriod" not in scaler["spec"]


def test_eviction_can_be_allowed_or_forbidden_whatever_the_length() -> None:
    quick = pool(render({"workers": {"defaults": {"safeToEvict": False}}}), "default")
    assert quick["metadata"]["annotations"].items() >= KEPT
    values = {"workers": {"defaults": {"safeToEvict": True, "maxTaskSeconds": 7200}}}
    slow = pool(render(values), "default")
    assert not KEPT & slow["metadata"].get("annotations", {}).items()
