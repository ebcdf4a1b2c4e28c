"""The paths by which steps know a build's folders; secrets hidden across the pieces of a line."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes.build_masking import MaskedStream, Masking
from gcpmlops.emulator.runtimes.build_workspace import BuildWorkspace
from gcpmlops.emulator.services.cloud_build.sources import unpack


@pytest.fixture
def workspace(tmp_path):
    made = BuildWorkspace(tmp_path / "build")
    yield made
    made.remove()
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/workspace", "{work}"),
        ("cat /workspace/a /workspace/b", "cat {work}/a {work}/b"),
        ("--out=/workspace/a:/cache/b", "--out={work}/a:{cache}/b"),
        ("-I/workspace/include", "-I{work}/include"),
        ("file:///workspace/a", "file://{work}/a"),
        ("'/builder/home/.x'", "'{home}/.x'"),
        ("/workspaces /workspace-2 /a/workspace ./workspace workspace", None),
        ("gs://bucket/workspace/a", None),
        ("end in /workspace.", "end in {work}."),
    ],
)
def test_paths_are_rewritten(workspace, text, found):
    view = workspace.view(0, {"/cache": "shared"})
    folders = {"work": workspace.work, "home": workspace.home, "cache": view.folders["/cache"]}
    assert view.rewrite(text) == (text if found is None else found.format(**folders))


def test_where_a_step_runs(workspace):
    view = workspace.view(0, {})
    assert view.directory("") == workspace.work
    assert view.directory("a/b") == workspace.work / "a/b"
    assert view.directory("/workspace/c").is_dir()
    assert view.directory("/etc") == Path("/etc")  # this machine's, as an image has one
    for outside in ("..", "a/../../..", "/no/such/folder"):
        with pytest.raises(exceptions.InvalidArgument, match="outside"):
            view.directory(outside)


def test_volumes_are_shared_and_outputs_are_not(workspace):
    first, second = workspace.view(0, {"/cache": "v"}), workspace.view(1, {"/other/": "v"})
    assert first.folders["/cache"] == second.folders["/other"]
    assert first.folders["/builder/outputs"] != second.folders["/builder/outputs"]


@pytest.mark.parametrize(
    ("values", "pieces", "printed"),
    [
        (["abc"], ["xabcx", "ab", "c"], ["x***x", "ab", "c"]),  # lines of their own
        (["secret"], ["12345678se", "cret and"], ["12345678***", " and"]),  # two pieces of one line
        (["{\n  longer\n}\n"], ["{longer}"], ["{***}"]),
        (["1\n"], ["1 2"], ["*** 2"]),
        (["ab", "abcd"], ["abcd ab"], ["*** ***"]),
        ([""], ["x"], ["x"]),
    ],
)
def test_secrets_are_hidden(values, pieces, printed):
    lines: list[str] = []
    stream = MaskedStream(Masking(values), 10, lines.append)
    for piece in pieces:
        stream.line(piece)
    stream.close()
    assert "".join(lines) == "".join(printed)


@pytest.mark.parametrize("has_filters", [True, False])
def test_nothing_of_an_archive_leaves_its_folder(tmp_path, monkeypatch, has_filters):
    if not has_filters:  # as in the first releases of Python 3.11
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    for name, refused in {"a/b.txt": False, "../out": True, "a/../../out": True}.items():
        packed, target = tmp_path / "packed", tmp_path / "in" / "work"
        target.mkdir(parents=True, exist_ok=True)
        with tarfile.open(packed, "w:gz") as archive:
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
        if refused:
            with pytest.raises(exceptions.InvalidArgument, match="packed"):
                unpack(packed, target, "packed")
        else:
            unpack(packed, target, "packed")
            assert (target / name).read_bytes() == b"x"
    assert not list(tmp_path.rglob("out"))
