"""Every pod, hooks and tests included, may run in a namespace where Pod Security admission enforces `restricted`."""

import pytest

from helm.rendering import PodTemplate
from helm.value_sets import each_set, rendering_of

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def restricted_faults(pod: PodTemplate) -> list[str]:
    """Return what the restricted Pod Security Standard has against a pod, check by check."""
    spec, context = pod.spec, pod.spec.get("securityContext", {})
    faults = [f"{key} is on" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            faults.append(f"volume {volume['name']} is a {kinds}")
    for container in pod.containers:
        faults += [f"{container['name']}: {fault}" for fault in _container_faults(container, context)]
    faults += [f"sysctl {sysctl['name']}" for sysctl in context.get("sysctls", [])]
    return faults


def _container_faults(container: dict, of_pod: dict) -> list[str]:
    own = container.get("securityContext", {})
    both = of_pod | own
    capabilities = own.get("capabilities", {})
    wanted = {
        "privileged": not own.get("privileged"),
        "escalation": own.get("allowPrivilegeEscalation") is False,
        "capabilities": capabilities.get("drop") == ["ALL"] and not capabilities.get("add"),
        "runAsNonRoot": both.get("runAsNonRoot") is True,
        "runAsUser": both.get("runAsUser", 1) != 0,
        "seccomp": both.get("seccompProfile", {}).get("type") == "RuntimeDefault",
        "procMount": own.get("procMount", "Default") == "Default",
        "SELinux": not both.get("seLinuxOptions"),
        "hostPorts": not any(port.get("hostPort") for port in container.get("ports", [])),
        "lifecycle and probes stay on the pod": not _hosts_probed(container),
    }
    return [name for name, holds in wanted.items() if not holds]


def _hosts_probed(container: dict) -> list[str]:
    probes = [container.get(probe, {}) for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
    return [probe["httpGet"]["host"] for probe in probes if "host" in probe.get("httpGet", {})]


@each_set
def test_every_pod_keeps_to_the_restricted_standard(name) -> None:
    faults = {pod.owner: faults for pod in rendering_of(name).pods if (faults := restricted_faults(pod))}
    assert faults == {}


def test_a_pod_that_says_nothing_is_not_restricted() -> None:
    """The checks above see what is missing."""
    pod = PodTemplate("Pod/bare", {}, {"hostNetwork": True, "containers": [{"name": "bare", "image": "bare"}]})
    assert restricted_faults(pod) == [
        "hostNetwork is on",
        "bare: escalation",
        "bare: capabilities",
        "bare: runAsNonRoot",
        "bare: seccomp",
    ]


@each_set
def test_no_container_can_write_to_its_image(name) -> None:
    writable = [
        (pod.owner, container["name"])
        for pod in rendering_of(name).pods
        for container in pod.containers
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True
    ]
    assert writable == []


@each_set
def test_every_container_says_what_it_needs(name) -> None:
    """No limit of processor time: it slows what could run, and protects nobody that requests do not."""
    for pod in rendering_of(name).pods:
        for container in pod.containers:
            which = (pod.owner, container["name"])
            resources = container.get("resources", {})
            assert resources.get("requests", {}).keys() == {"cpu", "memory", "ephemeral-storage"}, which
            assert resources.get("limits", {}).keys() == {"memory", "ephemeral-storage"}, which


@each_set
def test_only_who_asks_the_api_server_has_a_token(name) -> None:
    rendering = rendering_of(name)
    for account in rendering.of_kind("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False, account["metadata"]["name"]
    with_token = {pod.component for pod in rendering.pods if pod.spec["automountServiceAccountToken"] is not False}
    assert with_token <= {"guard", "make-secrets", "test"}
    assert all("guard" in with_token for pod in rendering.pods if pod.component == "guard")


@each_set
def test_only_who_has_a_token_has_rights(name) -> None:
    """And none has more than it uses: no wildcards, no Secrets read but those that are made."""
    rendering = rendering_of(name)
    assert not rendering.of_kind("ClusterRole", "ClusterRoleBinding")
    accounts = {pod.spec["serviceAccountName"] for pod in rendering.pods if pod.spec["automountServiceAccountToken"]}
    bound = {subject["name"] for made in rendering.of_kind("RoleBinding") for subject in made["subjects"]}
    assert bound == accounts
    for role in rendering.of_kind("Role"):
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            if "secrets" in rule["resources"]:
                assert rule["verbs"] == ["create"] or rule["resourceNames"]


@each_set
def test_no_pod_gets_variables_of_other_services(name) -> None:
    """A Service named flower would set FLOWER_PORT, which Flower takes for its own."""
    assert all(pod.spec.get("enableServiceLinks") is False for pod in rendering_of(name).pods)


@each_set
def test_a_service_account_with_rights_is_of_one_part_alone(name) -> None:
    """No pod runs under the namespace's own account, to which anybody may give rights."""
    owners: dict[str, set[str]] = {}
    for pod in rendering_of(name).pods:
        owners.setdefault(pod.spec["serviceAccountName"], set()).add(pod.component)
    bound = {subject["name"] for made in rendering_of(name).of_kind("RoleBinding") for subject in made["subjects"]}
    assert "default" not in owners
    assert {account: parts for account, parts in owners.items() if len(parts) > 1 and account in bound} == {}


@pytest.mark.parametrize("component", ["api", "dispatcher", "worker", "flower", "guard"])
def test_a_part_that_serves_is_watched(component) -> None:
    """All three probes, over HTTP, and liveness slower than readiness."""
    [pod] = [pod for pod in rendering_of("defaults").pods if pod.component == component]
    [container] = pod.spec["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        port = container[probe]["httpGet"]["port"]
        assert port in {port["name"] for port in container["ports"]}
    live, ready = container["livenessProbe"], container["readinessProbe"]
    assert live["periodSeconds"] * live["failureThreshold"] > ready["periodSeconds"] * ready["failureThreshold"]
