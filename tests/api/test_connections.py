"""What clients may not do to the API's connections: real sockets against a real server."""

import asyncio
import re
import select
import socket
import threading
from contextlib import ExitStack, suppress

import httpx
import psutil
import pytest

from api.served import answer_of, serving
from waiting import eventually

MIB = 1024 * 1024
UNHURRIED_S = 30.0  # beyond any limit under test, below a test's time
REQUEST = b"GET /livez HTTP/1.1\r\nHost: a\r\n"


def test_a_client_that_never_ends_its_headers_is_told_and_left():
    with serving(api_header_timeout_s=0.5, api_body_timeout_s=UNHURRIED_S) as server:
        status, problem, headers = server.say(REQUEST)
        assert (status, problem["code"], headers["connection"]) == (408, "too_slow", "close")
        assert headers["content-type"] == "application/problem+json"
        assert server.refused("slow_headers") == 1


def test_a_header_a_moment_does_not_hold_a_connection():
    with serving(api_header_timeout_s=0.5) as server, server.connect() as client:
        client.sendall(REQUEST)
        ended = threading.Event()

        def trickle() -> None:
            while not ended.wait(0.05):
                try:
                    client.sendall(b"X: y\r\n")
                except OSError:
                    return

        trickling = threading.Thread(target=trickle)
        trickling.start()
        try:
            assert answer_of(client)[0] == 408
        except ConnectionResetError:
            assert server.refused("slow_headers") == 1
        finally:
            ended.set()
            trickling.join()


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_a_connection_on_which_nothing_begins_is_closed(sent):
    with serving(api_header_timeout_s=0.5) as server:
        with server.connect() as client:
            client.sendall(sent)
            while client.recv(65536):
                pass
        eventually(lambda: server.is_open() == 0, "no connection is left")


def test_empty_lines_do_not_keep_a_connection_alive():
    with serving(api_header_timeout_s=0.5) as server, server.connect() as client:
        client.sendall(REQUEST + b"\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        client.sendall(b"\r\n")
        while client.recv(65536):
            pass
        assert server.refused("slow_headers") == 1


def test_a_client_that_never_ends_its_body_is_told_and_left():
    with serving(api_header_timeout_s=UNHURRIED_S, api_body_timeout_s=0.5) as server:
        head = b"POST /tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        status, problem, _ = server.say(head, b'{"name"')
        assert (status, problem["code"]) == (408, "too_slow")
        assert server.refused("slow_body") == 1


def test_a_body_that_nobody_wants_does_not_hold_a_connection_either():
    with serving(api_body_timeout_s=0.5) as server, server.connect() as client:
        client.sendall(b"POST /tasks HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\na")
        status, problem, _ = answer_of(client)
        assert (status, problem["code"]) == (415, "unsupported_media_type")
        eventually(lambda: server.is_open() == 0, "no connection is left")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 2048 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        REQUEST + b"X: " + b"a" * 2048 + b"\r\n\r\n",
        REQUEST + b"X: y\r\n" * 101,
        b"POST /tasks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
        b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 101,
    ],
    ids=["url", "header", "many", "trailers"],
)
def test_headers_that_are_too_large_are_refused(sent):
    with serving(api_max_header_bytes=1024, api_header_timeout_s=UNHURRIED_S) as server:
        status, problem, _ = server.say(sent)
        assert (status, problem["code"]) == (431, "headers_too_large")
        assert server.refused("large_headers") == 1


def test_a_header_without_an_end_is_refused_though_the_parser_tells_nothing_of_it():
    with serving(api_max_header_bytes=1024, api_header_timeout_s=UNHURRIED_S) as server, server.connect() as client:
        with suppress(OSError):  # the server hangs up
            client.sendall(REQUEST + b"X: " + b"a" * 8 * MIB)
        eventually(lambda: server.refused("large_headers") == 1, "it is refused")
        eventually(lambda: server.is_open() == 0, "no connection is left")


def test_headers_of_an_allowed_size_are_taken():
    with serving(api_max_header_bytes=4096) as server:
        status, _, _ = server.say(REQUEST + b"X: " + b"a" * 3900 + b"\r\nConnection: close\r\n\r\n")
        assert status == 200


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"GET http://[ HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_request_is_a_problem_too(sent):
    with serving() as server:
        status, problem, headers = server.say(sent)
        assert (status, problem["code"], headers["content-type"]) == (400, "malformed", "application/problem+json")


def test_there_are_only_so_many_connections():
    with serving(api_max_connections=3, api_header_timeout_s=UNHURRIED_S) as server, ExitStack() as stack:
        held = [stack.enter_context(server.connect()) for _ in range(3)]
        eventually(lambda: server.is_open() == 3, "three are open")
        with server.connect() as late:
            status, problem, headers = answer_of(late)
        assert (status, problem["code"], headers["retry-after"]) == (503, "overloaded", "1")
        held.pop().close()
        eventually(lambda: server.is_open() == 2, "one is free")
        assert httpx.get(f"http://127.0.0.1:{server.port}/livez").status_code == 200


def test_an_answer_may_take_longer_than_a_client_may():
    async def patient(scope, receive, send):
        if scope["type"] != "http":
            return
        await receive()
        await asyncio.sleep(1.5)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    with serving(patient, api_header_timeout_s=0.3, api_body_timeout_s=0.3) as server, httpx.Client() as client:
        for _ in range(2):
            assert client.post(f"http://127.0.0.1:{server.port}/", content=b"{}", timeout=20).status_code == 200
        assert client.get(f"http://127.0.0.1:{server.port}/", timeout=20).status_code == 200


def test_a_client_that_reads_nothing_is_left():
    with serving(api_body_timeout_s=0.5) as server, server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(0.5)
        with suppress(OSError):  # its own line is full: the server does not read on while nobody reads its answers
            client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 2000)
        eventually(lambda: server.refused("stalled") == 1, "the server gives up on it")
        eventually(lambda: server.is_open() == 0, "no connection is left")


def _answered(clients):
    return select.select(clients, [], [], 0)[0]


def test_memory_stays_bounded_under_many_slow_clients():
    head = b"POST /tasks HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % MIB
    part = b'{"name": "' + b"a" * (MIB - 100)
    clients = 300
    with serving(api_intake_bytes=16 * MIB, api_body_timeout_s=UNHURRIED_S) as server, ExitStack() as stack:
        assert httpx.get(f"http://127.0.0.1:{server.port}/livez").status_code == 200
        before = psutil.Process().memory_info().rss
        sending = []
        for _ in range(clients):
            client = stack.enter_context(server.connect())
            client.sendall(head)
            with suppress(OSError):
                client.sendall(part)
            sending.append(client)
        after = psutil.Process().memory_info().rss
        assert httpx.get(f"http://127.0.0.1:{server.port}/livez").status_code == 200
        eventually(lambda: len(_answered(sending)) >= clients - 16, "all that there is no room for are turned away")
        for client in _answered(sending):
            assert re.match(rb"HTTP/1.1 503 .*retry-after: 1", client.recv(65536), re.DOTALL)
    assert after - before < 100 * MIB, f"{clients} clients that sent {len(part)} bytes each hold {after - before}"
