"""Look for passwords, tokens and keys in the files of this tree; what is known to be none stands in .secrets.baseline.

A finding is known by its file, its kind and its hash, so a line may move. Passwords of tests are made up: below
`tests` only what no test needs counts, such as private keys and the tokens of services. Where a finding is no secret,
`--write` says so for ever: look at the difference before it is committed.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from detect_secrets.core import baseline
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import configure_settings_from_baseline

ROOT: Final = Path(__file__).parents[2]
BASELINE: Final = ROOT / ".secrets.baseline"
PASSED_OVER: Final = ("locks/", BASELINE.name)
"""Hashes of packages, and of findings."""

MADE_UP: Final = frozenset({"Secret Keyword", "Basic Auth Credentials"})


def main() -> int:
    """Look, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="take all that is found for harmless")
    parser.add_argument("files", nargs="*", help="look at these only")
    arguments = parser.parse_args()
    known = baseline.load_from_file(str(BASELINE))
    configure_settings_from_baseline(known)
    found = look_at(arguments.files or files())
    if arguments.write:
        BASELINE.write_text(json.dumps(baseline.format_for_output(found, is_slim_mode=True), indent=2) + "\n")
        return 0
    fresh = [secret for file, secret in found if secret not in baseline.load(known).data.get(file, set())]
    for secret in fresh:
        sys.stderr.write(f"{secret.filename}:{secret.line_number}: {secret.type}: is that a secret?\n")
    if fresh:
        sys.stderr.write("Where it is none: python deploy/checks/find_secrets.py --write\n")
    return int(bool(fresh))


def files() -> list[str]:
    """Return what is or may be committed, by its path in the tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - as found on PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listed.stdout.split("\0") if name and not name.startswith(PASSED_OVER)]
    return [name for name in names if (ROOT / name).is_file()]


def look_at(names: list[str]) -> SecretsCollection:
    """Return what is found in these files."""
    found = SecretsCollection(str(ROOT))
    found.scan_files(*names)
    counted = SecretsCollection(str(ROOT))
    for file, secret in found:
        if counts(secret, file):
            secret.filename = file
            counted[file].add(secret)
    return counted


def counts(secret: PotentialSecret, file: str) -> bool:
    """Whether a finding in `file` is more than a password that a test made up."""
    return not (file.startswith(("tests/", "bench/")) and secret.type in MADE_UP)


if __name__ == "__main__":
    sys.exit(main())
