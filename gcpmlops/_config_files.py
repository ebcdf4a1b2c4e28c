"""The files that `config` reads: gcpmlops.toml, gcloud's properties, the project in a key file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gcpmlops.exceptions import ConfigError

TOML_NAME = "gcpmlops.toml"
_OTHER_TABLES = ("emulator", "setup")  # read by the emulator, and by gcpmlops init


def find_toml(directory: Path) -> Path | None:
    """gcpmlops.toml in `directory` or the nearest folder above it."""
    for folder in (directory.resolve(), *directory.resolve().parents):
        if (folder / TOML_NAME).is_file():
            return folder / TOML_NAME
    return None


def toml_settings(directory: Path, known: Iterable[str]) -> Iterator[tuple[str, Any, str]]:
    """(setting, value, source) of the nearest gcpmlops.toml. Raises ConfigError for a key that is not a setting."""
    path = find_toml(directory)
    if path is None:
        return
    names = list(known)
    for key, value in _read_toml(path).items():
        if key in _OTHER_TABLES and isinstance(value, dict):
            continue
        if key not in names:
            raise _unknown_key(path, key, names)
        yield key, value, f"{path}"


def _unknown_key(path: Path, key: str, names: list[str]) -> ConfigError:
    import difflib

    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}"
    return ConfigError(f"{path}: unknown key {key!r}", field=key, next_step=hint)


def _read_toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}", field=TOML_NAME) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: {exc}", field=TOML_NAME) from exc


def gcloud_properties(environ: Mapping[str, str]) -> tuple[dict[str, str], Path]:
    """("section/key" -> value, file) of gcloud's active configuration; empty where gcloud was never set up."""
    root = _gcloud_folder(environ)
    path = root / "configurations" / f"config_{_active_name(root, environ)}"
    if not path.is_file():
        return {}, path
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as exc:
        raise ConfigError(f"{path}: gcloud's configuration cannot be read: {exc}", field="gcloud") from exc
    return {f"{section}/{key}": value for section in parser.sections() for key, value in parser[section].items()}, path


def _gcloud_folder(environ: Mapping[str, str]) -> Path:
    if configured := environ.get("CLOUDSDK_CONFIG"):
        return Path(configured).expanduser()
    if appdata := environ.get("APPDATA"):  # Windows
        return Path(appdata) / "gcloud"
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / ".config" / "gcloud"


def _active_name(root: Path, environ: Mapping[str, str]) -> str:
    if name := environ.get("CLOUDSDK_ACTIVE_CONFIG_NAME"):
        return name
    active = root / "active_config"
    return active.read_text(encoding="utf-8").strip() if active.is_file() else "default"


def credentials_project(credentials_file: str | None) -> str | None:
    """The project of a service account's key file; a file that cannot be read is google.auth's to report."""
    if not credentials_file:
        return None
    try:
        content = json.loads(Path(credentials_file).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    project = content.get("project_id") if isinstance(content, dict) else None
    return project if isinstance(project, str) else None
