"""One job in this process: files in a folder, and a model that is a function."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.unix_http import HttpReply
from gcpmlops.emulator.services.batch_prediction.run import Outcome, Run, Task
from gcpmlops.emulator.services.datasets.sources import Sources

Model = Callable[[list[Any]], list[Any]]


@dataclass
class Objects:
    """Bucket `b`, in a folder."""

    path: Path

    def exists(self, bucket: str) -> bool:
        return bucket == "b"

    def local_path(self, bucket: str, name: str) -> Path:
        if not (self.path / name).exists():
            raise exceptions.NotFound(f"gs://{bucket}/{name}")
        return self.path / name

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(source.read_bytes())


@dataclass
class Server:
    """Answers by `model`, which may raise what a pool of processes raises; a ValueError is the container's 400."""

    model: Model
    bodies: list[dict[str, Any]] = field(default_factory=list)
    spec: Any = field(default_factory=lambda: SimpleNamespace(predict_route="/predict"))
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sizes(self) -> list[int]:
        return [len(body["instances"]) for body in self.bodies]

    def request(self, method: str, target: str, body: bytes, headers: Any, timeout: float) -> HttpReply:
        assert (method, target, headers) == ("POST", "/predict", {"content-type": "application/json"})
        request = json.loads(body)
        with self.lock:
            self.bodies.append(request)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            answer = self.model(request["instances"])
        except ValueError as error:
            return HttpReply(400, {}, json.dumps({"error": str(error)}).encode())
        finally:
            with self.lock:
                self.at_once -= 1
        if isinstance(answer, bytes):
            return HttpReply(200, {}, answer)
        return HttpReply(200, {}, json.dumps({"predictions": answer}).encode())


@dataclass
class Bench:
    """Runs jobs over files of bucket `b`."""

    path: Path
    check: Callable[[], None] = lambda: None
    progress: list[tuple[int, int]] = field(default_factory=list)

    def put(self, name: str, content: str | bytes) -> str:
        (self.path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return f"gs://b/{name}"

    def run(
        self, server: Server, uri: str, kind: str = "jsonl", predictions: str = "jsonl",
        *, prebuilt: bool = True, explained_by: Any = None, **fields: Any,
    ) -> Outcome:  # fmt: skip
        job = types.BatchPredictionJob(
            name="projects/p/locations/l/batchPredictionJobs/1",
            create_time="2026-01-02T03:04:05.678Z",
            input_config={"gcs_source": {"uris": [uri]}, "instances_format": kind},
            output_config={
                "gcs_destination": {"output_uri_prefix": "gs://b/out"},
                "predictions_format": predictions,
            },
            **fields,
        )
        task = Task(
            job=job, model_name="m", replicas=1, prebuilt=prebuilt, check=self.check,
            progress=lambda *counts: self.progress.append(counts), serve=lambda: nullcontext(server),
            explained_by=explained_by,
        )  # fmt: skip
        tables: Any = SimpleNamespace(workspace=self._workspace)
        return Run(task, Sources(Objects(self.path), tables))()

    def text(self, kind: str = "results") -> str:
        """All files of a kind, one after the other."""
        paths = sorted(self.path.glob(f"out/prediction-m-2026-01-02T03:04:05.678Z/prediction.{kind}-*"))
        assert [path.name[-14:] for path in paths] == [f"{n:05d}-of-{len(paths):05d}" for n in range(len(paths))]
        return "".join(path.read_text() for path in paths)

    def lines(self, kind: str = "results") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text(kind).splitlines()]

    @contextmanager
    def _workspace(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.path) as folder:
            yield Path(folder)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
