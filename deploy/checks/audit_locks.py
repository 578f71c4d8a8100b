"""Compare the locked versions with what is published of their weaknesses.

Fails where one is known. Where the service that knows cannot be asked, as on a machine without the internet or behind
a mirror of packages that has no advisories, that is said, and is no failure: a machine's network is no fault of the
code.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
LOCK: Final = ROOT / "locks/dev.txt"
"""All other locks of what is installed hold the same versions."""

PROBE: Final = ROOT / "locks/uv.txt"
"""One package, to see whether anybody answers before it is asked for a hundred."""

ANSWER_S: Final = 10
ALL_S: Final = 120


def main() -> int:
    """Ask, say what came of it, and return the exit status."""
    if not ask(PROBE):
        return 0
    audited = ask(LOCK)
    weak = weaknesses(audited)
    for line in weak:
        sys.stderr.write(line + "\n")
    if audited:
        print(f"advisories: {len(audited)} locked packages audited, {len(weak)} weaknesses known")
    return int(bool(weak))


def weaknesses(audited: Iterable[dict[str, Any]]) -> list[str]:
    """Return a line for each known weakness of what was audited."""
    return [
        f"{package['name']} {package['version']}: {weakness['id']}, "
        f"mended in {', '.join(weakness['fix_versions']) or 'no version yet'}"
        for package in audited
        for weakness in package["vulns"]
    ]


def ask(lock: Path) -> list[dict[str, Any]]:
    """Return what is known of the packages in `lock`; nothing, and say so, where there is no answer."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--no-deps"]
    command += ["--requirement", str(lock), "--format", "json", "--progress-spinner", "off", "--timeout", str(ANSWER_S)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ALL_S)  # noqa: S603 - our own
    except subprocess.TimeoutExpired:
        print(f"advisories: NOT AUDITED: no answer within {ALL_S} s")
        return []
    try:
        report = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"advisories: NOT AUDITED: the service cannot be asked: {last[:200]}")
        return []
    known = [package for package in report if "skip_reason" not in package]
    if not known:
        print("advisories: NOT AUDITED: who was asked knows nothing of these packages")
    return known


if __name__ == "__main__":
    sys.exit(main())
