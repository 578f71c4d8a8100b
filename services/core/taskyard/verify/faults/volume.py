"""A small disk for PostgreSQL that can be filled: a tmpfs, which only who may mount can have."""

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_SIZE: Final = "1536m"
_PIECE_BYTES: Final = 1024 * 1024


class Volume:
    """A folder for PostgreSQL's data, on a disk of its own where this process may make one.

    `why_not` says why it cannot be filled where it cannot.
    """

    def __init__(self, fallback: Path) -> None:
        self._mounted: Path | None = None
        self.why_not = "only root may mount a small disk"
        self.directory = fallback
        if os.geteuid() == 0:
            self._mount()

    def fill(self) -> None:
        """Take all the room that is left."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * _PIECE_BYTES)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it; what is on it is gone."""
        if self._mounted is not None:
            subprocess.run(["umount", "--lazy", str(self._mounted)], check=False, capture_output=True)  # noqa: S603, S607
            with suppress(OSError):
                self._mounted.rmdir()

    @property
    def can_be_filled(self) -> bool:
        """Whether filling it harms nobody else."""
        return self._mounted is not None

    @property
    def _ballast(self) -> Path:
        return self.directory / "ballast"

    def _mount(self) -> None:
        # Not below the caller's folder: PostgreSQL runs as `nobody`, who may not enter every folder of root's.
        place = Path(tempfile.mkdtemp(prefix="taskyard-verify-", dir="/var/tmp"))
        options = f"size={_SIZE},mode=0711"
        command = ["mount", "-t", "tmpfs", "-o", options, str(self.directory), str(place)]  # named by whose it is
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
            failure = done.stderr.strip() if done.returncode else ""
        except OSError as error:
            failure = str(error)
        if failure:
            self.why_not = f"no small disk can be mounted here: {failure}"
            place.rmdir()
            return
        self._mounted = self.directory = place
