"""`gcpmlops batch-predictions`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, labels
from gcpmlops.cli._progress import JobProgress


@click.group("batch-predictions")
def batch_predictions() -> None:
    """Batch predictions of Vertex AI: files and tables."""


def _job(job: Any) -> dict[str, Any]:
    return {"id": job.id, "display_name": job.display_name, "state": job.state.name, "created": job.created}


def _whole(job: Any) -> dict[str, Any]:
    return {
        **_job(job),
        "name": job.name,
        "model": job.model,
        "output": job.output_uri or job.output_table,
        "instances": str(job.counts),
        "error": job.proto.error.message,
    }


class _Progress(JobProgress):
    """The state, and how many instances are through."""

    def __init__(self) -> None:
        super().__init__()
        self._counts = (0, 0)

    def state(self, job: Any) -> None:
        super().state(job)
        counts = (job.counts.successful, job.counts.failed)
        if counts != self._counts:
            self._counts = counts
            self.line(f"{counts[0]:,} predicted, {counts[1]:,} failed")


def _json(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    try:
        found = json.loads(value)
    except ValueError as exc:
        raise click.BadParameter(f"{value!r} is not JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise click.BadParameter(f"{value!r} is not a JSON object")
    return found


_OPTIONS = [
    click.argument("model"),
    click.option(
        "--source", required=True, multiple=True,
        help="gs://BUCKET/OBJECT (one * is allowed; may be repeated), DATASET.TABLE, or a local file.",
    ),
    click.option("--destination", help="gs:// folder, DATASET or DATASET.TABLE; the staging bucket otherwise."),
    click.option("--instances-format", help="jsonl, csv, bigquery, file-list, ...; follows from the source's name."),
    click.option("--predictions-format", help="jsonl or csv for files, bigquery for tables."),
    click.option("--name", "display_name", help="Display name; the model's otherwise."),
    click.option("--parameters", callback=_json, metavar="JSON", help="What is sent with every request."),
    click.option("--instance-type", type=click.Choice(["object", "array"]), help="What of named fields is sent."),
    click.option("--key-field", help="Field that is not sent; the output names instances by it."),
    click.option("--included-field", "included_fields", multiple=True, help="Field to send; may be repeated."),
    click.option("--excluded-field", "excluded_fields", multiple=True, help="Field not to send; may be repeated."),
    click.option("--machine-type", default="n1-standard-4", show_default=True),
    click.option("--accelerator-type", help="Such as NVIDIA_TESLA_T4."),
    click.option("--accelerator-count", type=int, default=0),
    click.option("--replicas", type=int, default=1, show_default=True, help="Servers that share the work."),
    click.option("--batch-size", type=int, help="Instances of one request; 64 otherwise."),
    click.option("--explain", is_flag=True, help="Also feature attributions."),
    labels,
    click.option("--service-account", help="Whom the job runs as."),
    click.option("--staging-bucket", help="Where local data is put, and the output without a destination."),
]  # fmt: skip


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def _submit(call: Call, given: dict[str, Any]) -> Any:
    source = given.pop("source")
    chosen = {**given, "source": source[0] if len(source) == 1 else list(source)}
    return call.client.batch_predictions.submit(chosen.pop("model"), **chosen, dry_run=call.dry_run)


def _show(call: Call, job: Any) -> None:
    """A dry run's request is shown whole, in YAML where a table was asked for."""
    if call.dry_run:
        _output.show_data(_output.resource(job, _job), "yaml" if call.format == "table" else call.format)
    else:
        call.show(job, _whole)


@command(
    batch_predictions,
    "submit",
    changes=True,
    example="gcpmlops batch-predictions submit flights@champion --source 'gs://b/in/*.jsonl' --destination gs://b/out",
)
@_options
def submit(call: Call, **given: Any) -> None:
    """Start to predict every instance of a source, and return at once.

    --dry-run shows the exact request, and sends nothing.
    """
    _show(call, _submit(call, given))


@command(
    batch_predictions,
    "run",
    changes=True,
    example="gcpmlops batch-predictions run flights@champion --source flights.march --destination flights.march_scores",
)
@_options
def run(call: Call, **given: Any) -> None:
    """Predict every instance of a source, and wait for the end; exit with 1 if the job fails."""
    job = _submit(call, given)
    if not call.dry_run:
        call.say(f"Submitted {job.name}")
        with _Progress() as progress:
            job = job.wait(on_log=progress.log, on_state=progress.state)
    _show(call, job)


@command(batch_predictions, "get", example="gcpmlops batch-predictions get 1234567890 --format yaml")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show a job."""
    call.show(call.read("batch_predictions.get", name), _whole)


@command(batch_predictions, "list", example="gcpmlops batch-predictions list --filter 'labels.team=\"ops\"'")
@click.option("--filter", "filter_", help="As in the API.")
@click.option("--limit", type=int, help="At most so many.")
def list_(call: Call, filter_: str | None, limit: int | None) -> None:
    """List jobs, the newest first."""
    call.show_all(call.read("batch_predictions.list", filter=filter_, limit=limit), _job, what="batch predictions")


@command(batch_predictions, "wait", example="gcpmlops batch-predictions wait 1234567890 --timeout 600")
@click.argument("name")
@click.option("--timeout", type=float, help="Seconds.")
def wait(call: Call, name: str, timeout: float | None) -> None:
    """Wait for a job's end; exit with 1 if it fails."""
    with _Progress() as progress:
        job = call.read("batch_predictions.wait", name, timeout=timeout, on_state=progress.state)
    call.show(job, _whole)


@command(batch_predictions, "errors", example="gcpmlops batch-predictions errors 1234567890")
@click.argument("name")
def errors(call: Call, name: str) -> None:
    """List the instances that could not be predicted, with the reason of each."""
    call.show_all(call.read("batch_predictions.errors", name), asdict, what="errors")


@command(batch_predictions, "logs", example="gcpmlops batch-predictions logs 1234567890")
@click.argument("name")
def logs(call: Call, name: str) -> None:
    """Show a job's log, with its model server's lines."""
    lines = list(call.read("batch_predictions.logs", name))
    if call.format == "table":
        for line in lines:
            click.echo(line.text)
    else:
        _output.show_data([asdict(line) for line in lines], call.format)


@command(batch_predictions, "cancel", changes=True, example="gcpmlops batch-predictions cancel 1234567890")
@click.argument("name")
def cancel(call: Call, name: str) -> None:
    """Ask a job to stop."""
    call.change("JobService.CancelBatchPredictionJob", "batch_predictions.cancel", name)
    call.say(f"{name} is being cancelled.")


@command(batch_predictions, "delete", changes=True, example="gcpmlops batch-predictions delete 1234567890")
@click.argument("name")
def delete(call: Call, name: str) -> None:
    """Delete a job that has ended; its output stays."""
    call.change("JobService.DeleteBatchPredictionJob", "batch_predictions.delete", name)
    call.say(f"Deleted {name}.")
