"""Laws of http.request, against a real server on this host."""

import base64
import json
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import httpcore
import pytest
from jsonschema import Draft202012Validator

from taskyard import Discard, Retry
from taskyard.handlers import kind_of
from taskyard.testing import run
from taskyard_worker.builtin.guarded_http import Dialer, RefusedError
from taskyard_worker.builtin.http_request import HttpRequest, exchange, retry_after_s, send

PUBLIC = "93.184.216.34"


class Routes(BaseHTTPRequestHandler):
    """/echo tells what came; /answer?status=…&body=… answers so; /hop/3 redirects thrice; /endless goes on."""

    def answer(self):
        """Answer by the path."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        url = urlsplit(self.path)
        options = dict(parse_qsl(url.query, keep_blank_values=True))
        if url.path == "/endless":
            return self.drip()
        if url.path.startswith("/hop/"):
            left = int(url.path.removeprefix("/hop/"))
            return self.write(302 if left else 200, {"Location": f"/hop/{left - 1}"}, b"")
        if url.path == "/echo":
            seen = {"method": self.command, "headers": dict(self.headers), "body": body, "path": self.path}
            return self.write(200, {}, json.dumps(seen).encode())
        status = int(options.pop("status", 200))
        content = base64.b64decode(options.pop("body", ""))
        return self.write(status, options, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server calls

    def write(self, status, headers, content):
        """Write a whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def drip(self):
        """Write interim answers until the client has had enough."""
        with suppress(OSError):
            while True:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.wfile.flush()
                time.sleep(0.02)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def port():
    """Serve `Routes` on this port of 127.0.0.1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Routes) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def allowed(monkeypatch):
    """Let the handler reach this host."""
    monkeypatch.setenv("TASKYARD_HTTP_ALLOW_PRIVATE", "true")


class Internet(httpcore.SyncBackend):
    """Brings every public address to the server of this test, and notes where one wanted to go."""

    def __init__(self, port):
        self.port = port
        self.dialled = []

    def connect_tcp(self, host, _port, timeout=None, local_address=None, socket_options=None):
        """Connect to the server of this test, whatever the address."""
        self.dialled.append(host)
        return super().connect_tcp("127.0.0.1", self.port, timeout, local_address, socket_options)


def through(internet, names, payload, seconds=5):
    """Exchange `payload` where `names` maps each host to the answers of its resolver, one after the other."""
    answers = {host: iter(listed) for host, listed in names.items()}
    started = time.monotonic()
    dialer = Dialer(started + seconds, resolve=lambda host, _: next(answers[host]), inner=internet)
    return exchange(HttpRequest.model_validate(payload), "key", dialer, started)


def url(port, path="/answer", **options):
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"http://127.0.0.1:{port}{path}?{query}"


def b64(data):
    return base64.b64encode(data).decode().replace("+", "%2B")


def test_a_request_goes_out_as_asked_with_the_key_of_the_task(port, allowed):
    payload = {"method": "POST", "url": url(port, "/echo"), "json": {"a": None}, "headers": {"X-A": "b"}}
    result = run(send, payload, idempotency_key="abc")
    seen = json.loads(result["body"])
    assert (seen["method"], json.loads(seen["body"])) == ("POST", {"a": None})
    assert seen["headers"]["Idempotency-Key"] == "abc"
    assert seen["headers"]["X-A"] == "b"
    assert seen["headers"]["Content-Type"] == "application/json"
    assert (result["status"], result["encoding"], result["truncated"]) == (200, "utf-8", False)
    assert result["elapsed_ms"] > 0


def test_the_key_can_be_ones_own_or_left_out_and_get_has_none(port, allowed):
    own = run(send, {"method": "PUT", "url": url(port, "/echo"), "headers": {"idempotency-key": "mine"}, "body": "é"})
    headers = json.loads(own["body"])["headers"]
    assert [value for name, value in headers.items() if name.lower() == "idempotency-key"] == ["mine"]
    for payload in ({"method": "POST", "idempotency_key": False}, {"method": "GET"}):
        assert "Idempotency-Key" not in run(send, payload | {"url": url(port, "/echo")})["body"]


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "ALL_PROXY"])
def test_no_proxy_of_the_environment_is_used(port, allowed, monkeypatch, proxy):
    monkeypatch.setenv(proxy, "http://127.0.0.1:1")
    assert run(send, {"url": url(port, "/echo")})["status"] == 200


def test_bodies_that_are_no_text_come_as_base64(port, allowed):
    for content in (b"\xff\xfe", b"a\x00b", b"\x1b[0m"):
        result = run(send, {"url": url(port, body=b64(content))})
        assert (result["encoding"], base64.b64decode(result["body"])) == ("base64", content)


def test_a_long_body_is_cut_between_characters(port, allowed):
    content = "aé€".encode()
    for limit in range(len(content) + 1):
        result = run(send, {"url": url(port, body=b64(content)), "max_body_bytes": limit})
        assert result["truncated"] == (limit < len(content))
        assert result["encoding"] == "utf-8"
        assert "aé€".startswith(result["body"])
    assert result["body"] == "aé€"


def test_cookies_are_not_recorded(port, allowed):
    headers = run(send, {"url": url(port, **{"Set-Cookie": "session=1", "X-Kept": "yes"})})["headers"]
    assert headers["x-kept"] == "yes"
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("status", "expected", "raised"),
    [
        (204, None, None),
        (404, None, Discard),
        (304, None, Discard),
        (500, None, Retry),
        (429, None, Retry),
        (404, [200, 404], None),
        (503, ["500-599"], None),
        (200, [201], Discard),
    ],
)
def test_the_status_decides(port, allowed, status, expected, raised):
    payload = {"url": url(port, status=status)} | ({"expected_status": expected} if expected else {})
    if raised:
        with pytest.raises(raised, match=f"answered {status}"):
            run(send, payload)
    else:
        assert run(send, payload)["status"] == status


def test_retry_after_names_the_delay(port, allowed):
    with pytest.raises(Retry) as raised:
        run(send, {"url": url(port, status=503, **{"Retry-After": "7"})})
    assert raised.value.after_s == 7


def test_retry_after_may_be_a_date_and_is_kept_within_a_day():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for value, delay_s in [
        (format_datetime(now + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(now - timedelta(days=1), usegmt=True), 0),
        ("999999999", 86_400),
        ("9" * 500, None),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("nan", None),
        ("Thu, 01 Jan 2026 00:01:00", 60),
    ]:
        assert retry_after_s({"retry-after": value}, now) == delay_s
    assert retry_after_s({}, now) is None


def test_no_connection_and_no_answer_in_time_are_tried_again(port, allowed):
    with pytest.raises(Retry, match="ConnectError"):
        run(send, {"url": "http://127.0.0.1:1/"})
    with pytest.raises(Retry, match="cannot resolve"):
        run(send, {"url": "http://nowhere.invalid/"})
    started = time.monotonic()
    with pytest.raises(Retry, match="Timeout"):
        run(send, {"url": url(port, "/endless"), "timeout_s": 0.3})
    assert time.monotonic() - started < 2


def test_redirects_are_followed_up_to_five(port, allowed):
    assert run(send, {"url": url(port, "/hop/5")})["status"] == 200
    with pytest.raises(Discard, match="more than 5 redirects"):
        run(send, {"url": url(port, "/hop/6")})
    assert run(send, {"url": url(port, status=301, Location="/echo")})["url"] == f"http://127.0.0.1:{port}/echo"
    with pytest.raises(Discard, match="answered 302"):
        run(send, {"url": url(port, status=302, Location="/echo"), "follow_redirects": False})
    assert run(send, {"url": url(port, status=302, Location="/"), "expected_status": [302]})["status"] == 302


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://localhost/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "https://192.168.0.1/",
        "http://100.64.0.1/",
        "http://[fd00:ec2::254]/",
        "http://１２７.0.0.1/",  # noqa: RUF001 - full-width digits, which name preparation makes plain ones
    ],
)
def test_what_is_not_public_is_refused(target):
    with pytest.raises(Discard, match=r"is not public|Invalid"):
        run(send, {"url": target, "timeout_s": 2})


@pytest.mark.parametrize("target", ["http://user:secret@example.com/", "http://user@example.com/", "http:///path"])
def test_credentials_and_a_missing_host_are_refused(target, allowed):
    with pytest.raises(Discard):
        run(send, {"url": target})


def test_a_redirect_leads_inside_no_more_than_a_request_does(port):
    for location in ("http://inside.test/", "http://127.0.0.1/", "ftp://public.test/", "http://u:p@public.test/"):
        internet = Internet(port)
        names = {"public.test": [[PUBLIC]], "inside.test": [["10.1.2.3"]], "127.0.0.1": [["127.0.0.1"]]}
        with pytest.raises(Discard):
            through(internet, names, {"url": f"http://public.test/answer?status=302&Location={location}"})
        assert internet.dialled == [PUBLIC]


def test_the_address_that_was_checked_is_the_one_connected_to(port):
    internet = Internet(port)
    answer = through(internet, {"public.test": [[PUBLIC], ["127.0.0.1"]]}, {"url": "http://public.test/echo"})
    assert internet.dialled == [PUBLIC]
    assert json.loads(answer.body)["headers"]["Host"] == "public.test"


def test_a_name_that_also_points_inside_is_refused(port):
    with pytest.raises(Discard, match=r"10\.0\.0\.7, which is not public"):
        through(Internet(port), {"mixed.test": [[PUBLIC, "10.0.0.7"]]}, {"url": "http://mixed.test/"})


def test_headers_of_ones_own_stay_with_the_first_origin(port):
    names = {"one.test": [[PUBLIC], [PUBLIC]], "two.test": [[PUBLIC]]}
    secret = {"X-Api-Key": "secret", "Authorization": "Bearer secret", "Accept": "text/plain"}
    there = through(
        Internet(port),
        names,
        {"url": "http://one.test/answer?status=302&Location=http://two.test/echo", "headers": secret},
    )
    assert "secret" not in there.body
    assert json.loads(there.body)["headers"]["Accept"] == "text/plain"
    names = {"one.test": [[PUBLIC], [PUBLIC]]}
    here = through(
        Internet(port), names, {"url": "http://one.test/answer?status=302&Location=/echo", "headers": secret}
    )
    assert json.loads(here.body)["headers"]["X-Api-Key"] == "secret"


def test_a_dead_address_leaves_time_for_the_next(port):
    class HalfDead(Internet):
        def connect_tcp(self, host, *rest):
            if host == "2606:4700:4700::1111":
                raise httpcore.ConnectTimeout("swallowed")
            return super().connect_tcp(host, *rest)

    names = {"both.test": [["2606:4700:4700::1111", PUBLIC]]}
    assert through(HalfDead(port), names, {"url": "http://both.test/echo"}).status == 200


def test_a_socket_of_this_host_is_no_destination():
    with pytest.raises((RefusedError, NotImplementedError)):
        Dialer(time.monotonic() + 1).connect_unix_socket("/var/run/docker.sock")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://example.com/"},
        {"url": "file:///etc/passwd"},
        {"url": "https://example.com/", "headers": {"A": "b\r\nC: d"}},
        {"url": "https://example.com/", "headers": {"A b": "c"}},
        {"url": "https://example.com/", "body": "a", "json": 1},
        {"url": "https://example.com/", "method": "TRACE"},
        {"url": "https://example.com/", "expected_status": ["2xx"]},
        {"url": "https://example.com/", "timeout_s": 0},
        {"url": "https://example.com/", "verify": False},
    ],
)
def test_the_schema_refuses_what_the_handler_would(wrong):
    assert not Draft202012Validator(kind_of(send).schema()).is_valid(wrong)
    with pytest.raises(ValueError, match="validation error"):
        run(send, wrong)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding"])
def test_headers_of_the_connection_cannot_be_given(name):
    with pytest.raises(ValueError, match="is set by the connection"):
        run(send, {"url": "https://example.com/", "headers": {name: "1"}})
