"""Requirements: lists, files beside the source, and what a package declares."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from gcpmlops._jobs import packaging, requirements
from gcpmlops.exceptions import InvalidArgument


def test_file_of_pips_format(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("six\n")
    (tmp_path / "requirements.txt").write_text(
        "# a comment\npandas>=2  # why\n\nscikit-learn==1.6.* ; python_version > '3.8'\n-r more.txt\nfoo \\\n  ==1.0\n"
        "bar==1 --hash=sha256:abc\nmine @ https://example.com/mine.whl#egg=x\n"
    )
    found = list(requirements.read(tmp_path / "requirements.txt"))
    assert found[:4] == ["pandas>=2", "scikit-learn==1.6.* ; python_version > '3.8'", "six", "foo    ==1.0"]
    assert found[4:] == ["bar==1", "mine @ https://example.com/mine.whl#egg=x"]


@pytest.mark.parametrize(
    "line", ["-e .", "--index-url https://x", "-c constraints.txt", "not a requirement", "./local"]
)
def test_what_a_package_cannot_declare(tmp_path: Path, line: str) -> None:
    (tmp_path / "r.txt").write_text(f"six\n{line}\n")
    with pytest.raises(InvalidArgument, match=r"r\.txt:2"):
        list(requirements.read(tmp_path / "r.txt"))


def test_given(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("six\n")
    (tmp_path / "train.py").write_text("")
    path = tmp_path / "requirements.txt"
    assert requirements.given(None, tmp_path / "train.py") == ["six"]
    assert requirements.given((), tmp_path / "train.py") == []
    assert requirements.given(path, None) == requirements.given(str(path), None) == ["six"]
    assert requirements.given(["pandas", str(path)], None) == ["pandas", "six"]
    with pytest.raises(InvalidArgument, match="No such file"):
        requirements.given("missing.txt", None)
    with pytest.raises(InvalidArgument, match="not a requirement"):
        requirements.given(["pandas 2"], None)


def test_beside(tmp_path: Path) -> None:
    folder = tmp_path / "trainer"
    folder.mkdir()
    assert requirements.beside(folder) is None
    (tmp_path / "requirements.txt").write_text("")
    assert requirements.beside(folder) == tmp_path / "requirements.txt"
    (folder / "requirements.txt").write_text("")
    assert requirements.beside(folder) == folder / "requirements.txt"
    (folder / "pyproject.toml").write_text("")
    assert requirements.beside(folder) is None
    assert requirements.beside("gs://b/x.tar.gz") is requirements.beside(tmp_path / "x.whl") is None


def sdist(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"mine-1/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def test_source_distribution_is_taken_as_it_is(tmp_path: Path) -> None:
    files = {
        "PKG-INFO": "Name: mine\nRequires-Dist: six\nRequires-Dist: pytest; extra == 'dev'\n",
        "mine/__init__.py": "",
    }
    path = sdist(tmp_path / "mine-1.tar.gz", {**files, "mine/task.py": "import six"})
    package = packaging.build(path)
    assert (package.filename, package.module, package.requirements) == ("mine-1.tar.gz", "mine.task", ("six",))
    assert package.content == path.read_bytes()
    with pytest.raises(InvalidArgument, match="which module"):
        packaging.build(sdist(tmp_path / "other-1.tar.gz", files))
    assert packaging.build(path, module="mine.other").module == "mine.other"


def test_wheel(tmp_path: Path) -> None:
    path = tmp_path / "mine-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("mine/__init__.py", "")
        wheel.writestr("mine/__main__.py", "")
        wheel.writestr("mine-1.dist-info/METADATA", "Name: mine\nRequires-Dist: pandas (>=2)\n")
    package = packaging.build(path)
    assert (package.module, package.requirements) == ("mine", ("pandas (>=2)",))


def test_not_a_package(tmp_path: Path) -> None:
    (tmp_path / "mine.whl").write_text("x")
    with pytest.raises(InvalidArgument, match="is not a package"):
        packaging.build(tmp_path / "mine.whl", module="a")
