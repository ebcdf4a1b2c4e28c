"""Images of training and serving: pinned, small, not root."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources

from gcpmlops.exceptions import InvalidArgument

PYTHON = "3.12.8"
SERVER = ("starlette==1.10.0", "uvicorn==0.54.0", "joblib==1.6.0", "google-cloud-storage==3.17.1")
SKLEARN = ("scikit-learn==1.9.1",)
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*(?::(?!latest\b)[\w.-]+|@sha256:[0-9a-f]{64})")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

_BUILD = """\
FROM {base} AS build
COPY requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/venv \\
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt

FROM {base}
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin app
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
"""
_HEALTH = (
    "import os,urllib.request as r;e=os.environ.get;"
    "r.urlopen('http://127.0.0.1:'+e('AIP_HTTP_PORT','8080')+e('AIP_HEALTH_ROUTE','/health'),timeout=3)"
)
_SERVE = f"""\
COPY serve.py /app/serve.py
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "{_HEALTH}"]
ENTRYPOINT ["python", "/app/serve.py"]
"""
_TRAIN = """\
COPY . /app
USER 10001
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "{module}"]
"""
_IGNORE = """\
.git
.venv
**/__pycache__
**/*.pyc
.env*
*.json.key
Dockerfile
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
        "requirements.txt": _pinned((*SERVER, *(requirements or SKLEARN))),
        "serve.py": program,
    }


def _pinned(requirements: Sequence[str]) -> str:
    for each in requirements:
        if not _PIN.fullmatch(each):
            raise InvalidArgument(field="requirements", value=each, allowed="NAME==VERSION")
    return "".join(f"{each}\n" for each in dict.fromkeys(requirements))
