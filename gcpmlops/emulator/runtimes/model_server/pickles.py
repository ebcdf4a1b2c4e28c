"""Pickled models, and what their files tell about the versions that they were saved with."""

from __future__ import annotations

import bz2
import lzma
import pickle
import re
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# The attribute that every scikit-learn estimator is pickled with: its name, perhaps a memo mark, length and string.
SAVED_WITH = re.compile(rb"_sklearn_version(?:\x94|q.|r.{4})?[\x8cXU](.)(?:\0{3})?(\d+\.\d+[.\w+]*)", re.DOTALL)
LONGEST_BYTES = 128  # more than anything that is searched for
PIECE_BYTES = 1 << 20
COMPRESSIONS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"BZ", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", lzma.LZMADecompressor),
    (b"\x5d\x00", lzma.LZMADecompressor),
    (b"\x78", zlib.decompressobj),
)


class LoadError(Exception):
    """A model file that cannot be loaded here; the text says why, in the user's terms."""


def read(path: Path) -> Any:
    """The object in a joblib or pickle file; one line on stderr where another scikit-learn saved it.

    Raises: LoadError naming the versions, caused by what unpickling raised.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = read_joblib(path) if path.suffix == ".joblib" else read_pickle(path)
        except Exception as error:
            raise LoadError(f"{path.name} cannot be unpickled: {explain(error, path)}") from error
    for text in unique(caught):
        sys.stderr.write(text + "\n")
    return value


def read_joblib(path: Path) -> Any:
    """The object in a joblib file."""
    import joblib

    return joblib.load(path)


def read_pickle(path: Path) -> Any:
    """The object in a pickle file."""
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - the user's own model, in the user's own process


def unique(caught: list[warnings.WarningMessage]) -> list[str]:
    """One line for each different warning; scikit-learn gives one for every tree of a forest."""
    lines = {}
    for warning in caught:
        saved = getattr(warning.message, "original_sklearn_version", None)
        if saved is not None:
            lines["sklearn"] = mismatch(saved) + ": its predictions may differ."
        elif warning.category not in (DeprecationWarning, PendingDeprecationWarning):
            lines[str(warning.message)] = f"{warning.category.__name__}: {warning.message}"
    return list(lines.values())


def explain(error: Exception, path: Path) -> str:
    """What unpickling raised, and the likely reason."""
    text = f"{type(error).__name__}: {error}."
    saved, here = saved_with(path), installed("sklearn")
    if saved and saved != here:
        return f"{text} {mismatch(saved)}: deploy it with the image of its version, or save it with this one."
    if isinstance(error, ModuleNotFoundError) and str(error.name).startswith("numpy._core"):
        return f"{text} It was saved with NumPy 2, this image has NumPy {installed('numpy')}."
    if isinstance(error, ModuleNotFoundError):
        return f"{text} This image has no module {error.name}."
    return text


def mismatch(saved: str) -> str:
    """Which scikit-learn saved the model, and which one is here."""
    return f"The model was saved with scikit-learn {saved}, this image has {installed('sklearn') or 'none'}"


def installed(package: str) -> str:
    """The version of a package that this process can import; empty without it."""
    try:
        return str(__import__(package).__version__)
    except ImportError:
        return ""


def saved_with(path: Path) -> str:
    """The scikit-learn that a model was saved with; empty where its file does not say."""
    found = found_in(path, SAVED_WITH)
    return found[2][: found[1][0]].decode("ascii") if found else ""


def found_in(path: Path, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
    """The first match in a file's content, which is read and decompressed piece by piece."""
    before = b""
    for piece in pieces(path):
        window = before + piece
        found = pattern.search(window)
        if found:
            return found
        before = window[-LONGEST_BYTES:]
    return None


def pieces(path: Path) -> Iterator[bytes]:
    """A file's content, decompressed as joblib would; it ends where that is impossible."""
    with path.open("rb") as file:
        piece = file.read(PIECE_BYTES)
        make = next((make for mark, make in COMPRESSIONS if piece.startswith(mark)), None)
        decompressor = make() if make else None
        try:
            while piece:
                yield piece if decompressor is None else decompressor.decompress(piece)
                piece = file.read(PIECE_BYTES)
        except (OSError, EOFError, zlib.error, lzma.LZMAError):
            return  # not compressed after all, or cut off
