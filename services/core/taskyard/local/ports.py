"""Ports on 127.0.0.1: the usual ones where they are free, else those used last, so that connections stay good."""

import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from taskyard.local.errors import LocalRunError

LOOPBACK: Final = "127.0.0.1"
# Below the range from which the kernel takes the near end of outgoing connections: those would sit on the port of a
# server that is being restarted.
_ANY: Final = range(20_000, 32_000)
_TRIES: Final = 100


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port` of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: connections of an ended server that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


class Ports:
    """The ports of one program, kept in `file` between its runs."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def choose(self, name: str, wanted: int | None) -> int:
        """Return a free port for `name`: `wanted`, else the one of its last run, else the next above `wanted`, or any.

        What is chosen is written to the file; nothing holds the port until the caller listens on it.

        Raises:
            LocalRunError: there is none.
        """
        kept = self._read()
        others = {port for owner, port in kept.items() if owner != name}
        for port in self._candidates(kept.get(name), wanted):
            if port not in others and is_free(port):
                self._file.write_text(json.dumps({**kept, name: port}, indent=1) + "\n")
                return port
        raise LocalRunError(f"no free port for {name}" + (f" from {wanted} upwards" if wanted else ""))

    def _candidates(self, kept: int | None, wanted: int | None) -> Iterator[int]:
        if wanted is not None:
            yield wanted
        if kept is not None:
            yield kept
        if wanted is not None:
            yield from range(wanted + 1, min(wanted + _TRIES, 65_536))
        else:
            yield from random.sample(_ANY, _TRIES)

    def _read(self) -> dict[str, int]:
        try:
            return {str(name): int(port) for name, port in json.loads(self._file.read_text()).items()}
        except (OSError, ValueError, AttributeError, TypeError):  # none yet, or cut short by a crash
            return {}
