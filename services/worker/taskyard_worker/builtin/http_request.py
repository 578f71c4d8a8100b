"""The kind `http.request`: calls a URL, and tries again where that may help.

expected status ─▶ result
5xx, 408, 425, 429, no connection, no answer in time ─▶ Retry, after what `Retry-After` names
any other status, a destination that is refused ─▶ Discard
"""

import base64
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Final, Literal, Self

import httpcore
import httpx
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from taskyard import Context, Discard, Retry, task
from taskyard_worker.builtin.guarded_http import Dialer, GuardedTransport, RefusedError

MAX_REDIRECTS: Final = 5
MAX_BODY_BYTES: Final = 384 * 1024  # escaped as JSON, or as base64, it still fits into a result
LONGEST_WAIT_S: Final = 86_400.0
_PASSING: Final = frozenset({408, 425, 429}) | frozenset(range(500, 600))
_HEADER: Final = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"
_OWN: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})
_KEPT_ABROAD: Final = frozenset({"accept", "accept-language", "content-type", "user-agent"})
_SECRET: Final = ("authorization", "proxy-authorization", "cookie", "x-api-key")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_BINARY: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")

HeaderName = Annotated[str, Field(pattern=_HEADER)]
HeaderValue = Annotated[str, Field(pattern=r"^[\t\x20-\x7e]*$", max_length=8192)]
Status = Annotated[int, Field(ge=100, le=599)]
StatusRange = Annotated[str, Field(pattern=r"^[1-5][0-9]{2}-[1-5][0-9]{2}$")]


class HttpSettings(BaseSettings):
    """Where this worker may connect to, from `TASKYARD_HTTP_…`."""

    model_config = SettingsConfigDict(env_prefix="TASKYARD_HTTP_", env_ignore_empty=True, frozen=True)

    allow_private: bool = Field(False, description="let http.request reach addresses that are not public")


class HttpRequest(BaseModel):
    """What to send, and what to expect."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            # as the validator below has it, so that the API, too, refuses both
            "if": {"required": ["json"]},
            "then": {"properties": {"body": {"const": None}}},
            "examples": [
                {"url": "https://example.com/health"},
                {
                    "method": "POST",
                    "url": "https://example.com/hooks/7",
                    "json": {"paid": True},
                    "expected_status": [202],
                },
            ],
        },
    )

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    url: Annotated[
        str,
        Field(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://", max_length=8192, description="http or https, without credentials"),
    ]
    headers: Annotated[
        dict[HeaderName, HeaderValue],
        Field(
            max_length=64,
            description="headers to send; a redirect to another origin gets only the harmless ones",
            json_schema_extra={"additionalProperties": False},  # else the schema lets malformed names pass
        ),
    ] = {}
    body: Annotated[str | None, Field(description="text to send as UTF-8; not together with json")] = None
    json_: Annotated[Any, Field(alias="json", description="JSON to send; not together with body")] = None
    expected_status: Annotated[
        list[Status | StatusRange],
        Field(min_length=1, max_length=20, description='statuses that count as success, such as [200, "300-399"]'),
    ] = ["200-299"]
    timeout_s: Annotated[
        float, Field(gt=0, le=300, description="time for all of it, redirects included, in seconds")
    ] = 30.0
    follow_redirects: Annotated[bool, Field(description=f"follow up to {MAX_REDIRECTS} redirects")] = True
    max_body_bytes: Annotated[
        int, Field(ge=0, le=MAX_BODY_BYTES, description="how much of the answer to keep, in bytes")
    ] = MAX_BODY_BYTES // 2
    idempotency_key: Annotated[
        bool,
        Field(description="send the task's key as Idempotency-Key with POST, PUT and PATCH, the same in each attempt"),
    ] = True

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and "json_" in self.model_fields_set:
            raise ValueError("give body or json, not both")
        if own := sorted(name for name in self.headers if name.lower() in _OWN):
            raise ValueError(f"the header {own[0]} is set by the connection and cannot be given")
        return self

    def expects(self, status: int) -> bool:
        """Whether `status` counts as success."""
        return any(_covers(expected, status) for expected in self.expected_status)


class HttpAnswer(BaseModel):
    """What came back from `url`, which is the last one after redirects."""

    status: int
    url: str
    headers: dict[str, str]
    body: str
    encoding: Annotated[Literal["utf-8", "base64"], Field(description="base64 where the body is no UTF-8 text")]
    truncated: Annotated[bool, Field(description="whether there was more than max_body_bytes")]
    elapsed_ms: float


# the longest payload timeout, and time to record what came of it
@task("http.request", timeout_s=330, max_attempts=5, redact=[f"headers.{name}" for name in _SECRET])
def send(ctx: Context, request: HttpRequest) -> HttpAnswer:
    """Call a URL and keep the answer; failures that may pass are tried again, others end the task."""
    started = time.monotonic()
    dialer = Dialer(started + request.timeout_s, allow_private=HttpSettings().allow_private)
    answer = exchange(request, ctx.idempotency_key, dialer, started)
    if problem := verdict(request, answer, datetime.now(UTC)):
        raise problem
    return answer


def exchange(request: HttpRequest, key: str, dialer: Dialer, started: float) -> HttpAnswer:
    """Send `request` through `dialer` and return what came back, whatever its status.

    Raises:
        Retry: nothing came back, or not in time.
        Discard: the destination, or where it redirects to, is refused.
    """
    own = {"User-Agent": "taskyard", "Accept-Encoding": "identity"}  # a compressed answer could unfold to any size
    try:
        with httpx.Client(transport=GuardedTransport(dialer), headers=own, trust_env=False) as client:
            return _read(_follow(client, _prepared(client, request, key), request), request.max_body_bytes, started)
    except (RefusedError, httpx.InvalidURL, UnicodeError, httpx.TooManyRedirects, httpx.UnsupportedProtocol) as error:
        raise Discard(f"{request.method} {request.url}: {error}") from error
    except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as error:
        raise Discard(f"{request.method} {request.url} cannot be sent: {error}") from error
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpx.TransportError) as error:
        raise Retry(f"{request.method} {request.url}: {type(error).__name__}: {error}") from error


def verdict(request: HttpRequest, answer: HttpAnswer, now: datetime) -> Retry | Discard | None:
    """Return what to raise for `answer`, or None where it is what the request expects."""
    if request.expects(answer.status):
        return None
    start = answer.body[:200] if answer.encoding == "utf-8" else ""
    message = f"{request.method} {answer.url} answered {answer.status}: {start}"
    if answer.status in _PASSING:
        return Retry(message, after_s=retry_after_s(answer.headers, now))
    return Discard(message)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the delay in seconds that `Retry-After` names, as a number or a date, at most a day; None without one."""
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:  # neither seconds nor a date: as if it were not there
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT_S)


