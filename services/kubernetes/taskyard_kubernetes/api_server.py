"""The cluster's API server: the few calls that are made to it, over its REST interface.

The token is read for each call, since Kubernetes replaces it within the hour. Lists come from the server's cache and
hold metadata alone: neither its database nor the specifications of hundreds of pods are read every few seconds.
"""

import os
import ssl
from collections.abc import Generator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx

from taskyard.errors import TaskyardError
from taskyard_kubernetes.costs import ANNOTATION, Pod, annotated

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_METADATA_ALONE: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_MERGE: Final = "application/merge-patch+json"
_TIMEOUT_S: Final = 10.0


class ClusterError(TaskyardError):
    """The API server cannot be reached, or refused a call."""

    code = "cluster"


class RefusedError(ClusterError):
    """The API server answered, but not as it was hoped. `status` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Token(httpx.Auth):
    """The service account's token, as it is at the moment of the call."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token to a request."""
        request.headers["Authorization"] = f"Bearer {self._file.read_text(encoding='ascii').strip()}"
        yield request


class ApiServer:
    """An API server, asked as `account` says: a folder with a token and its CA, or nobody in particular."""

    def __init__(self, url: str, account: Path | None) -> None:
        self._url = url
        self._account = account
        self._client: httpx.Client | None = None

    def worker_pods(self, namespace: str, selector: str) -> list[Pod]:
        """Return the pods that a label selector finds, but those that end already.

        Raises:
            ClusterError: as each call does.
        """
        answer = self._call(
            "GET",
            f"/api/v1/namespaces/{namespace}/pods",
            params={"labelSelector": selector, "resourceVersion": "0"},
            headers={"Accept": _METADATA_ALONE},
        )
        # Where there is none, the list of metadata alone is null.
        found = [item["metadata"] for item in answer["items"] or ()]
        return [
            Pod(pod["name"], annotated(pod.get("annotations") or {})) for pod in found if "deletionTimestamp" not in pod
        ]

    def set_cost(self, namespace: str, pod: str, cost: int) -> None:
        """Annotate a pod with its deletion cost."""
        self._patch(
            f"/api/v1/namespaces/{namespace}/pods/{pod}", {"metadata": {"annotations": {ANNOTATION: str(cost)}}}
        )

    def secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a Secret as Kubernetes writes it; None where there is none."""
        try:
            return self._call("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except RefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def create_secret(self, namespace: str, secret: Mapping[str, Any]) -> None:
        """Create a Secret; refused with 409 where there is one of its name."""
        self._call("POST", f"/api/v1/namespaces/{namespace}/secrets", json=secret)

    def add_to_secret(self, namespace: str, name: str, data: Mapping[str, str], version: str) -> None:
        """Add `data`, in Base64, to the Secret of `version`; refused with 409 where it was changed since."""
        change = {"metadata": {"resourceVersion": version}, "data": data}
        self._patch(f"/api/v1/namespaces/{namespace}/secrets/{name}", change)

    def close(self) -> None:
        """Close its connections; the next call opens others."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _patch(self, path: str, change: Mapping[str, Any]) -> None:
        self._call("PATCH", path, json=change, headers={"Content-Type": _MERGE})

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Return the answer's body.

        Raises:
            RefusedError: the server answered with an error.
            ClusterError: it did not answer.
        """
        try:
            response = self._open().request(method, path, **options)
        except (httpx.HTTPError, OSError) as error:
            self.close()  # the CA may have been replaced, too
            raise ClusterError(f"the API server cannot be asked: {type(error).__name__} {error}") from error
        if response.is_error:
            raise RefusedError(f"the API server refused to {method} {path}: {_said(response)}", response.status_code)
        content: dict[str, Any] = response.json()
        return content

    def _open(self) -> httpx.Client:
        if self._client is None:
            account = self._account
            self._client = httpx.Client(
                base_url=self._url,
                timeout=_TIMEOUT_S,
                trust_env=False,  # a proxy for the world outside knows nothing of the cluster
                auth=_Token(account / "token") if account else None,
                verify=ssl.create_default_context(cafile=account / "ca.crt") if account else True,
            )
        return self._client


def api_server(url: str) -> ApiServer:
    """Return the API server at `url`; where that is empty, the one of the cluster that this process runs in.

    Raises:
        ClusterError: it runs in none.
    """
    if url:
        return ApiServer(url, None)
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT_HTTPS", "443")
    if not host:
        raise ClusterError("this is no pod of a cluster: set TASKYARD_KUBERNETES_URL")
    return ApiServer(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}", SERVICE_ACCOUNT)


def own_namespace(namespace: str) -> str:
    """Return `namespace`; where that is empty, the one of the service account.

    Raises:
        ClusterError: there is none.
    """
    try:
        return namespace or (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ClusterError(f"no namespace is known: set TASKYARD_GUARD_NAMESPACE ({error})") from error


def _said(response: httpx.Response) -> str:
    """Return what the server says was wrong: a Status object, as a rule."""
    try:
        message = response.json()["message"]
    except (ValueError, LookupError, TypeError):
        message = response.text[:200]
    return f"{response.status_code} {message}"
