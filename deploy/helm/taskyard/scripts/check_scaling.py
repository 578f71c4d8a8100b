"""`helm test`: KEDA says of each pool's ScaledObject that it is ready, so it can ask RabbitMQ.

TEST_NAMESPACE, TEST_SCALED_OBJECTS: names, separated by commas. TEST_READY_S: seconds that they have to become ready.
"""

import json
import os
import ssl
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PAUSE_S = 2.0


def scaled_object(namespace: str, name: str) -> dict[str, Any]:
    """Return the ScaledObject as the API server has it."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    address = f"[{host}]" if ":" in host else host
    url = f"https://{address}:{port}/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects/{name}"
    token = (ACCOUNT / "token").read_text()
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310 - the cluster's own
        return dict(json.load(answer))


def ready(found: dict[str, Any]) -> tuple[bool, str]:
    """Return whether it is, and what KEDA says to it."""
    for condition in found.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready":
            return condition["status"] == "True", condition.get("message", "")
    return False, "KEDA has not looked at it"


def main() -> None:
    """Wait for each; exit with 1 and the reason where one does not become ready."""
    deadline = time.monotonic() + float(os.environ["TEST_READY_S"])
    for name in os.environ["TEST_SCALED_OBJECTS"].split(","):
        while True:
            is_ready, message = ready(scaled_object(os.environ["TEST_NAMESPACE"], name))
            if is_ready:
                break
            if time.monotonic() > deadline:
                sys.exit(f"{name} is not ready: {message}")
            time.sleep(PAUSE_S)
        print(f"{name} is ready: {message}", flush=True)


if __name__ == "__main__":
    main()
