"""What Taskyard takes: the memory of each pod, by the kubelet, and the size of each image, by Docker."""

import json
import shutil
from collections.abc import Mapping

from k8s.cluster import Cluster, CommandError, command
from k8s.release import image

MIB = 1024 * 1024
PARTS = ("api", "dispatcher", "worker", "flower")


def memory_mib(cluster: Cluster) -> Mapping[str, int]:
    """Return the working set of each pod in MiB. The kubelet looks at them every few seconds."""
    found = {}
    for node in {pod.node for pod in cluster.pods()} - {""}:
        summary = json.loads(command("kubectl", "get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
        for pod in summary["pods"]:
            if pod["podRef"]["namespace"] == cluster.namespace and (
                used := pod.get("memory", {}).get("workingSetBytes")
            ):
                found[pod["podRef"]["name"]] = round(used / MIB)
    return found


def image_mib(tag: str) -> Mapping[str, int]:
    """Return the size of each part's image in MiB, unpacked; nothing where Docker does not have them."""
    if shutil.which("docker") is None:
        return {}
    try:
        sizes = {
            part: command("docker", "image", "inspect", "--format", "{{.Size}}", image(part, tag)) for part in PARTS
        }
    except CommandError:
        return {}
    return {part: round(int(size) / MIB) for part, size in sizes.items()}
