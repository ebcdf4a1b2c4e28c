"""`gcpmlops functions`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from gcpmlops.cli._options import Call, command, labels, pairs

if TYPE_CHECKING:
    from gcpmlops._logs.rows import LogRow
    from gcpmlops.functions import Function


@click.group()
def functions() -> None:
    """Cloud Functions: deployed from a folder, called, listed."""


def _row(function: Function) -> dict[str, Any]:
    return {
        "id": function.id,
        "state": function.state,
        "trigger": function.trigger,
        "runtime": function.runtime,
        "url": function.url,
        "updated": function.updated,
    }


def _whole(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        **_row(function),
        "entry_point": function.entry_point,
        "revision": function.revision,
        "error": function.error,
    }


def _line(row: LogRow) -> dict[str, Any]:
    return {"time": row.time, "severity": row.severity, "log": row.log.rpartition("/")[2], "text": row.text}


@command(
    functions,
    "deploy",
    changes=True,
    example="gcpmlops functions deploy hello --source functions/hello --entry-point hello\n"
    "gcpmlops functions deploy on-upload --source . --entry-point load --bucket my-bucket --retry",
)
@click.argument("name")
@click.option("--source", default=".", show_default=True, help="Folder with a main.py, a Python file, or gs:// zip.")
@click.option("--entry-point", required=True, help="The Python function in main.py.")
@click.option("--runtime", default="python311", show_default=True, help="Such as python311.")
@click.option("--topic", help="Pub/Sub topic whose messages it gets.")
@click.option("--bucket", help="Bucket whose events it gets.")
@click.option(
    "--event",
    type=click.Choice(["finalized", "deleted", "archived", "metadataUpdated"]),
    default="finalized",
    show_default=True,
    help="Which of the bucket's events.",
)
@click.option("--retry", is_flag=True, help="Deliver events again that it failed on.")
@click.option("--requirement", "requirements", multiple=True, help="Added to requirements.txt; may be repeated.")
@click.option("--env", multiple=True, callback=pairs, metavar="KEY=VALUE", help="Its environment; may be repeated.")
@click.option("--timeout", default="60s", show_default=True, help="Of one call, such as 5m.")
@click.option("--memory", help="Such as 512M.")
@click.option("--cpu", help="Such as 1.")
@click.option("--concurrency", type=int, help="Calls at a time in one instance.")
@click.option("--min-instances", type=int, default=0, show_default=True, help="Kept warm.")
@click.option("--max-instances", type=int, help="At most.")
@click.option("--service-account", metavar="EMAIL", help="Whom it runs as.")
@click.option("--description", default="", help="For people.")
@click.option("--public", is_flag=True, help="Everybody may call it.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it serves, or at once.")
@labels
def deploy(call: Call, name: str, **given: Any) -> None:
    """Make a function, or change it to this."""
    with call.waiting(f"Deploying {name}"):
        made = call.change("FunctionService.CreateFunction, UpdateFunction", "functions.deploy", name, **given)
    call.show(made, _whole)


@command(functions, "get", example="gcpmlops functions get hello")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show a function."""
    call.show(call.read("functions.get", name), _whole)


@command(functions, "list", example="gcpmlops functions list")
def list_(call: Call) -> None:
    """List the functions."""
    call.show_all(call.read("functions.list"), _row, what="functions")


@command(functions, "call", example='gcpmlops functions call hello --data \'{"name": "you"}\'')
@click.argument("name")
@click.option("--data", metavar="JSON", help="What is sent.")
@click.option("--path", default="", help="Below its URL.")
@click.option("--method", default="POST", show_default=True, help="Of the call.")
@click.option("--timeout", default="60s", show_default=True, help="How long to wait for the answer.")
def call_(call: Call, name: str, data: str | None, **given: Any) -> None:
    """Call a function with an identity token of yours, and print its answer."""
    try:
        value = None if data is None else json.loads(data)
    except ValueError as error:
        raise click.BadParameter(f"is no JSON: {error}", param_hint="--data") from None
    answer = call.read("functions.call", name, value, **given)
    click.echo(answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, indent=2))


@command(functions, "logs", example="gcpmlops functions logs hello --since 1h")
@click.argument("name")
@click.option("--since", default="1d", show_default=True, help="How long ago.")
@click.option("--limit", type=int, default=100, show_default=True, help="The newest so many.")
@click.option("--severity", help="This or worse, such as ERROR.")
def logs(call: Call, name: str, **given: Any) -> None:
    """Show what a function printed, and its requests."""
    call.show_all(call.read("functions.logs", name, **given), _line, what="entries")


@command(functions, "delete", changes=True, example="gcpmlops functions delete hello")
@click.argument("name")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it is gone, or at once.")
def delete(call: Call, name: str, wait: bool) -> None:
    """Delete a function with its service and trigger."""
    call.change("FunctionService.DeleteFunction", "functions.delete", name, wait=wait)
    call.say(f"Deleted {name}.")
