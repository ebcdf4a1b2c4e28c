"""Makes .venv with everything that this repository needs; a bare python3 (3.11+) with venv and pip is enough.

uv does the work, from PATH or installed into .venv by pip; where it can't (an index that only pip can reach), pip does.
Both use the index that pip is configured for. Run through `make install`, which skips it while nothing has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "gcpmlops-installed"
WANTED = ["--editable", ".[all]", "--group", "dev"]
IMAGES = [
    "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest",
    "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest",
]
# what an activated environment, or a habit of the caller, would do to an installation that is none of theirs
FOREIGN = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONPATH",
    "PYTHONHOME",
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_PYTHON",
    "PIP_NO_DEPS",
    "PIP_DRY_RUN",
    "PIP_CONSTRAINT",
    "PIP_REQUIREMENT",
    "PIP_REQUIRE_VIRTUALENV",
    "UV_PYTHON",
    "UV_PROJECT_ENVIRONMENT",
    "UV_SYSTEM_PYTHON",
    "UV_TARGET",
)


def main() -> None:
    """Make or update the environment."""
    digest = fingerprint()
    if STAMP.exists() and STAMP.read_text() == digest and works(PYTHON):
        return
    env = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    STAMP.unlink(missing_ok=True)
    if not works(PYTHON):
        say(f"making .venv with Python {sys.version_info[0]}.{sys.version_info[1]}")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)], env)
    install(env)
    run([str(PYTHON), "-m", "compileall", "-q", "gcpmlops"], env)
    say("preparing the environments of the demo's images")
    if subprocess.run([PYTHON, "-m", "gcpmlops.emulator.prepare", *IMAGES], env=env, cwd=ROOT, check=False).returncode:
        say("they will be made when the demo needs them")
    STAMP.write_text(digest)


def fingerprint() -> str:
    """Changes when the requirements, this script or the interpreter change."""
    parts = [(ROOT / "pyproject.toml").read_bytes(), Path(__file__).read_bytes(), str(sys.version_info[:2]).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def works(python: Path) -> bool:
    """Whether the environment's interpreter (of the right version) runs."""
    wanted = f"import sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    return python.exists() and subprocess.run([python, "-I", "-c", wanted], check=False).returncode == 0


def install(env: dict[str, str]) -> None:
    """All requirements, by uv or else by pip."""
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check"]
    uv = shutil.which("uv", path=env.get("PATH"))
    if uv is None and subprocess.run([*pip, "uv>=0.9,<1"], env=env, cwd=ROOT, check=False).returncode == 0:
        uv = str(VENV / "bin" / "uv")
    say("installing the requirements (a few minutes the first time)")
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--compile-bytecode", *WANTED]
        if subprocess.run(command, env=env | uv_settings(env), cwd=ROOT, check=False).returncode == 0:
            return
        say("uv could not; trying pip")
    run([*pip, "pip>=25.1"], env)  # older ones don't know --group
    run([*pip, *WANTED], env)


def uv_settings(env: dict[str, str]) -> dict[str, str]:
    """Pip's index as variables that uv reads; nothing where uv has been told its own."""
    if any(key in env for key in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_CONFIG_FILE")):
        return {}
    said = subprocess.run(
        [PYTHON, "-m", "pip", "config", "list"], env=env, capture_output=True, text=True, check=False
    ).stdout
    pip = {}
    for line in said.splitlines():  # later lines win: global, user, site, :env:
        key, _, value = line.partition("=")
        pip[key.rpartition(".")[2]] = value.strip("'\"").replace("\\n", " ")
    settings = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": pip.get("extra-index-url", ""),
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "SSL_CERT_FILE": env.get("SSL_CERT_FILE", pip.get("cert", "")),
        "UV_HTTP_TIMEOUT": env.get("UV_HTTP_TIMEOUT", "180"),
        "UV_INDEX_STRATEGY": "unsafe-best-match",  # pip takes the best of all indexes
    }
    return {key: value for key, value in settings.items() if value}


def run(command: list[str], env: dict[str, str]) -> None:
    """Run it, or end with its exit code."""
    code = subprocess.run(command, env=env, cwd=ROOT, check=False).returncode
    if code:
        say(f"failed (exit code {code}): {' '.join(command)}")
        sys.exit(code)


def say(text: str) -> None:
    """One line of progress."""
    print(f"install: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
