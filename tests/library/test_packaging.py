"""What is packed can be installed and run as the prebuilt images do it."""

import io
import tarfile
from pathlib import Path

import pytest

from gcpmlops._jobs import packaging
from gcpmlops.exceptions import InvalidArgument


def names(package: packaging.SourcePackage) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(package.content)) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_script(tmp_path: Path) -> None:
    (tmp_path / "my-train.py").write_text("print(1)")
    package = packaging.build(tmp_path / "my-train.py", requirements=["pandas>=2"])
    assert (package.filename, package.module) == ("my_train_job-0.1.0.tar.gz", "my_train_job.my_train")
    assert names(package) == {"setup.py", "MANIFEST.in", "my_train_job/__init__.py", "my_train_job/my_train.py"}
    assert packaging.build(tmp_path / "my-train.py", requirements=["pandas>=2"]).content == package.content


def test_typo_is_found_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("x = 1\ndef broken(:\n")
    with pytest.raises(InvalidArgument, match=r"train.py:2"):
        packaging.build(tmp_path / "train.py")


def test_folder_of_scripts(tmp_path: Path) -> None:
    for name in ("train.py", "helper.py", "data.json"):
        (tmp_path / name).write_text("{}")
    package = packaging.build(tmp_path)
    assert package.module == "train"
    assert {"train.py", "helper.py", "data.json"} <= names(package)


def test_package(tmp_path: Path) -> None:
    folder = tmp_path / "trainer"
    (folder / "__pycache__").mkdir(parents=True)
    for name in ("__init__.py", "task.py", "__pycache__/x.pyc"):
        (folder / name).write_text("")
    package = packaging.build(folder)
    assert package.module == "trainer.task"
    assert "trainer/task.py" in names(package)
    assert not [name for name in names(package) if "__pycache__" in name]


def test_project(tmp_path: Path) -> None:
    (tmp_path / "src" / "mine").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "src" / "mine" / name).write_text("")
    assert packaging.build(tmp_path).module == "mine"
    with pytest.raises(InvalidArgument, match=r"pyproject\.toml"):
        packaging.build(tmp_path, requirements=["pandas"])


def test_entry_that_cannot_be_told(tmp_path: Path) -> None:
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text("")
    with pytest.raises(InvalidArgument, match="one, two"):
        packaging.build(tmp_path)
    assert packaging.build(tmp_path, module="two").module == "two"


@pytest.mark.parametrize("name", ["missing.py", "notes.txt"])
def test_not_a_script(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InvalidArgument):
        packaging.build(tmp_path / name)
