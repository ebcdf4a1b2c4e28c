"""StreamRawPredict: a container's reply as it comes."""

from __future__ import annotations

from collections.abc import Iterator

from google.api import httpbody_pb2
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.runtimes.unix_http import StreamedReply
from gcpmlops.emulator.services.prediction import replies
from gcpmlops.emulator.services.prediction.containers import JSON, Containers, Target
from gcpmlops.emulator.services.prediction.observed import Observer
from gcpmlops.emulator.services.prediction.request_log import RequestLog


class Streaming:
    """Passes each chunk on when it is there; only what is logged is kept, too."""

    def __init__(self, containers: Containers, observer: Observer, log: RequestLog) -> None:
        self._containers = containers
        self._observer = observer
        self._log = log

    def stream(self, request: types.StreamRawPredictRequest) -> Iterator[httpbody_pb2.HttpBody]:
        """One HttpBody for each chunk. Raises as RawPredict, before the first chunk or between two."""
        pb = types.StreamRawPredictRequest.pb(request)
        body, content_type = pb.http_body.data, pb.http_body.content_type or JSON
        with self._observer.request(pb.endpoint, 1) as seen:
            target, reply = self._containers.ask(pb.endpoint, seen, lambda target: opened(target, body, content_type))
            current_call().reply_headers.update(target.headers())
            kind = reply.headers.get("content-type", JSON)
            try:
                for part in self._log.through(target, body, reply.chunks):
                    yield httpbody_pb2.HttpBody(content_type=kind, data=part)
            finally:
                reply.chunks.close()


def opened(target: Target, body: bytes, content_type: str) -> StreamedReply:
    """The beginning of a successful reply. Raises what `replies.check` makes of another one."""
    route = target.pool.spec.predict_route
    reply: StreamedReply = target.pool.stream("POST", route, body, {"content-type": content_type}, target.seconds)
    if not 200 <= reply.status < 300:
        replies.check(reply.status, b"".join(reply.chunks))
    return reply
