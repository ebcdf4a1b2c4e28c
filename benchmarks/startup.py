"""How long a user waits before anything happens: imports and commands, as whole processes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from benchmarks._measure import Line, environment, medians, process_seconds
from benchmarks._servers import answered, emulator, script

_ROUNDS = 7


def lines() -> Iterator[Line]:
    yield from _imports()
    if shutil.which("gcloud"):
        yield _help()


def _imports() -> Iterator[Line]:
    base = environment()
    with emulator() as server:
        answered(server).close()
        endpoint = environment(
            GCPMLOPS_ENDPOINT=f"http://127.0.0.1:{server.port}",
            GOOGLE_APPLICATION_CREDENTIALS=str(server.data_dir / "credentials.json"),
            GOOGLE_CLOUD_PROJECT="local-project",
        )
        server.token  # noqa: B018 - waits until its files are written
        times = medians(
            {
                "sdk": lambda: process_seconds([sys.executable, "-c", "import google.cloud.aiplatform"], base),
                "ours": lambda: process_seconds([sys.executable, "-c", "import gcpmlops"], base),
                "list": lambda: process_seconds([script("gcpmlops"), "training", "list"], endpoint),
            },
            _ROUNDS,
        )
    sdk, peer = times["sdk"], "import google.cloud.aiplatform"
    yield Line("import gcpmlops, whole process", times["ours"], sdk, "s", 0.05, peer_name=peer)
    yield Line("gcpmlops training list, whole process", times["list"], sdk, "s", 0.35, peer_name=peer)


def _help() -> Line:
    base = environment()
    times = medians(
        {
            "ours": lambda: process_seconds([script("gcpmlops"), "--help"], base),
            "gcloud": lambda: process_seconds(["gcloud", "version"], base),
        },
        _ROUNDS,
    )
    return Line("gcpmlops --help, whole process", times["ours"], times["gcloud"], "s", 0.3, peer_name="gcloud version")
