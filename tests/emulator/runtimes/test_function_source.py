"""Archives and requirements of functions."""

import zipfile
from pathlib import Path

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes.function_source import requirements, unpack


def archive(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as bundle:
        for name, text in files.items():
            bundle.writestr(name.replace("__", "."), text)
    return path


def test_files_are_laid_out(tmp_path: Path) -> None:
    unpack(archive(tmp_path / "a.zip", main__py="x = 1", data__txt="y"), tmp_path / "out", where="a.zip")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data.txt", "main.py"]


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        bundle.writestr("main.py", "")
        bundle.writestr(name, "")
    with pytest.raises(exceptions.InvalidArgument, match="outside"):
        unpack(tmp_path / "a.zip", tmp_path / "out", where="a.zip")
    assert not list(tmp_path.rglob("evil.py"))


def test_links_and_missing_mains_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as bundle:
        info = zipfile.ZipInfo("main.py")
        info.external_attr = 0o120777 << 16
        bundle.writestr(info, "/etc/passwd")
    with pytest.raises(exceptions.InvalidArgument, match="symbolic link"):
        unpack(tmp_path / "link.zip", tmp_path / "one", where="link.zip")
    with pytest.raises(exceptions.InvalidArgument, match=r"missing main\.py.*holds other\.py"):
        unpack(archive(tmp_path / "b.zip", other__py=""), tmp_path / "two", where="b.zip")


def test_lines_of_requirements(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "own").mkdir(parents=True)
    (source / "own" / "pyproject.toml").write_text("[project]\nname='own'\n")
    (source / "a-1.0-py3-none-any.whl").write_bytes(b"wheel")
    (source / "more.txt").write_text("six\n")
    (source / "requirements.txt").write_text(
        "numpy>=1.20 # numbers\n\n# nothing\npandas \\\n  <3\n./a-1.0-py3-none-any.whl\nown @ ./own\n-e ./own\n"
        "-r more.txt\nrequests @ https://example.com/requests.whl\n--extra-index-url https://example.com/simple\n"
    )
    found = requirements(source, tmp_path / "packages")
    assert found[:3] == ["functions-framework", "numpy>=1.20", "pandas    <3"]
    wheel, folder, editable = found[3:6]
    assert Path(wheel).read_bytes() == b"wheel"
    assert (Path(folder) / "pyproject.toml").exists()
    assert editable == folder
    assert found[6:] == [
        "six", "requests @ https://example.com/requests.whl", "--extra-index-url", "https://example.com/simple",
    ]  # fmt: skip
    assert requirements(source, tmp_path / "packages") == found  # the same content, the same paths


def test_the_framework_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("Functions_Framework==3.8.*\n")
    assert requirements(tmp_path, tmp_path / "packages") == ["Functions_Framework==3.8.*"]


@pytest.mark.parametrize(
    ("line", "said"), [("../other", "leads out"), ("./none.whl", "not in the source"), ("--hash=1", "not understood")]
)
def test_lines_that_do_not_work_are_named(tmp_path: Path, line: str, said: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "requirements.txt").write_text(f"{line}\n")
    with pytest.raises(exceptions.InvalidArgument, match=said):
        requirements(source, tmp_path / "packages")
