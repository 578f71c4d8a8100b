"""Tricks that lead a request inside, each against a real server on this host that must not see it."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import httpcore
import pytest
from pydantic import ValidationError

from taskyard import Discard, Retry
from taskyard.errors import InvalidError
from taskyard.testing import run
from taskyard_worker.builtin.guarded_http import Dialer
from taskyard_worker.builtin.http_request import HttpRequest, exchange, send

PUBLIC = "93.184.216.34"
REFUSALS = (Discard, InvalidError, ValidationError)


class Target(ThreadingHTTPServer):
    """Answers on every address of this host, and counts what it is asked."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    seen: int = 0

    def server_bind(self):
        """Take IPv4 too, where the socket is one of IPv6."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Counting(BaseHTTPRequestHandler):
    """Counts a request, and answers with success."""

    def do_GET(self):
        """Count."""
        self.server.seen += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def server():
    with Target(("::" if Target.address_family == socket.AF_INET6 else "0.0.0.0", 0), Counting) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def target(server):
    server.seen = 0
    return server


def this_host():
    """Return the address by which this host speaks to others, where it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 9))  # sends nothing
        except OSError:
            return "127.0.0.2"
        return probe.getsockname()[0]


REACHES = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",
    "0x0",
    "2130706433",  # decimal
    "017700000001",  # octal
    "0x7f000001",  # hexadecimal
    "0x7F.0.0.1",
    "0177.0x0.0.1",
    "127.0.0.0x1",
    "localhost",
    "LOCALHOST",
    "this host",
]
REACHES_BY_IPV6 = [
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::ffff:127.0.0.1]",  # IPv4, mapped
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::ffff:0.0.0.0]",
]
"""What the guard alone keeps from the server: without it, the server is asked."""

REFUSED = [
    "0177.0.0.1",
    "00000177.0.0.1",
    "127.0.0.1.",
    "localhost.",
    "localhost.localdomain",
    "[::127.0.0.1]",  # IPv4, compatible
    "[::ffff:0:127.0.0.1]",  # IPv4, translated
    "[64:ff9b::127.0.0.1]",  # NAT64
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",  # NAT64 of a network's own
    "[2002:7f00:1::]",  # 6to4
    "[2002:7f00:0001:0:0:0:0:0]",
    "[2001:0:7f00:1::]",  # Teredo
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[::1%25lo]",
    "[::1%lo]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff02::1%25lo]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",  # metadata of clouds, here and below
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "127。0。0。1",  # dots that are none
    "127．0．0．1",  # noqa: RUF001 - the same
    "127｡0｡0｡1",
    "１２７.0.0.1",  # noqa: RUF001 - digits that are none
    "①②⑦.⓪.⓪.①",
    "ⓛocalhost",
    "ｌｏｃａｌｈｏｓｔ",  # noqa: RUF001 - letters that are none
    "local\u00adhost",  # a hyphen that is not shown
    "local\u200bhost",
    "%31%32%37.0.0.1",
    "127.0.0.1%00.example.com",
    "127.0.0.1%2eexample.com",
    "user@127.0.0.1",
    "user:password@127.0.0.1",
    "@127.0.0.1",
    ":@127.0.0.1",
    f"{PUBLIC}@127.0.0.1",
    f"{PUBLIC}%40127.0.0.1",
    f"{PUBLIC}:80@127.0.0.1",
    f"{PUBLIC}\\@127.0.0.1",
    f"{PUBLIC}#@127.0.0.1",
    f"{PUBLIC} @127.0.0.1",
    f"{PUBLIC}\t@127.0.0.1",
    "127.0.0.1\r\nHost: example.com",
    "127.0.0.1%0d%0aHost:%20example.com",
    "",
    ".",
    "[",
    "[]",
    "[::1",
    "[::g]",
    "a" * 300,
    "xn--",
]


def refuse(payload, **options):
    """Expect that nothing is sent; a name that does not resolve would be tried again, and be refused then."""
    with pytest.raises((*REFUSALS, Retry)) as raised:
        run(send, {"timeout_s": 2, **payload}, **options)
    assert isinstance(raised.value, REFUSALS) or "cannot resolve" in str(raised.value)


