"""Which local commands stand for images: options, and the table of gcpmlops.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcpmlops.emulator import __main__ as program
from gcpmlops.emulator.settings import local_images

OWN, ROUTINE = "gcr.io/me/own:1", "gcr.io/me/routine:1"


def test_the_nearest_file_and_the_options_over_it(tmp_path: Path) -> None:
    source = tmp_path / "routine"
    (below := tmp_path / "a" / "b").mkdir(parents=True)
    source.mkdir()
    (tmp_path / "gcpmlops.toml").write_text(
        f'project = "p"\n[emulator.images]\n"{OWN}" = "python serve.py --fast"\n"{ROUTINE}" = "routine"\n'
    )
    assert local_images(below, []) == {OWN: "python serve.py --fast", ROUTINE: str(source)}
    assert local_images(below, [f"{OWN}=A=1 other"])[OWN] == "A=1 other"
    (below / "gcpmlops.toml").write_text('project = "q"')
    assert local_images(below, []) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[emulator.images", "gcpmlops.toml: "),
        ("emulator = 3", "gcpmlops.toml: "),
        ("[emulator]\nimages = 3", "is no table of image URIs"),
        ("[emulator.images]\nx = 3", r"\[emulator.images\] x is 3, which is neither a command nor a folder"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "gcpmlops.toml").write_text(text)
    with pytest.raises(ValueError, match=words):
        local_images(tmp_path, [])


def test_a_bad_option_ends_the_start_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--data-dir", str(tmp_path), "--image", "gcr.io/me/own"]) == 1
    assert capsys.readouterr().err == "gcpmlops emulator: --image 'gcr.io/me/own' is not URI=COMMAND\n"