def _covers(expected: int | str, status: int) -> bool:
    if isinstance(expected, int):
        return expected == status
    first, _, last = expected.partition("-")
    return int(first) <= status <= int(last)


def _prepared(client: httpx.Client, request: HttpRequest, key: str) -> httpx.Request:
    headers = httpx.Headers(request.headers)
    if request.idempotency_key and request.method in {"POST", "PUT", "PATCH"}:
        headers.setdefault("Idempotency-Key", key)
    if "json_" in request.model_fields_set:
        return client.build_request(request.method, request.url, headers=headers, json=request.json_)
    if request.body is None:
        return client.build_request(request.method, request.url, headers=headers)
    headers.setdefault("Content-Type", "text/plain; charset=utf-8")
    return client.build_request(request.method, request.url, headers=headers, content=request.body.encode())


def _follow(client: httpx.Client, prepared: httpx.Request, request: HttpRequest) -> httpx.Response:
    response = client.send(prepared, stream=True, follow_redirects=False)
    redirects = 0
    while request.follow_redirects and response.next_request and not request.expects(response.status_code):
        if redirects == MAX_REDIRECTS:
            raise httpx.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects", request=prepared)
        response.close()
        redirects += 1
        following = _without_secrets(response.next_request, prepared, request.headers)
        response = client.send(following, stream=True, follow_redirects=False)
    return response


def _without_secrets(following: httpx.Request, prepared: httpx.Request, given: Iterable[str]) -> httpx.Request:
    if _origin(following.url) != _origin(prepared.url):
        for name in given:
            if name.lower() not in _KEPT_ABROAD:
                following.headers.pop(name, None)
    return following


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _read(response: httpx.Response, limit_bytes: int, started: float) -> HttpAnswer:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > limit_bytes:
            break
    text, encoding = _as_text(bytes(body[:limit_bytes]), cut=len(body) > limit_bytes)
    return HttpAnswer(
        status=response.status_code,
        url=str(response.url),
        headers=_shown(response.headers),
        body=text,
        encoding=encoding,
        truncated=len(body) > limit_bytes,
        elapsed_ms=round((time.monotonic() - started) * 1000, 1),
    )


def _as_text(body: bytes, *, cut: bool) -> tuple[str, Literal["utf-8", "base64"]]:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        if not cut or error.reason != "unexpected end of data":  # else the cut went through a character
            return base64.b64encode(body).decode(), "base64"
        text = body[: error.start].decode()
    return (base64.b64encode(body).decode(), "base64") if _BINARY.search(text) else (text, "utf-8")


def _shown(headers: httpx.Headers) -> dict[str, str]:
    """Leave out cookies, which are secrets, and keep a flood of headers from filling the result."""
    shown = [(name, value[:1000]) for name, value in headers.items() if name != "set-cookie"]
    return dict(shown[:50])
