"""The servers that `serving` compares: ours in its image's environment, each peer in one of its own.

The environments have the same Python and the same scikit-learn, and are kept in the user's cache directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks._measure import environment
from benchmarks._servers import free_port, script

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
_HERE = Path(__file__).parent
_SETTLED = "gcpmlops-complete"
_TRAIN = """
import sys
import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
x, y = load_breast_cancer(return_X_y=True)
joblib.dump(GradientBoostingClassifier(random_state=0).fit(x, y), sys.argv[1])
"""
_SAVE = (
    "import sys, joblib, mlflow; mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], "
    "serialization_format='cloudpickle')"
)
_PREDICTION = "google.cloud.aiplatform.prediction"


@dataclass(frozen=True)
class Peer:
    """A server: its command (`{port}` is filled in), the routes, and its variables."""

    command: tuple[str, ...]
    predict: str = "/predict"
    health: str = "/health"
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A started server, its boot time in seconds, to the first answer on its health route."""

    peer: Peer
    port: int
    process: psutil.Process
    boot: float

    @property
    def memory(self) -> float:
        """MiB of the process and its children, pages that they share counted once."""
        tree = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_full_info().pss for process in tree) / 2**20

    def load(self, body: Path, connections: int, seconds: float) -> dict[str, float]:
        """What the load generator measured. Raises: CalledProcessError with the server's error."""
        argv = [script("python"), str(_HERE / "_load.py"), str(self.port), self.peer.predict, str(body)]
        done = subprocess.run(
            [*argv, str(connections), str(seconds)], stdout=subprocess.PIPE, check=True, env=environment()
        )
        found = json.loads(done.stdout)
        return {**found, "rate": found["requests"] / found["seconds"]}


def peers(folder: Path) -> dict[str, Peer]:
    """Every server over the same model, which lies in `folder` afterwards."""
    python, base = _ours()
    model_dir = folder / "model"
    model_dir.mkdir()
    model = model_dir / "model.joblib"
    _run([python, "-c", _TRAIN, model])
    version = _run([python, "-c", "import sklearn; print(sklearn.__version__)"]).strip()
    sklearn = f"scikit-learn=={version}"
    found = {"ours": Peer((str(python), str(_program()), "--model-dir", str(model_dir), "--port", "{port}"))}
    mlflow = _environment("mlflow", base, ["mlflow", sklearn])
    _run([mlflow / "python", "-c", _SAVE, model, folder / "mlflow"])
    found["mlflow models serve"] = Peer(
        (str(mlflow / "mlflow"), "models", "serve", "-m", str(folder / "mlflow"), "-p", "{port}", "-h", "127.0.0.1",
         "--env-manager", "local"),
        predict="/invocations",
        env={"PATH": f"{mlflow}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    google = _environment("cpr", base, ["google-cloud-aiplatform[prediction]", sklearn, "joblib"])
    found["Google's prediction server"] = Peer(
        (str(google / "python"), "-m", f"{_PREDICTION}.model_server"), env=_google_env(model_dir)
    )
    found["ours, with Google's SklearnPredictor"] = Peer(
        (str(google / "python"), str(_program()), "--model-dir", str(model_dir), "--port", "{port}"),
        env=_google_env(model_dir),
    )
    plain = _environment("starlette", base, ["starlette", "uvicorn", "httptools", "uvloop", "joblib", sklearn])
    found["starlette"] = Peer((str(plain / "python"), str(_HERE / "_starlette_server.py"), str(model), "{port}"))
    return found


@contextmanager
def running(peer: Peer) -> Iterator[Running]:
    """Start it, wait until it is healthy, end it with all its children."""
    port = free_port()
    argv = [part.replace("{port}", str(port)) for part in peer.command]
    with tempfile.TemporaryDirectory(prefix="bench-") as cwd:
        started = time.perf_counter()
        process = psutil.Popen(
            argv, env=environment(**{**peer.env, "AIP_HTTP_PORT": str(port)}), cwd=cwd,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield Running(peer, port, process, _healthy(port, peer.health, process) - started)
        finally:
            tree = [process, *process.children(recursive=True)]
            for one in tree:
                one.terminate()
            _, alive = psutil.wait_procs(tree, 10)
            for one in alive:
                one.kill()


def _healthy(port: int, path: str, process: psutil.Popen) -> float:
    import http.client

    deadline = time.perf_counter() + 120
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return time.perf_counter()
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise RuntimeError(f"{process.args} does not answer")


def _google_env(model_dir: Path) -> dict[str, str]:
    """One worker, as ours is one process."""
    return {
        "HANDLER_MODULE": f"{_PREDICTION}.handler",
        "HANDLER_CLASS": "PredictionHandler",
        "PREDICTOR_MODULE": f"{_PREDICTION}.sklearn.predictor",
        "PREDICTOR_CLASS": "SklearnPredictor",
        "AIP_HEALTH_ROUTE": "/health",
        "AIP_PREDICT_ROUTE": "/predict",
        "AIP_STORAGE_URI": str(model_dir),
        "VERTEX_CPR_WEB_CONCURRENCY": "1",
    }


def _ours() -> tuple[Path, Path]:
    """The Python that serves the image in the emulator, and the interpreter below it."""
    from gcpmlops.emulator.runtimes.environment import Environments
    from gcpmlops.emulator.runtimes.process import Processes
    from gcpmlops.emulator.runtimes.serving_images import SERVER_PACKAGES, prediction_image

    with tempfile.TemporaryDirectory() as folder:
        processes = Processes(Path(folder))
        try:
            found = Environments(processes).ensure(prediction_image(IMAGE), requirements=SERVER_PACKAGES)
        finally:
            processes.close()
    return found.python, found.python.resolve()


def _program() -> Path:
    from gcpmlops.emulator.runtimes import model_server

    return Path(model_server.__file__).parent


def _environment(name: str, python: Path, packages: Sequence[str]) -> Path:
    """The folder of commands of a peer's environment, made once."""
    key = hashlib.sha256(json.dumps([str(python), *packages]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "gcpmlops" / "peers" / f"{name}-{key}"
    if not (path / _SETTLED).exists():
        shutil.rmtree(path, ignore_errors=True)
        _run([script("uv"), "venv", "--quiet", "--python", python, path])
        _run([script("uv"), "pip", "install", "--quiet", "--compile-bytecode", "--python", path, *packages])
        (path / _SETTLED).touch()
    return path / "bin"


def _run(argv: Sequence[object]) -> str:
    """Standard output. Raises SystemExit with what went wrong."""
    done = subprocess.run([str(part) for part in argv], env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{argv}: {done.stderr[-2000:]}")
    return done.stdout
