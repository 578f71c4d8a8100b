"""Laws of http.request, against a real server on this host."""

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from jsonschema import Draft202012Validator

from taskyard import Discard, Retry
from taskyard.handlers import kind_of
from taskyard.testing import run
from taskyard_worker.builtin.http_request import retry_after_s, send


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


def test_headers_that_let_in_are_secret_however_they_are_written():
    sent = {
        "AUTHORIZATION": "Bearer a",
        "proxy-Authorization": "Basic b",
        "cookie": "c=d",
        "X-API-Key": "e",
        "X-A": "f",
    }
    shown = kind_of(send).redaction.apply({"url": "https://example.com/", "headers": sent, "json": {"cookie": "g"}})
    assert shown == {
        "url": "https://example.com/",
        "headers": dict.fromkeys(sent, "[redacted]") | {"X-A": "f"},
        "json": {"cookie": "g"},
    }


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
    with pytest.raises(Retry, match="Timeout"):
        run(send, {"url": url(port, "/endless"), "timeout_s": 0.3})


def test_redirects_are_followed_up_to_five(port, allowed):
    assert run(send, {"url": url(port, "/hop/5")})["status"] == 200
    with pytest.raises(Discard, match="more than 5 redirects"):
        run(send, {"url": url(port, "/hop/6")})
    assert run(send, {"url": url(port, status=301, Location="/echo")})["url"] == f"http://127.0.0.1:{port}/echo"
    with pytest.raises(Discard, match="answered 302"):
        run(send, {"url": url(port, status=302, Location="/echo"), "follow_redirects": False})
    assert run(send, {"url": url(port, status=302, Location="/"), "expected_status": [302]})["status"] == 302


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
