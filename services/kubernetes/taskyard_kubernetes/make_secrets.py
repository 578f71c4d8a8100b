"""Making Secrets: those that do not exist are created, those that lack keys get them, nothing that is there changes."""

from collections.abc import Iterable
from http import HTTPStatus

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from taskyard_kubernetes.api_server import ApiServer, ClusterError, RefusedError
from taskyard_kubernetes.secrets_spec import SecretSpec


def make(server: ApiServer, namespace: str, spec: SecretSpec, wait_s: float) -> str:
    """Make one Secret, and say what was done; waits up to `wait_s` for an API server that is away.

    Safe to run many times, also at once: whoever comes second finds what the first has made.

    Raises:
        ClusterError: the API server is away, or refuses.
    """
    return Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_delay(wait_s),
        wait=wait_random_exponential(multiplier=0.2, max=3),
        reraise=True,
    )(_make, server, namespace, spec)


def make_all(server: ApiServer, namespace: str, specs: Iterable[SecretSpec], wait_s: float) -> list[str]:
    """Make all of `specs`; return a line for each."""
    return [f"{spec.name}: {make(server, namespace, spec, wait_s)}" for spec in specs]


def _make(server: ApiServer, namespace: str, spec: SecretSpec) -> str:
    found = server.secret(namespace, spec.name)
    if found is None:
        server.create_secret(namespace, spec.manifest())
        return "created"
    missing = spec.missing(found.get("data") or {})
    if not missing:
        return "has all its keys"
    server.add_to_secret(namespace, spec.name, missing, found["metadata"]["resourceVersion"])
    return f"got {', '.join(sorted(missing))}"


def _may_pass(error: BaseException) -> bool:
    """Whether another try may fare better: somebody was faster, or the server is away or overloaded."""
    if isinstance(error, RefusedError):
        return (
            error.status in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
            or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        )
    return isinstance(error, ClusterError)
