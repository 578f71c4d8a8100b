"""Laws of where http.request connects to: only outside, whatever a name, a redirect or a resolver says."""

import json
import time

import httpcore
import pytest

from taskyard import Discard
from taskyard.testing import run
from taskyard_worker.builtin.guarded_http import Dialer, RefusedError
from taskyard_worker.builtin.http_request import HttpRequest, exchange, send

PUBLIC = "93.184.216.34"


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
