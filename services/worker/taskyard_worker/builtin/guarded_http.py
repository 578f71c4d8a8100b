"""An httpx transport that reaches public addresses only, and keeps one deadline for everything it does.

A check of the URL, or of a name before the request, is no guard: the name may resolve differently a moment later, and
a redirect leads anywhere. So the check is made where the connection is: `Dialer` resolves the name once, checks what
came out, and connects to those very addresses. TLS and the Host header still get the name, from httpcore.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx
from typing_extensions import override

from taskyard_worker.builtin.addresses import is_public


class RefusedError(Exception):
    """The destination is one that this worker does not talk to; trying again cannot help."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of `host`, as the system resolves it: literals in every notation included.

    Raises:
        httpcore.ConnectError: the name does not resolve just now.
        RefusedError: it is no name at all.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except socket.gaierror as error:
        raise httpcore.ConnectError(f"cannot resolve {host}: {error.strerror}") from error
    except UnicodeError as error:
        raise RefusedError(f"{host!r} is no host name") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True, slots=True)
class Dialer(httpcore.NetworkBackend):
    """Opens connections to checked addresses; `deadline` is on the monotonic clock, in seconds."""

    deadline: float
    allow_private: bool = False
    resolve: Callable[[str, int], Sequence[str]] = resolve
    inner: httpcore.NetworkBackend = field(default_factory=httpcore.SyncBackend)

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of `host` that answers before the deadline.

        Raises:
            RefusedError: an address of `host` is not public, and private ones are not allowed.
            httpcore.ConnectError, httpcore.ConnectTimeout: none answered.
        """
        addresses = self._checked(host, port)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for tried, address in enumerate(addresses):
            # an address that swallows packets leaves the others their share of the time
            share_s = _left_s(self.deadline, httpcore.ConnectTimeout) / (len(addresses) - tried)
            try:
                stream = self.inner.connect_tcp(address, port, share_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Timed(stream, self.deadline)
        raise failure

    def _checked(self, host: str, port: int) -> Sequence[str]:
        addresses = self.resolve(host, port)
        inside = [] if self.allow_private else [address for address in addresses if not is_public(ip_address(address))]
        if inside:
            raise RefusedError(
                f"{host} is at {inside[0]}, which is not public; TASKYARD_HTTP_ALLOW_PRIVATE=true allows it"
            )
        return addresses


class GuardedTransport(httpx.BaseTransport):
    """What an `httpx.Client` sends through; each request, so each hop of a redirect, is checked anew."""

    def __init__(self, dialer: Dialer) -> None:
        self._pool = httpcore.ConnectionPool(ssl_context=_tls(), network_backend=dialer)

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; errors are httpcore's, beside `RefusedError`."""
        url = request.url
        _check(url)
        assert isinstance(request.stream, httpx.SyncByteStream)  # noqa: S101 - true of every request of a sync client
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    @override
    def close(self) -> None:
        """Close what is still open."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """The body of an answer, as httpx wants it."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    @override
    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    @override
    def close(self) -> None:
        self._answer.close()


class _Timed(httpcore.NetworkStream):
    """A stream whose every wait ends at the deadline, so that a server cannot stretch it byte by byte."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left_s(self._deadline, httpcore.ReadTimeout))

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left_s(self._deadline, httpcore.WriteTimeout))

    @override
    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left_s = _left_s(self._deadline, httpcore.ConnectTimeout)
        return _Timed(self._inner.start_tls(ssl_context, server_hostname, left_s), self._deadline)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    @override
    def close(self) -> None:
        self._inner.close()


def _check(url: httpx.URL) -> None:
    if url.scheme not in {"http", "https"} or not url.host:
        raise RefusedError(
            f"{url.scheme or 'an address without a scheme'} is not spoken here: only http and https, with a host"
        )
    if url.userinfo:
        raise RefusedError("a URL must not carry credentials; send an Authorization header")


def _left_s(deadline: float, late: type[Exception]) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise late("the time for the request is up")
    return left_s


@cache  # reading the certificates takes longer than most requests
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
