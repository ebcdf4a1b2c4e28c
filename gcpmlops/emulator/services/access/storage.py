"""What each method of Cloud Storage asks for. Source: https://cloud.google.com/storage/docs/access-control/iam-json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gcpmlops.emulator.kernel.access import Access
from gcpmlops.emulator.kernel.call import ANONYMOUS, Call
from gcpmlops.emulator.kernel.gate import Asked, Gate, Wanted

_OBJECT = "storage.objects."
_BUCKET = "storage.buckets."
_METHODS = {  # method: permissions, all on the bucket or object in the path
    "storage.buckets.get": ("storage.buckets.get",),
    "storage.buckets.patch": ("storage.buckets.update",),
    "storage.buckets.update": ("storage.buckets.update",),
    "storage.buckets.delete": ("storage.buckets.delete",),
    "storage.buckets.getIamPolicy": ("storage.buckets.getIamPolicy",),
    "storage.buckets.setIamPolicy": ("storage.buckets.setIamPolicy",),
    "storage.buckets.lockRetentionPolicy": ("storage.buckets.update",),
    "storage.buckets.getStorageLayout": ("storage.objects.list",),
    "storage.managedFolders.list": ("storage.managedFolders.list",),
    "storage.objects.list": ("storage.objects.list",),
    "storage.objects.get": ("storage.objects.get",),
    "storage.objects.patch": ("storage.objects.update",),
    "storage.objects.update": ("storage.objects.update",),
    "storage.objects.delete": ("storage.objects.delete",),
    "storage.objects.compose": ("storage.objects.create", "storage.objects.get"),
    "storage.objects.insert": ("storage.objects.create",),
    "storage.objects.move": ("storage.objects.move", "storage.objects.create"),
    "storage.objects.getIamPolicy": ("storage.objects.getIamPolicy",),
    "storage.notifications.list": ("storage.buckets.get",),
    "storage.notifications.get": ("storage.buckets.get",),
    "storage.notifications.insert": ("storage.buckets.update",),
    "storage.notifications.delete": ("storage.buckets.update",),
}
_FREE = ("storage.buckets.testIamPermissions", "storage.objects.testIamPermissions")
_COPIES = ("storage.objects.copy", "storage.objects.rewrite")
_WRITES = (*_COPIES, "storage.objects.insert", "storage.objects.compose", "storage.objects.move")
_CHANGES = ("storage.buckets.", "storage.bucketAccessControls.")
_XML = {
    ("GET", "object"): "storage.objects.get", ("HEAD", "object"): "storage.objects.get",
    ("PUT", "object"): "storage.objects.insert", ("POST", "object"): "storage.objects.insert",
    ("DELETE", "object"): "storage.objects.delete", ("GET", "bucket"): "storage.objects.list",
    ("HEAD", "bucket"): "storage.buckets.get", ("DELETE", "bucket"): "storage.buckets.delete",
    ("PUT", "bucket"): "storage.buckets.insert", ("POST", "bucket"): "storage.objects.insert",
    ("GET", "service"): "storage.buckets.list",
}  # fmt: skip


class StorageGuard:
    """Asks the gate before a method is answered, and forgets decisions after one that changes a bucket.

    Args:
        project_of: a bucket's project; None where there is no such bucket.
        has_object: whether the bucket has an object of that name.
    """

    def __init__(
        self,
        gate: Gate,
        access: Access,
        project_of: Callable[[str], str | None],
        has_object: Callable[[str, str], bool],
    ) -> None:
        self._gate, self._access, self._project_of, self._has_object = gate, access, project_of, has_object

    def before(self, method: str, path: dict[str, str], call: Any) -> None:
        """Raises: PermissionDenied. `call` is the service's own (services/storage/call.py).

        An upload is asked about when its object's name is known; a session's URI is its own credential after that.
        """
        if not self._gate.checks or (method == "storage.objects.insert" and "object" not in path):
            return
        caller = call.scope.get("state", {}).get("caller", ANONYMOUS)
        project = self._project(path, call)
        pairs = (*_pairs(method, path, f"projects/{project}"), *self._overwriting(method, path))
        wanted = Wanted(project, pairs)
        self._gate(Asked(Call(caller, headers=call.headers), "storage", method, wanted))

    def _overwriting(self, method: str, path: dict[str, str]) -> Iterator[tuple[str, str]]:
        """What is written over is deleted."""
        if method in _WRITES:
            bucket = path.get("destinationBucket", path.get("bucket", ""))
            name = path.get("destinationObject") or path.get("destination") or path.get("object", "")
            if self._has_object(bucket, name):
                yield "storage.objects.delete", f"buckets/{bucket}/objects/{name}"

    def before_xml(self, verb: str, kind: str, bucket: str, name: str, call: Any) -> None:
        """The same for a request of the XML API."""
        method = _XML.get((verb, kind))
        if method is not None:
            self.before(method, {key: value for key, value in (("bucket", bucket), ("object", name)) if value}, call)

    def after(self, method: str) -> None:
        """A bucket may be another's now, or have another policy."""
        if method.startswith(_CHANGES) and not method.endswith((".get", ".list")):
            self._access.changed()

    def granted(self, permissions: list[str], resource: str, call: Any) -> list[str]:
        """Those of the permissions that the caller has on buckets/B[/objects/O]."""
        email = call.scope.get("state", {}).get("caller", ANONYMOUS).email
        return [each for each in permissions if self._access.allows(each, resource, email=email)]

    def _project(self, path: dict[str, str], call: Any) -> str:
        bucket = path.get("bucket", "")
        return (self._project_of(bucket) if bucket else None) or call.params.get("project") or str(call.project)


def _pairs(method: str, path: dict[str, str], project: str) -> Iterator[tuple[str, str]]:
    bucket = f"buckets/{path.get('bucket', '')}"
    place = f"{bucket}/objects/{path['object']}" if "object" in path else bucket
    if method in _FREE:
        return
    if method in ("storage.buckets.list", "storage.buckets.insert"):
        yield f"{_BUCKET}{'list' if method.endswith('list') else 'create'}", project
    elif method == "storage.projects.serviceAccount.get":
        yield "resourcemanager.projects.get", project
    elif method in _COPIES:
        yield "storage.objects.get", place
        yield "storage.objects.create", f"buckets/{path['destinationBucket']}/objects/{path['destinationObject']}"
    elif "AccessControls." in method:
        kind = _OBJECT if method.startswith("storage.objectAccess") else _BUCKET
        verb = "getIamPolicy" if method.endswith((".get", ".list")) else "setIamPolicy"
        yield f"{kind}{verb}", place
    else:
        for permission in _METHODS.get(method, ()):
            yield permission, place
