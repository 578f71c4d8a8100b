"""The version before this one, out of the history of the repository.

That is the newest tag v* before today's code. Until there is one, it is the code before the newest migration, whose
tables are a version older: what an upgrade meets. A clone that has no history has none of it.
"""

import io
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT
from taskyard import schema

MIGRATIONS = "services/core/taskyard/migrations/versions"


class NoHistoryError(Exception):
    """The version before cannot be had from this clone."""


@dataclass(frozen=True)
class Version:
    """Code in a folder, run on today's packages."""

    name: str
    folder: Path

    @property
    def path(self) -> list[str]:
        """What its modules are found by, before today's."""
        return [str(folder) for folder in sorted((self.folder / "services").iterdir())]

    @property
    def knows_roles(self) -> bool:
        """Whether each of its parts has a login of its own."""
        return (self.folder / "services/core/taskyard/grants.py").exists()

    def words(self, part, python):
        """Return the command that runs a part."""
        scripts = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]["scripts"]
        module, function = scripts[f"taskyard-{part}"].split(":")
        return [python, "-c", f"from {module} import {function}; {function}()"]


def previous(folder: Path) -> Version:
    """Lay the version before into `folder`.

    Raises:
        NoHistoryError: this is no clone, or one without the history that it needs.
    """
    tags = _git("tag", "--list", "v*", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-version:refname").split()
    commit = tags[0] if tags else _before_the_newest_migration()
    with tarfile.open(fileobj=io.BytesIO(_run("archive", commit, "services", "pyproject.toml"))) as files:
        files.extractall(folder, filter="data")
    return Version(commit, folder)


def _before_the_newest_migration() -> str:
    newest = next((ROOT / MIGRATIONS).glob(f"{schema.REVISION}_*.py")).name
    added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", f"{MIGRATIONS}/{newest}").strip()
    if not added:
        raise NoHistoryError(f"no commit has {newest}")
    return _git("rev-parse", "--verify", "--quiet", f"{added}^").strip()


def _git(*words: str) -> str:
    return _run(*words).decode()


def _run(*words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode().strip() or "no such commit"
        raise NoHistoryError(f"git {words[0]}: {said}; is this a shallow clone?")
    return done.stdout
