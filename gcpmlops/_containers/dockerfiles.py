"""Images of training and serving: pinned, small, not root."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from gcpmlops.exceptions import InvalidArgument

PYTHON = "3.12.8"
SERVER = ("starlette==1.10.0", "uvicorn==0.54.0", "joblib==1.6.0", "google-cloud-storage==3.17.1")
SKLEARN = ("scikit-learn==1.9.1",)
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[A-Za-z0-9,._-]+\])?"
    r"==(?:\d+!)?\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.?post\d+)?(?:\.dev\d+)?(?:\+[a-z0-9]+(?:[._-][a-z0-9]+)*)?"
)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:[a-z0-9.-]+(?::\d+)?/)?{_PART}(?:/{_PART})*"
    r"(?:(?::(?!latest\b)\w[\w.-]{0,127})?@sha256:[0-9a-f]{64}|:(?!latest\b)\w[\w.-]{0,127})",
    re.ASCII,
)
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)

_BUILD = """\
FROM {base} AS build
COPY requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/venv \\
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt

FROM {base}
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN echo 'app:x:10001:10001::/app:/sbin/nologin' >> /etc/passwd && echo 'app:x:10001:' >> /etc/group
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
"""
_HEALTH = (
    "import os,urllib.request as r;e=os.environ.get;"
    "r.urlopen('http://127.0.0.1:'+e('AIP_HTTP_PORT','8080')+e('AIP_HEALTH_ROUTE','/health'),timeout=3)"
)
_SERVE = f"""\
COPY serve.py /app/serve.py
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "{_HEALTH}"]
ENTRYPOINT ["python", "/app/serve.py"]
"""
_TRAIN = """\
COPY . /app
USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "{module}"]
"""
_IGNORE = """\
.git
.gcpmlops
**/.venv
**/__pycache__
**/*.pyc
**/.ipynb_checkpoints
**/.env*
**/*.key
**/*.pem
**/*credentials*.json
Dockerfile
.dockerignore
"""


def image(value: str, field: str) -> str:
    """An image that says exactly which. Raises InvalidArgument without tag or digest, and for latest."""
    if not _IMAGE.fullmatch(value):
        raise InvalidArgument(field=field, value=value, allowed="IMAGE:TAG (not latest) or IMAGE@sha256:DIGEST")
    return value


def training(*, module: str, base: str, requirements: Sequence[str]) -> dict[str, str]:
    """Text by file name."""
    if not _MODULE.fullmatch(module):
        raise InvalidArgument(field="module", value=module, allowed="a Python module, such as trainer.task")
    dockerfile = _BUILD.format(base=image(base, "base_image")) + _TRAIN.format(module=module)
    return {"Dockerfile": dockerfile, ".dockerignore": _IGNORE, "requirements.txt": _pinned(requirements)}


def serving(*, base: str, requirements: Sequence[str]) -> dict[str, str]:
    """Text by file name, the program among them."""
    program = resources.files("gcpmlops").joinpath("_containers/serve.py").read_text("utf-8")
    return {
        "Dockerfile": _BUILD.format(base=image(base, "base_image")) + _SERVE,
        ".dockerignore": "*\n!requirements.txt\n!serve.py\n",
        "requirements.txt": _pinned(requirements or SKLEARN, own=SERVER),
        "serve.py": program,
    }


def check_pins(path: Path) -> None:
    """Of a requirements file: hashes and markers are pip's affair. Raises InvalidArgument naming the line."""
    joined = re.sub(r"\\\r?\n", lambda _: " ", path.read_text("utf-8", "replace"))
    for line in joined.splitlines():
        wanted = re.split(r"(?:^|\s)#|;|\s--hash=", line)[0].strip()
        if wanted and not _PIN.fullmatch(re.sub(r"\s*==\s*", "==", wanted)):
            raise InvalidArgument(f"{path}: {wanted}", field="requirements", value=wanted, allowed="NAME==VERSION")


def _pinned(requirements: Sequence[str], *, own: Sequence[str] = ()) -> str:
    """A line each; `own` are ours, where nothing else is asked for. Raises InvalidArgument."""
    found: dict[str, str] = {}
    for each in requirements:
        pin = _PIN.fullmatch(each)
        if pin is None:
            raise InvalidArgument(field="requirements", value=each, allowed="NAME==VERSION")
        if found.setdefault(name := _name(pin["name"]), each) != each:
            raise InvalidArgument(f"{each} and {found[name]}", field="requirements", value=each, allowed="one of them")
    ours = [each for each in own if _name(each.partition("==")[0]) not in found]
    return "".join(f"{each}\n" for each in (*ours, *found.values()))


def _name(text: str) -> str:
    """As pip compares names."""
    return re.sub(r"[-_.]+", "-", text).lower()
