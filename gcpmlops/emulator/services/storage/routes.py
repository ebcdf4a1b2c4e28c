"""The JSON API's methods: declared, since Cloud Storage ships no contract to derive them from.

A route without a handler is a method of the service that is not built: it answers 501 and its name.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gcpmlops.emulator.services.storage import bucket_calls as buckets
from gcpmlops.emulator.services.storage import downloads, errors, uploads
from gcpmlops.emulator.services.storage import notification_calls as notifications
from gcpmlops.emulator.services.storage import object_calls as objects
from gcpmlops.emulator.services.storage.access_calls import BucketAcl, DefaultObjectAcl, ObjectAcl
from gcpmlops.emulator.services.storage.call import Call, Reply

Handler = Callable[[Call], Reply] | Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP binding of one API method. ``handler`` is None where the method is not built."""

    verb: str
    template: str
    method: str
    handler: Handler | None = None

    @property
    def parts(self) -> list[str]:
        return self.template.split("/")[1:]

    @property
    def waits(self) -> bool:
        """Whether the handler is a coroutine, to be awaited on the event loop."""
        return inspect.iscoroutinefunction(self.handler)


_B = "/storage/v1/b/{bucket}"
_O = "/storage/v1/b/{bucket}/o/{object}"
_N = f"{_B}/notificationConfigs"
_P = "/storage/v1/projects/{project}"
_TO = "b/{destinationBucket}/o/{destinationObject}"


def _acl(base: str, method: str, acl: BucketAcl) -> list[Route]:
    return [
        Route("GET", base, f"storage.{method}.list", acl.list),
        Route("POST", base, f"storage.{method}.insert", acl.insert),
        Route("GET", f"{base}/{{entity}}", f"storage.{method}.get", acl.get),
        Route("PUT", f"{base}/{{entity}}", f"storage.{method}.update", acl.update),
        Route("PATCH", f"{base}/{{entity}}", f"storage.{method}.patch", acl.update),
        Route("DELETE", f"{base}/{{entity}}", f"storage.{method}.delete", acl.delete),
    ]


def _upload(base: str) -> list[Route]:
    path = f"{base}/storage/v1/b/{{bucket}}/o"
    return [
        Route("POST", path, "storage.objects.insert", uploads.insert),
        Route("PUT", path, "storage.objects.insert", uploads.insert),
        Route("DELETE", path, "storage.objects.insert", uploads.cancel),
    ]


def _not_built(methods: str) -> list[Route]:
    rows = [line.split() for line in methods.strip().splitlines()]
    return [Route(verb, "/storage/v1/" + path, f"storage.{method}") for verb, path, method in rows]


