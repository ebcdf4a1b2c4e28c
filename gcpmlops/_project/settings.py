"""gcpmlops.toml: what `gcpmlops init` keeps there for whoever works in the folder, and for its own next run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gcpmlops import _whole_file
from gcpmlops._config_files import TOML_NAME, find_toml
from gcpmlops._project.blueprint import Blueprint
from gcpmlops._project.grants import Account
from gcpmlops.exceptions import ConfigError

TABLE = "setup"
_LISTS = ("actions", "buckets", "datasets", "developers")
_ROLES: dict[str, Account] = {
    "service_account": "training",
    "serving_service_account": "serving",
    "retraining_service_account": "retraining",
    "scheduler_service_account": "scheduler",
}


def read(directory: Path) -> dict[str, Any]:
    """The table [setup] of the nearest gcpmlops.toml; empty without one. Raises ConfigError."""
    path = find_toml(directory)
    if path is None:
        return {}
    table = _document(path).unwrap().get(TABLE, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: {TABLE} = {table!r} is not valid", field=TABLE, allowed=f"a table, [{TABLE}]")
    for key, value in table.items():
        if key == "name" and isinstance(value, str):
            continue
        if key not in _LISTS or not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            allowed = f"name (text), {', '.join(_LISTS)} (lists of text)"
            raise ConfigError(f"{path}: [{TABLE}] {key} = {value!r} is not valid", field=key, allowed=allowed)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def wanted(plan: Blueprint) -> dict[str, Any]:
    """The settings that follow from a blueprint; the table [setup] is one of them."""
    accounts = {name: plan.accounts[account] for name, account in _ROLES.items() if account in plan.accounts}
    given = {name: list(getattr(plan, name)) for name in _LISTS if getattr(plan, name)}
    return {
        "project": plan.project,
        "location": plan.location,
        "staging_bucket": plan.staging_bucket,
        **accounts,
        TABLE: {"name": plan.name, **given},
    }


def differences(path: Path, settings: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """(what the file has, what is wanted) of keys that are there with another value; [setup] is brought up to date."""
    present = _document(path).unwrap() if path.is_file() else {}
    return {key: (present[key], value) for key, value in settings.items() if key in present and present[key] != value}


def write(path: Path, settings: Mapping[str, Any]) -> bool:
    """Adds keys that are missing and brings [setup] up to date; all else stays as it is. Whether it changed."""
    import tomlkit

    document = _document(path) if path.is_file() else tomlkit.document()
    before = document.as_string()
    new = {key: value for key, value in settings.items() if key not in document and key != TABLE}
    text = "".join(f"{key} = {tomlkit.item(value).as_string()}\n" for key, value in new.items()) + before
    document = tomlkit.parse(text)  # new keys first: after a table's header they would be the table's
    _update(document.setdefault(TABLE, tomlkit.table()), settings[TABLE])
    if document.as_string() == before:
        return False
    _replace(path.resolve(), document.as_string())
    return True


def _update(table: Any, wanted: Mapping[str, Any]) -> None:
    """Key by key: what people wrote beside them stays."""
    for key in [key for key in table if key not in wanted]:
        del table[key]
    for key, value in wanted.items():
        if table.get(key) != value:
            table[key] = value


def _replace(path: Path, text: str) -> None:
    """Raises ConfigError."""
    try:
        _whole_file.write(path, text)
    except OSError as error:
        raise ConfigError(
            f"{path} can't be written: {error.strerror}", field=TOML_NAME,
            next_step="All else is made. Make the folder writable, or name another with --directory, and run it again.",
        ) from error  # fmt: skip


def place(directory: Path) -> Path:
    """The nearest gcpmlops.toml, otherwise a new one in the folder."""
    return find_toml(directory) or directory / TOML_NAME


def _document(path: Path) -> Any:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(path.read_bytes().decode())
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigError(f"{path}: {error}", field=TOML_NAME) from error
