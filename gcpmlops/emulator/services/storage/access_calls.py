"""The three ACL collections: of buckets, of objects, and the default for new objects."""

from __future__ import annotations

from collections.abc import Callable

from gcpmlops.emulator.services.storage import acls, representation
from gcpmlops.emulator.services.storage.acls import Acl
from gcpmlops.emulator.services.storage.call import Call, Reply
from gcpmlops.emulator.services.storage.records import Json

Edit = Callable[[Acl], Acl]


class BucketAcl:
    """storage.bucketAccessControls.* and storage.defaultObjectAccessControls.*."""

    kind = "storage#bucketAccessControls"
    column = "acl"

    def list(self, call: Call) -> Reply:
        return call.reply(representation.acl_list(self.kind, [self.entry(call, e) for e in self.read(call)]))

    def get(self, call: Call) -> Reply:
        return call.reply(self.entry(call, acls.find(self.read(call), call.path["entity"])))

    def insert(self, call: Call) -> Reply:
        body = call.json()
        return self._upsert(call, str(body.get("entity", "")), body)

    def update(self, call: Call) -> Reply:
        acls.find(self.read(call), call.path["entity"])
        return self._upsert(call, call.path["entity"], call.json())

    def delete(self, call: Call) -> Reply:
        self.edit(call, acls.without(call.path["entity"]))
        return Reply(204)

    def read(self, call: Call) -> Acl:
        bucket = call.engine.buckets.get(call.path["bucket"])
        acls.check_allowed(bucket)
        found: Acl = getattr(bucket, self.column)
        return found

    def edit(self, call: Call, edit: Edit) -> Acl:
        return call.engine.buckets.edit_acl(call.path["bucket"], self.column, edit)

    def entry(self, call: Call, entry: Json) -> Json:
        return representation.bucket_acl(call.engine.buckets.get(call.path["bucket"]), entry, call.base)

    def _upsert(self, call: Call, entity: str, body: Json) -> Reply:
        edited = self.edit(call, acls.upsert(entity, str(body.get("role", ""))))
        return call.reply(self.entry(call, acls.find(edited, entity)))


class DefaultObjectAcl(BucketAcl):
    """What new objects of a bucket get."""

    kind = "storage#objectAccessControls"
    column = "default_acl"

    def entry(self, call: Call, entry: Json) -> Json:
        return representation.default_acl(call.engine.buckets.get(call.path["bucket"]), entry)


class ObjectAcl(BucketAcl):
    """storage.objectAccessControls.*."""

    kind = "storage#objectAccessControls"

    def read(self, call: Call) -> Acl:
        bucket = call.engine.buckets.get(call.path["bucket"])
        acls.check_allowed(bucket)
        record = call.engine.objects.get(bucket.name, call.path["object"], call.generation)
        return bucket.default_acl if record.acl is None else record.acl

    def edit(self, call: Call, edit: Edit) -> Acl:
        return call.engine.objects.edit_acl(call.path["bucket"], call.path["object"], edit, call.generation)

    def entry(self, call: Call, entry: Json) -> Json:
        record = call.engine.objects.get(call.path["bucket"], call.path["object"], call.generation)
        return representation.object_acl(record, entry, call.base)
