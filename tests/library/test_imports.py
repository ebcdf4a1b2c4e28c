"""Importing is cheap, and Google's packages are whole afterwards. Each case has an interpreter or a fork of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import gcpmlops

HEAVY = ("google", "grpc", "requests", "rich", "numpy", "pandas", "yaml", "asyncio", "tomllib", "importlib.metadata")


def python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize(
    "statement",
    [
        "import gcpmlops",
        "from gcpmlops.cli import root",
        "from gcpmlops import GcpMlopsError",
        "from gcpmlops import Double",
        "from gcpmlops import Canary",
        "import gcpmlops.endpoints",
        "import gcpmlops.tuning",
        "import gcpmlops.experiments",
        "import gcpmlops.batch_predictions",
        "import gcpmlops.scheduler",
        "import gcpmlops.functions",
        "import gcpmlops.containers",
        "import gcpmlops.notebooks",
        "import gcpmlops.evaluation.evaluation",
        "import gcpmlops.drift",
        "import gcpmlops.logs",
    ],
)
def test_import_brings_nothing_heavy(statement: str) -> None:
    code = f"import sys; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    loaded = set(python(code).split())
    assert not [name for name in loaded for heavy in HEAVY if name == heavy or name.startswith(f"{heavy}.")]


def test_public_names_are_lazy_and_real() -> None:
    assert python("import gcpmlops; print(gcpmlops.Client.__name__, 'Config' in dir(gcpmlops))") == "Client True"
    assert python("from gcpmlops import *; print(Client, RowCount)")
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        gcpmlops.Nothing  # noqa: B018


LIGHT = "from gcpmlops import _google; client = _google.JobServiceClient; job = _google.custom_job.CustomJob\n"
AFTER = {
    "attribute of the package": "from google.cloud import aiplatform_v1; assert aiplatform_v1.CustomJob is job",
    "client of the package": "from google.cloud import aiplatform_v1; assert aiplatform_v1.JobServiceClient is client",
    "types": "from google.cloud import aiplatform_v1; assert aiplatform_v1.types.CustomJob is job",
    "from types": "from google.cloud.aiplatform_v1.types import CustomJob; assert CustomJob is job",
    "from services": (
        "from google.cloud.aiplatform_v1.services.job_service import JobServiceClient as j; assert j is client"
    ),
    "async": "from google.cloud.aiplatform_v1 import JobServiceAsyncClient",
    "star": "from google.cloud.aiplatform_v1 import *; assert CustomJob is job",
    "submodule": "import google.cloud.aiplatform_v1.types.model as m; assert m.Model",
    "the SDK": "from google.cloud import aiplatform; assert aiplatform.CustomJob and aiplatform.gapic.JobServiceClient",
    "dir": "import google.cloud.aiplatform_v1 as p; assert 'CustomJob' in dir(p) and p.__all__",
    "version": "import google.cloud.aiplatform_v1 as p; p.CustomJob; assert p.__version__",
    "missing": "import google.cloud.aiplatform_v1 as p; assert not hasattr(p, 'Nothing')",
    "logging": "_google.LoggingServiceV2Client; from google.cloud import logging; assert logging.Client",
    "reload": "import importlib, google.cloud.aiplatform_v1 as p; p.CustomJob; importlib.reload(p)",
    "plain module": "import types, google.cloud.aiplatform_v1 as p; p.CustomJob; assert type(p) is types.ModuleType",
}


FORKS = """
import json, os, sys, traceback
for line in sys.stdin:
    if not (pid := os.fork()):
        code = 1
        try:
            exec(json.loads(line), globals())
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def after_light() -> Iterator[Callable[[str], None]]:
    """Runs code in a fork of an interpreter that has done the light import and nothing else; no thread runs there."""
    command = [sys.executable, "-c", LIGHT + FORKS]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout

        def run(code: str) -> None:
            process.stdin.write(f"{json.dumps(code)}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "0\n", code

        yield run


@pytest.mark.parametrize("case", AFTER)
def test_google_is_whole_after_the_light_import(case: str, after_light: Callable[[str], None]) -> None:
    after_light(AFTER[case])


@pytest.mark.parametrize("first", ["from google.cloud import aiplatform_v1", "from google.cloud import aiplatform"])
def test_google_imported_first(first: str) -> None:
    python(f"{first}\n{LIGHT}from google.cloud import aiplatform_v1; assert aiplatform_v1.CustomJob is job")


def test_light_import_is_light() -> None:
    loaded = python(LIGHT + "import sys; print(*sys.modules)").split()
    services = {n for n in loaded if n.startswith("google.cloud.aiplatform_v1.services.") and n.count(".") == 4}
    assert services == {"google.cloud.aiplatform_v1.services.job_service"}


def test_threads_see_whole_packages() -> None:
    python(
        LIGHT
        + """
import threading
from google.cloud import aiplatform_v1
names, errors, gate = ["CustomJob", "Model", "Endpoint", "types", "ModelServiceClient"] * 4, [], threading.Barrier(20)
def look(name):
    gate.wait()
    try:
        getattr(aiplatform_v1, name)
        from google.cloud.aiplatform_v1.types import Model
    except BaseException as exc:
        errors.append(exc)
threads = [threading.Thread(target=look, args=(name,)) for name in names]
[t.start() for t in threads]
[t.join() for t in threads]
assert not errors, errors
"""
    )
