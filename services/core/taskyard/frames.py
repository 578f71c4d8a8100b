"""Reading frames of AMQP such that no message can break the connection that it is delivered on."""

from collections.abc import Callable
from struct import pack
from typing import Any, Final

from amqp.method_framing import frame_handler

_HEADER_FRAME: Final = 2
_FIXED_BYTES: Final = 12
"""Class, weight and the size of the body: what stands in a header frame before the properties."""

_NO_PROPERTIES: Final = pack(">H", 0)
_DEATH_UNREADABLE: Final = pack(">HIB", 0x2000, 9, 7) + b"x-deathV"


def lenient_frame_handler(connection: Any, callback: Callable[..., Any]) -> Callable[[Any], Any]:
    """Read frames as py-amqp does; a message whose properties it cannot read has none, and so can be refused.

    Of its headers the name of one is kept, `x-death`: whoever refuses the message must know that it is there.
    To be given to a connection as its `frame_handler`. Without it one timestamp out of range, or one word that is no
    UTF-8, breaks the connection of whoever the message is delivered to, and then of the next one.
    """
    called = False

    def call(*args: Any) -> Any:
        nonlocal called
        called = True
        return callback(*args)

    handle = frame_handler(connection, call)

    def on_frame(frame: Any) -> Any:
        nonlocal called
        called = False
        try:
            return handle(frame)
        except Exception:
            kind, channel, content = frame
            if kind != _HEADER_FRAME or called:
                raise
            left = _DEATH_UNREADABLE if b"x-death" in bytes(content) else _NO_PROPERTIES
            return handle((kind, channel, bytes(content[:_FIXED_BYTES]) + left))

    return on_frame