@pytest.mark.parametrize("host", [*REACHES, *(REACHES_BY_IPV6 if socket.has_dualstack_ipv6() else ())])
def test_the_guard_keeps_a_request_from_a_server_that_it_would_reach(host, target, monkeypatch):
    url = f"http://{host.replace('this host', this_host())}:{target.server_port}/"
    refuse({"url": url})
    assert target.seen == 0
    monkeypatch.setenv("TASKYARD_HTTP_ALLOW_PRIVATE", "true")
    assert run(send, {"url": url, "timeout_s": 5})["status"] == 200
    assert target.seen == 1


@pytest.mark.parametrize("host", REFUSED)
def test_a_host_that_is_inside_or_none_at_all_is_refused(host, target):
    refuse({"url": f"http://{host}:{target.server_port}/"})
    assert target.seen == 0


@pytest.mark.parametrize(
    "url",
    [
        "ftp://{}/",
        "file://{}/etc/passwd",
        "file:///etc/passwd",
        "gopher://{}/_GET%20/",
        "dict://{}/",
        "ldap://{}/",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
        "ws://{}/",
        "jar:http://{}!/",
        "data:text/plain,a",
        "javascript:alert(1)",
        "//{}/",
        "{}/",
        "http:{}/",
        "http:/{}/",
        "http:///{}/",
        "http:\\\\{}/",
        "http://\\{}/",
        " http://{}/",
        "http://{}/\r\nX: y",
        "http://{}/ HTTP/1.1\r\nX: y",
        "http://{}/\x00",
        "url:http://{}/",
        "http://http://{}/",
        "http://[{}]/",
    ],
)
def test_a_scheme_or_form_that_is_not_plain_is_refused(url, target):
    refuse({"url": url.format(f"127.0.0.1:{target.server_port}")})
    assert target.seen == 0


@pytest.mark.parametrize("name", ["X-A\r\nX-B", "X A", "", "X:", "Hóst"])
def test_a_header_cannot_carry_another(name, target, allowed):
    url = f"http://127.0.0.1:{target.server_port}/"
    refuse({"url": url, "headers": {name: "a"}})
    refuse({"url": url, "headers": {"X-A": f"a\r\n{name}: b"}})
    assert target.seen == 0


class Front(httpcore.SyncBackend):
    """Brings a public address to the server that redirects, and every other one to where it really is."""

    def __init__(self, port):
        self.port = port

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        if host == PUBLIC:
            host, port = "127.0.0.1", self.port
        return super().connect_tcp(host, port, timeout, local_address, socket_options)


def through_front(front, payload):
    started = time.monotonic()
    dialer = Dialer(started + 5, inner=Front(front))
    return exchange(HttpRequest.model_validate(payload), "key", dialer, started)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{}/",
        "http://localhost:{}/",
        "//127.0.0.1:{}/",
        "http://2130706433:{}/",
        "http://[::1]:{}/",
        "http://[::ffff:127.0.0.1]:{}/",
        "http://a:b@127.0.0.1:{}/",
        "https://127.0.0.1:{}/",
        "ftp://127.0.0.1:{}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{}/",
        "http://xn--/:{}",
    ],
)
def test_a_redirect_leads_nowhere_inside(location, status, target, port):
    where = quote(location.format(target.server_port), safe="")
    with pytest.raises(Discard):
        through_front(port, {"url": f"http://{PUBLIC}/answer?status={status}&Location={where}"})
    assert target.seen == 0


@pytest.fixture
def changing_name(monkeypatch):
    """A name whose first look-up gives a public address, and each one after it this host."""
    given = iter([PUBLIC])
    really = socket.getaddrinfo

    def look_up(host, *arguments, **options):
        return really(next(given, "127.0.0.1") if host == "changing.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return "changing.test"


def test_a_name_that_changes_after_it_was_checked_is_not_looked_up_again(changing_name, target, port):
    answer = through_front(port, {"url": f"http://{changing_name}:{target.server_port}/echo"})
    assert '"path": "/echo"' in answer.body
    assert target.seen == 0


def test_a_name_that_changes_between_redirects_is_checked_anew(changing_name, target, port):
    location = quote(f"http://{changing_name}:{target.server_port}/", safe="")
    with pytest.raises(Discard, match="is not public"):
        through_front(port, {"url": f"http://{changing_name}/answer?status=302&Location={location}"})
    assert target.seen == 0