ROUTES: list[Route] = [
    Route("GET", "/storage/v1/b", "storage.buckets.list", buckets.list_),
    Route("POST", "/storage/v1/b", "storage.buckets.insert", buckets.insert),
    Route("GET", _B, "storage.buckets.get", buckets.get),
    Route("PATCH", _B, "storage.buckets.patch", buckets.patch),
    Route("PUT", _B, "storage.buckets.update", buckets.update),
    Route("DELETE", _B, "storage.buckets.delete", buckets.delete),
    Route("GET", f"{_B}/iam", "storage.buckets.getIamPolicy", buckets.get_iam_policy),
    Route("PUT", f"{_B}/iam", "storage.buckets.setIamPolicy", buckets.set_iam_policy),
    Route("GET", f"{_B}/iam/testPermissions", "storage.buckets.testIamPermissions", buckets.test_iam_permissions),
    Route("POST", f"{_B}/lockRetentionPolicy", "storage.buckets.lockRetentionPolicy", buckets.lock_retention_policy),
    Route("GET", f"{_B}/storageLayout", "storage.buckets.getStorageLayout", buckets.get_storage_layout),
    *_acl(f"{_B}/acl", "bucketAccessControls", BucketAcl()),
    *_acl(f"{_B}/defaultObjectAcl", "defaultObjectAccessControls", DefaultObjectAcl()),
    Route("GET", f"{_B}/o", "storage.objects.list", objects.list_),
    Route("GET", _O, "storage.objects.get", downloads.get),
    Route("GET", f"/download{_O}", "storage.objects.get", downloads.get),
    Route("PATCH", _O, "storage.objects.patch", objects.patch),
    Route("PUT", _O, "storage.objects.update", objects.update),
    Route("DELETE", _O, "storage.objects.delete", objects.delete),
    Route("POST", f"{_O}/compose", "storage.objects.compose", objects.compose),
    Route("POST", f"{_O}/copyTo/{_TO}", "storage.objects.copy", objects.copy),
    Route("POST", f"{_O}/rewriteTo/{_TO}", "storage.objects.rewrite", objects.rewrite),
    Route("POST", f"{_O}/moveTo/o/{{destination}}", "storage.objects.move", objects.move),
    Route("GET", f"{_O}/iam", "storage.objects.getIamPolicy", objects.get_iam_policy),
    Route("GET", f"{_O}/iam/testPermissions", "storage.objects.testIamPermissions", objects.test_iam_permissions),
    *_acl(f"{_O}/acl", "objectAccessControls", ObjectAcl()),
    *_upload("/upload"),
    *_upload("/resumable/upload"),
    Route("GET", _N, "storage.notifications.list", notifications.list_),
    Route("POST", _N, "storage.notifications.insert", notifications.insert),
    Route("GET", f"{_N}/{{notification}}", "storage.notifications.get", notifications.get),
    Route("DELETE", f"{_N}/{{notification}}", "storage.notifications.delete", notifications.delete),
    Route("GET", f"{_B}/managedFolders", "storage.managedFolders.list", buckets.list_managed_folders),
    Route("GET", f"{_P}/serviceAccount", "storage.projects.serviceAccount.get", buckets.service_account),
    *_not_built(
        """
        POST b/{bucket}/restore buckets.restore
        POST b/{bucket}/relocate buckets.relocate
        POST b/{bucket}/o/watch objects.watchAll
        POST b/{bucket}/o/bulkRestore objects.bulkRestore
        POST b/{bucket}/o/{object}/restore objects.restore
        PUT b/{bucket}/o/{object}/iam objects.setIamPolicy
        POST channels/stop channels.stop
        GET b/{bucket}/folders folders.list
        POST b/{bucket}/folders folders.insert
        GET b/{bucket}/folders/{folder} folders.get
        DELETE b/{bucket}/folders/{folder} folders.delete
        POST b/{bucket}/folders/{folder}/renameTo/folders/{destination} folders.rename
        POST b/{bucket}/managedFolders managedFolders.insert
        GET b/{bucket}/managedFolders/{folder} managedFolders.get
        DELETE b/{bucket}/managedFolders/{folder} managedFolders.delete
        GET b/{bucket}/managedFolders/{folder}/iam managedFolders.getIamPolicy
        PUT b/{bucket}/managedFolders/{folder}/iam managedFolders.setIamPolicy
        GET b/{bucket}/managedFolders/{folder}/iam/testPermissions managedFolders.testIamPermissions
        GET b/{bucket}/anywhereCaches anywhereCaches.list
        POST b/{bucket}/anywhereCaches anywhereCaches.insert
        GET b/{bucket}/anywhereCaches/{cache} anywhereCaches.get
        PATCH b/{bucket}/anywhereCaches/{cache} anywhereCaches.update
        POST b/{bucket}/anywhereCaches/{cache}/pause anywhereCaches.pause
        POST b/{bucket}/anywhereCaches/{cache}/resume anywhereCaches.resume
        POST b/{bucket}/anywhereCaches/{cache}/disable anywhereCaches.disable
        GET b/{bucket}/operations buckets.operations.list
        GET b/{bucket}/operations/{operation} buckets.operations.get
        POST b/{bucket}/operations/{operation}/cancel buckets.operations.cancel
        POST projects/{project}/hmacKeys projects.hmacKeys.create
        GET projects/{project}/hmacKeys projects.hmacKeys.list
        GET projects/{project}/hmacKeys/{key} projects.hmacKeys.get
        PUT projects/{project}/hmacKeys/{key} projects.hmacKeys.update
        DELETE projects/{project}/hmacKeys/{key} projects.hmacKeys.delete
        """
    ),
]


class _Shape(NamedTuple):
    route: Route
    waits: bool
    fixed: list[tuple[int, str]]
    open_: list[tuple[int, str]]


class Router:
    """Finds the route of a raw path, so that an encoded '/' in an object name separates nothing."""

    def __init__(self, routes: list[Route]) -> None:
        self._by_shape: dict[tuple[str, int], list[_Shape]] = {}
        for route in routes:
            fixed = [(at, part) for at, part in enumerate(route.parts) if part[0] != "{"]
            open_ = [(at, part[1:-1]) for at, part in enumerate(route.parts) if part[0] == "{"]
            fixed.reverse()  # what tells routes apart stands at the end
            shape = _Shape(route, route.waits, fixed, open_)
            self._by_shape.setdefault((route.verb, len(route.parts)), []).append(shape)

    def find(self, verb: str, path: str) -> tuple[Route, bool, dict[str, str]] | None:
        """The route, whether its handler is awaited, and the decoded variables of the path; or None."""
        parts = path.split("/")[1:]
        for shape in self._by_shape.get((verb, len(parts)), ()):
            for at, part in shape.fixed:
                if parts[at] != part:
                    break
            else:
                return shape.route, shape.waits, {name: decoded(parts[at]) for at, name in shape.open_}
        return None


def decoded(part: str) -> str:
    """A path segment, percent-decoded. Raises BadRequest for what is not UTF-8."""
    if "%" not in part:
        return part
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise errors.invalid("The object name is not valid UTF-8.") from None
