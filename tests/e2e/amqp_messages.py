"""Messages such as no well-behaved client sends, put into RabbitMQ byte by byte; and strategies that make them up."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from struct import pack
from typing import Any
from urllib.parse import urlsplit

import amqp
from hypothesis import strategies as st

QUEUE = "tasks.default"
DEAD_LETTER_EXCHANGE = "tasks.dlx"
_FLAGS = {"content_type": 0x8000, "content_encoding": 0x4000, "headers": 0x2000, "timestamp": 0x0040, "type": 0x0020}


@dataclass(frozen=True)
class Raw:
    """One message: its body, and its properties as they stand in the frame."""

    body: bytes
    properties: bytes
    exchange: str = ""
    routing_key: str = QUEUE


class _Message(amqp.Message):
    """A message whose properties are written as they were given."""

    def __init__(self, raw: Raw) -> None:
        super().__init__(raw.body)
        self._raw = raw

    def _serialize_properties(self) -> bytes:
        return self._raw.properties


def publish(url: str, messages: Iterable[Raw]) -> list[Raw]:
    """Put `messages` into RabbitMQ, and return those that it took: some it cannot read itself, and hangs up."""
    waiting, taken = list(messages), []
    while waiting:
        with _channel(url) as channel:
            while waiting:
                raw = waiting.pop(0)
                channel.basic_publish(_Message(raw), exchange=raw.exchange, routing_key=raw.routing_key)
                taken.append(raw)
    return taken


@contextmanager
def _channel(url: str) -> Iterator[Any]:
    """Give a channel that waits for confirms; a broker that hangs up ends the block."""
    parts = urlsplit(url)
    connection = amqp.Connection(f"{parts.hostname}:{parts.port}", parts.username, parts.password, confirm_publish=True)
    connection.connect()
    try:
        with suppress(amqp.AMQPError):
            yield connection.channel()
    finally:
        with suppress(OSError, amqp.AMQPError):
            connection.close()


def _long(content: bytes) -> bytes:
    return pack(">I", len(content)) + content


def table(items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a field table of names with values as `field` gives them."""
    return _long(b"".join(pack("B", len(name)) + name + value for name, value in items))


def field(value: Any) -> bytes:
    """Return one value with its type in front."""
    match value:
        case None:
            written = b"V"
        case bool():
            written = b"t" + pack("B", value)
        case int():
            written = b"l" + pack(">q", value)
        case float():
            written = b"d" + pack(">d", value)
        case str():
            written = b"S" + _long(value.encode())
        case list():
            written = b"A" + _long(b"".join(field(item) for item in value))
        case _:
            written = b"F" + table((name.encode(), field(item)) for name, item in value.items())
    return written


def properties(
    headers: bytes | None = None,
    content_type: bytes | None = b"application/json",
    content_encoding: bytes | None = b"utf-8",
    timestamp: int | None = None,
    type_: bytes | None = None,
) -> bytes:
    """Return the properties of a header frame; None leaves one out."""
    texts = {"content_type": content_type, "content_encoding": content_encoding}
    parts = {name: pack("B", len(text)) + text for name, text in texts.items() if text is not None}
    if headers is not None:
        parts["headers"] = headers
    if timestamp is not None:
        parts["timestamp"] = pack(">Q", timestamp)
    if type_ is not None:
        parts["type"] = pack("B", len(type_)) + type_
    return pack(">H", sum(_FLAGS[name] for name in parts)) + b"".join(parts.values())


def genuine(kind: str, task_id: int, attempt: int) -> tuple[dict[str, Any], Any]:
    """Return the headers and the body of a message as the dispatcher writes it."""
    name = f"{task_id}.{attempt}"
    headers = {"lang": "py", "task": kind, "id": name, "root_id": name, "retries": 0, "timelimit": [None, None]}
    embedded = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return headers, [[[[task_id, attempt]]], {}, embedded]


