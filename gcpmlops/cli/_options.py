"""Options that many commands share, and the `Call` that they make."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gcpmlops.cli import _output

if TYPE_CHECKING:
    from gcpmlops.client import Client

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("table", "json", "yaml")
_SETTINGS = ("project", "location", "endpoint")


class Call:
    """One command being run: its client, its output format, and whether it only says what it would do."""

    def __init__(self, *, settings: dict[str, Any], output_format: str, dry_run: bool) -> None:
        self.settings = settings
        self.format = output_format
        self.dry_run = dry_run

    @functools.cached_property
    def client(self) -> Client:
        """The client for the settings given."""
        from gcpmlops.client import Client

        return Client(**self.settings)

    def read(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """`client.METHOD(...)`, for "storage.get" and the like."""
        return operator.attrgetter(method)(self.client)(*args, **kwargs)

    def change(self, api: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """`client.METHOD(...)`; with --dry-run it is only shown, with the Google API that it would call."""
        if not self.dry_run:
            return self.read(method, *args, **kwargs)
        given = {key: value for key, value in kwargs.items() if value not in (None, (), [], {}, "")}
        plan = {"dry_run": True, "api": api, "method": f"client.{method}", "arguments": [*map(str, args)], **given}
        _output.show_one(plan, plan, self.format)
        return click.get_current_context().exit(0)

    def show(self, handle: Any, view: Callable[[Any], dict[str, Any]]) -> None:
        """One result: its view as a table; as JSON or YAML Google's whole resource."""
        _output.show_one(view(handle), _output.resource(handle, view), self.format)

    def show_all(self, handles: Sequence[Any], view: Callable[[Any], dict[str, Any]], *, what: str) -> None:
        """A list of results."""
        if self.format == "table":
            _output.show_table([view(handle) for handle in handles], empty=f"No {what}.")
        else:
            _output.show_data([_output.resource(handle, view) for handle in handles], self.format)

    def say(self, text: str) -> None:
        """A sentence for people, on stderr: stdout is for results."""
        click.echo(text, err=True)

    def keep(self, path: str, write: Callable[[Path], Any]) -> None:
        """Have a file written, or by way of one an object of Cloud Storage."""
        from tempfile import TemporaryDirectory

        if not path.startswith("gs://"):
            write(Path(path))
        else:
            with TemporaryDirectory() as folder:
                local = Path(folder, path.rpartition("/")[2] or "result")
                write(local)
                self.read("storage.upload", local, destination=path)
        self.say(f"Wrote {path}.")

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A spinner on a terminal, a line elsewhere, while something takes long."""
        if self.dry_run:
            yield
            return
        with _output.progress(text):
            yield


def command(
    group: click.Group, name: str, *, example: str, changes: bool = False, **attributes: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """A command of the group that gets a `Call` first; `changes` adds --dry-run, `example` ends its help."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        shared = [*_SHARED, *([_DRY_RUN] if changes else [])]

        @functools.wraps(function)
        def run(**given: Any) -> Any:
            settings = {key: given.pop(key) for key in _SETTINGS}
            call = Call(
                settings=settings, output_format=given.pop("output_format"), dry_run=changes and given.pop("dry_run")
            )
            return function(call, **given)

        run.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]
        for option in reversed(shared):
            option(run)
        epilog = "\b\nExample:\n" + "\n".join(f"  {line}" for line in example.splitlines())
        return group.command(name, epilog=epilog, **attributes)(run)

    return decorate


_SHARED: list[Callable[[F], F]] = [
    click.option("--project", help="Google Cloud project."),
    click.option("--location", help="Location, such as us-central1."),
    click.option("--endpoint", help="URL that answers for all Google APIs, such as a local emulator's."),
    click.option(
        "--format",
        "output_format",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="Output format.",
    ),
]
_DRY_RUN: Callable[[F], F] = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


def pairs(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> dict[str, str] | None:
    """Callback for a repeated KEY=VALUE option: a dict, None where it was not given."""
    found = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{value!r} is not KEY=VALUE")
        found[key] = rest
    return found or None


def labels(function: F) -> F:
    """--label KEY=VALUE, repeated."""
    return click.option(
        "--label", "labels", multiple=True, callback=pairs, metavar="KEY=VALUE", help="Label; may be repeated."
    )(function)
