"""Real environments of a few small files, made by uv."""

import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes.cancellation import Cancellation, Cancelled
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.images import Image
from gcpmlops.emulator.runtimes.process import Processes

PYTHON = Image(f"python:3.{sys.version_info[1]}", "python", (), (sys.version_info[1],))


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path / "registry")
    yield processes
    processes.close()


@pytest.fixture
def environments(processes: Processes, tmp_path: Path) -> Environments:
    return Environments(processes, tmp_path / "environments")


def archive(folder: Path, code: str = "print('hello')", setup: str = "") -> Path:
    """A source distribution `hello-1.0.tar.gz` with one module, that needs nothing from an index but setuptools."""
    source = folder / "hello-1.0"
    source.mkdir(parents=True)
    (source / "hello.py").write_text(code)
    (source / "setup.py").write_text(
        setup or "import setuptools; setuptools.setup(name='hello', version='1.0', py_modules=['hello'])"
    )
    target = folder / "hello-1.0.tar.gz"
    with tarfile.open(target, "w:gz") as file:
        file.add(source, "hello-1.0")
    return target


def names(environments: Environments, tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "environments").iterdir() if path.is_dir()}


def test_an_environment_is_made_once_and_is_not_the_emulators(environments: Environments, tmp_path: Path) -> None:
    first = environments.ensure(PYTHON)
    stamp = first.python.lstat().st_ctime_ns
    assert environments.ensure(PYTHON) == first
    assert first.python.lstat().st_ctime_ns == stamp
    assert first.bare
    shown = subprocess.check_output([first.python, "-c", "import sys; print(sys.prefix)"], text=True)
    assert shown.strip() == str(first.path)
    assert len(names(environments, tmp_path)) == 1


def test_archives_are_installed_and_told_apart_by_content(environments: Environments, tmp_path: Path) -> None:
    one = environments.ensure(PYTHON, archives=[archive(tmp_path / "a", "print('one')")])
    two = environments.ensure(PYTHON, archives=[archive(tmp_path / "b", "print('two')")])
    assert subprocess.check_output([one.python, "-m", "hello"], text=True) == "one\n"
    assert subprocess.check_output([two.python, "-m", "hello"], text=True) == "two\n"
    assert one.path != two.path


def test_two_at_once_make_one(environments: Environments, tmp_path: Path) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(environments.ensure(PYTHON))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert len(set(found)) == 1


def test_an_interrupted_environment_is_made_again(environments: Environments) -> None:
    environment = environments.ensure(PYTHON)
    (environment.path / "gcpmlops-complete").unlink()
    environment.python.unlink()
    assert environments.ensure(PYTHON).python.exists()


def test_a_failing_installation_shows_its_last_lines_and_leaves_nothing(
    environments: Environments, tmp_path: Path
) -> None:
    broken = archive(tmp_path / "a", setup="raise SystemExit('this package is broken')")
    with pytest.raises(exceptions.FailedPrecondition, match="this package is broken"):
        environments.ensure(PYTHON, archives=[broken])
    assert len(names(environments, tmp_path)) == 1  # that of the image


def test_a_package_sits_on_top_of_the_image(environments: Environments, tmp_path: Path) -> None:
    base = environments.ensure(PYTHON)
    top = environments.ensure(PYTHON, archives=[archive(tmp_path / "a")])
    assert top.below == base
    assert not (top.site_packages / "pip").exists()
    shown = subprocess.check_output([top.python, "-c", "import pip, hello; print(pip.__file__)"], text=True)
    assert str(base.path) in shown


def test_cancelling_while_installing(environments: Environments, processes: Processes, tmp_path: Path) -> None:
    started = tmp_path / "started"
    slow = archive(tmp_path / "a", setup=f"open({str(started)!r}, 'w').close()\nimport time\ntime.sleep(600)")
    cancellation, errors = Cancellation(), []

    def make() -> None:
        try:
            environments.ensure(PYTHON, archives=[slow], cancellation=cancellation)
        except Cancelled as error:
            errors.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    while not started.exists():
        thread.join(0.02)
        assert thread.is_alive()
    cancellation.request()
    thread.join(30)
    assert errors
    assert not processes.living
    assert len(names(environments, tmp_path)) == 1


def test_no_interpreter_fits(environments: Environments) -> None:
    image = Image("us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.0-1", "sklearn", ("scikit-learn==0.1.*",), (2,))
    with pytest.raises(exceptions.InvalidArgument, match=r"images that work: .*sklearn-cpu"):
        environments.ensure(image)


def test_pips_private_index_is_told_to_uv(processes: Processes, tmp_path: Path) -> None:
    index = tmp_path / "index" / "hello"
    index.mkdir(parents=True)
    with zipfile.ZipFile(index / "hello-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("hello.py", "print('hello')")
        wheel.writestr("hello-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\n")
        wheel.writestr("hello-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("hello-1.0.dist-info/RECORD", "")
    (index / "index.html").write_text('<a href="hello-1.0-py3-none-any.whl">hello-1.0-py3-none-any.whl</a>')
    env = {**os.environ, "PIP_INDEX_URL": (tmp_path / "index").as_uri()}
    made = Environments(processes, tmp_path / "environments", env=env).ensure(PYTHON, requirements=["hello==1.0"])
    assert subprocess.check_output([made.python, "-m", "hello"], text=True) == "hello\n"