def message(headers: dict[str, Any], body: Any, **options: Any) -> Raw:
    """Return a message of these headers, and this body as JSON."""
    written = table((name.encode(), field(value)) for name, value in headers.items())
    return Raw(json.dumps(body).encode(), properties(written), **options)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)
ODD_FIELDS = st.one_of(
    st.sampled_from(
        [
            b"T" + pack(">Q", 2**64 - 1),  # a time past every calendar
            b"T" + pack(">Q", 2**40),
            b"D" + pack(">Bi", 255, 1),
            b"S" + pack(">I", 3) + b"\xff\xfe\x00",
            b"x" + pack(">I", 2) + b"\x00\xff",
            b"f" + pack(">f", float("nan")),
            b"s" + pack(">h", -1),
        ]
    ),
    VALUES.map(field),
)
NAMES = st.one_of(
    st.sampled_from(
        [
            *(b"task", b"id", b"root_id", b"eta", b"expires", b"timelimit", b"retries", b"group", b"shadow", b"lang"),
            *(b"stamped_headers", b"stamps", b"argsrepr", b"origin", b"ignore_result", b"x-death", b"\xff"),
        ]
    ),
    st.binary(max_size=8),
)


@st.composite
def odd_headers(draw: st.DrawFn) -> bytes | None:
    """Return no headers, odd ones, huge ones, or those of a genuine message with some of them replaced."""
    if draw(st.integers(0, 9)) == 0:
        return None
    items: dict[bytes, bytes] = {}
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["sleep", "no.such", "test.traced", "\x00", "a" * 5000]))
        items = {name.encode(): field(value) for name, value in genuine(kind, draw(IDS), 1)[0].items()}
    items |= draw(st.dictionaries(NAMES, ODD_FIELDS, min_size=1, max_size=4))
    if draw(st.integers(0, 19)) == 0:
        items[b"huge"] = field("x" * 100_000)  # all the headers of a message fit into one frame of 128 KiB
    return table(items.items())


IDS = st.one_of(st.integers(10**6, 10**9), st.sampled_from([0, -1, 2**31, 2**63 - 1]))
JSON = st.recursive(
    SCALARS.filter(lambda value: value == value) | st.sampled_from([2**64, -(2**70)]),  # noqa: PLR0124 - NaN alone is not
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PAIRS = st.lists(st.tuples(IDS | JSON, IDS | JSON) | JSON, max_size=3)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.tuples(st.tuples(PAIRS) | JSON, JSON, JSON).map(lambda value: json.dumps(value).encode()),
    st.tuples(st.tuples(PAIRS)).map(lambda value: json.dumps([value[0], {}, {"chord": None}]).encode()),
    st.sampled_from([b"", b"[" * 100_000, b"[[[[1e999, 1]]], {}, {}]", b"[[[[NaN, 1]]], {}, {}]", b"\xff" * 300_000]),
)
CONTENT_TYPES = st.sampled_from(
    [b"application/json", b"application/x-python-serialize", b"application/data", b"text/plain", b"\xff", b"", None]
)
CONTENT_ENCODINGS = st.sampled_from([b"utf-8", b"binary", b"utf-16", b"no-such-encoding", b"\xff\xfe", b"", None])


@st.composite
def odd_messages(draw: st.DrawFn) -> Raw:
    """Return a message that is none of ours, by its headers, its body, its content or its way."""
    headers = draw(odd_headers())
    as_usual = draw(st.booleans())
    written = properties(
        headers,
        b"application/json" if as_usual else draw(CONTENT_TYPES),
        b"utf-8" if as_usual else draw(CONTENT_ENCODINGS),
        draw(st.none() | st.integers(0, 2**64 - 1)),
        draw(st.none() | st.binary(max_size=10)),
    )
    way = draw(st.sampled_from([("", QUEUE)] * 5 + [("amq.direct", QUEUE), (DEAD_LETTER_EXCHANGE, "anything")]))
    return Raw(draw(BODIES), written, *way)
