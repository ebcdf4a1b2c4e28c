"""`gcpmlops storage`."""

from __future__ import annotations

import sys
from typing import Any

import click

from gcpmlops.cli._options import Call, command, labels


@click.group()
def storage() -> None:
    """Buckets and objects of Cloud Storage."""


def _bucket(bucket: Any) -> dict[str, Any]:
    return {
        "name": bucket.name,
        "location": bucket.location,
        "storage_class": bucket.storage_class,
        "labels": bucket.labels,
        "created": bucket.created,
    }


def _object(each: Any) -> dict[str, Any]:
    return {"uri": each.uri, "size": each.size, "type": each.content_type, "updated": each.updated}


_class = click.option("--storage-class", help="STANDARD, NEARLINE, COLDLINE or ARCHIVE.")
_versioning = click.option("--versioning/--no-versioning", default=None, help="Keep replaced and deleted objects.")


@command(storage, "create-bucket", changes=True, example="gcpmlops storage create-bucket my-data --label team=risk")
@click.argument("name")
@_class
@labels
@_versioning
def create_bucket(call: Call, versioning: bool | None, **given: Any) -> None:
    """Make a bucket."""
    bucket = call.change(
        "storage.buckets.insert", "storage.create_bucket", given.pop("name"), versioning=bool(versioning), **given
    )
    call.show(bucket, _bucket)


@command(storage, "ensure-bucket", changes=True, example="gcpmlops storage ensure-bucket my-data --versioning")
@click.argument("name")
@_class
@labels
@_versioning
def ensure_bucket(call: Call, name: str, **given: Any) -> None:
    """Make a bucket, or bring an existing one to these settings."""
    settings = {key: value for key, value in given.items() if value is not None}
    call.show(call.change("storage.buckets.insert, patch", "storage.ensure_bucket", name, **settings), _bucket)


@command(storage, "get-bucket", example="gcpmlops storage get-bucket my-data --format json")
@click.argument("name")
def get_bucket(call: Call, name: str) -> None:
    """Show a bucket."""
    call.show(call.read("storage.get_bucket", name), _bucket)


@command(storage, "list-buckets", example="gcpmlops storage list-buckets --prefix my-")
@click.option("--prefix", help="Only names that start so.")
def list_buckets(call: Call, prefix: str | None) -> None:
    """List the project's buckets."""
    call.show_all(call.read("storage.list_buckets", prefix=prefix), _bucket, what="buckets")


@command(storage, "update-bucket", changes=True, example="gcpmlops storage update-bucket my-data --no-versioning")
@click.argument("name")
@_class
@labels
@_versioning
def update_bucket(call: Call, name: str, **given: Any) -> None:
    """Change a bucket's labels, storage class or versioning."""
    call.show(call.change("storage.buckets.patch", "storage.update_bucket", name, **given), _bucket)


@command(storage, "delete-bucket", changes=True, example="gcpmlops storage delete-bucket my-data --force")
@click.argument("name")
@click.option("--force", is_flag=True, help="Delete its objects first.")
def delete_bucket(call: Call, name: str, force: bool) -> None:
    """Delete a bucket."""
    call.change("storage.buckets.delete", "storage.delete_bucket", name, force=force)
    call.say(f"Deleted gs://{name.removeprefix('gs://')}.")


@command(storage, "grant", changes=True, example="gcpmlops storage grant my-data --member user:ada@example.com")
@click.argument("bucket")
@click.option("--member", required=True, help="user:..., serviceAccount:..., group:..., allUsers.")
@click.option("--role", default="roles/storage.objectViewer", show_default=True)
def grant(call: Call, bucket: str, member: str, role: str) -> None:
    """Give a member a role on a bucket."""
    call.change("storage.buckets.setIamPolicy", "storage.grant", bucket, member=member, role=role)
    call.say(f"{member} has {role} on {bucket}.")


@command(storage, "grants", example="gcpmlops storage grants my-data")
@click.argument("bucket")
def grants(call: Call, bucket: str) -> None:
    """List who has which role on a bucket."""
    rows = [{"role": role, "members": members} for role, members in call.read("storage.grants", bucket).items()]
    call.show_all(rows, dict, what="grants")


@command(
    storage,
    "upload",
    changes=True,
    example="gcpmlops storage upload flights.csv gs://my-data/raw/\ngcpmlops storage upload folder gs://my-data/folder",
)
@click.argument("source", type=click.Path(allow_dash=True))
@click.argument("destination")
@click.option("--content-type", help="MIME type; follows from the name otherwise.")
def upload(call: Call, source: str, destination: str, content_type: str | None) -> None:
    """Upload a file, a folder, or with - standard input."""
    content: str | bytes = sys.stdin.buffer.read() if source == "-" and not call.dry_run else source
    with call.waiting(f"Uploading {source} to {destination}"):
        made = call.change(
            "storage.objects.insert", "storage.upload", content, destination=destination, content_type=content_type
        )
    call.show_all(made, _object, what="files")


@command(storage, "download", example="gcpmlops storage download gs://my-data/raw/ --to data")
@click.argument("source")
@click.option("--to", "destination", type=click.Path(), help="File or folder; the current folder otherwise.")
def download(call: Call, source: str, destination: str | None) -> None:
    """Download an object, or all under a prefix that ends in /."""
    with call.waiting(f"Downloading {source}"):
        paths = call.read("storage.download", source, destination=destination)
    call.show_all([{"file": str(path)} for path in paths], dict, what="files")


@command(storage, "read", example="gcpmlops storage read gs://my-data/raw/flights.csv | head")
@click.argument("uri")
def read(call: Call, uri: str) -> None:
    """Write an object's content to standard output."""
    sys.stdout.buffer.write(call.read("storage.read", uri))


@command(storage, "get", example="gcpmlops storage get gs://my-data/raw/flights.csv")
@click.argument("uri")
def get(call: Call, uri: str) -> None:
    """Show an object's metadata."""
    call.show(call.read("storage.get", uri), _object)


@command(storage, "exists", example="gcpmlops storage exists gs://my-data/raw/flights.csv && echo yes")
@click.argument("uri")
def exists(call: Call, uri: str) -> None:
    """Exit with 0 if the object or bucket is there, with 1 if not."""
    click.get_current_context().exit(0 if call.read("storage.exists", uri) else 1)


@command(storage, "list", example="gcpmlops storage list gs://my-data/raw/")
@click.argument("uri")
@click.option("--delimiter", help="Show only names without it after the prefix.")
@click.option("--limit", type=int, help="At most so many.")
def list_(call: Call, uri: str, delimiter: str | None, limit: int | None) -> None:
    """List objects whose names start with the URI's."""
    call.show_all(call.read("storage.list", uri, delimiter=delimiter, limit=limit), _object, what="objects")


@command(storage, "delete", changes=True, example="gcpmlops storage delete gs://my-data/raw/ --recursive")
@click.argument("uri")
@click.option("--recursive", is_flag=True, help="All objects under it.")
def delete(call: Call, uri: str, recursive: bool) -> None:
    """Delete an object, or all under a prefix."""
    call.say(f"Deleted {call.change('storage.objects.delete', 'storage.delete', uri, recursive=recursive)} objects.")


@command(storage, "copy", changes=True, example="gcpmlops storage copy gs://my-data/a.csv gs://other/a.csv")
@click.argument("source")
@click.argument("destination")
def copy(call: Call, source: str, destination: str) -> None:
    """Copy an object within the service."""
    call.show(call.change("storage.objects.rewrite", "storage.copy", source, destination=destination), _object)


@command(
    storage,
    "compose",
    changes=True,
    example="gcpmlops storage compose gs://my-data/1 gs://my-data/2 --to gs://my-data/all",
)
@click.argument("sources", nargs=-1, required=True)
@click.option("--to", "destination", required=True, help="The object to make.")
def compose(call: Call, sources: tuple[str, ...], destination: str) -> None:
    """Make one object out of several of the same bucket."""
    call.show(call.change("storage.objects.compose", "storage.compose", sources, destination=destination), _object)
