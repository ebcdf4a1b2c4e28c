"""The gRPC side: a service that cannot be made says why, and is made by the next call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud.logging_v2 import types

from gcpmlops.emulator.kernel.auth import ANONYMOUS
from gcpmlops.emulator.kernel.grpc import GrpcApi, serve
from gcpmlops.emulator.kernel.registry import Api, BoundApi
from gcpmlops.emulator.kernel.service import Service

LIST_LOGS = "/google.logging.v2.LoggingServiceV2/ListLogs"


class Logs(Service):
    proto = "google.logging.v2.LoggingServiceV2"

    def __init__(self) -> None:
        """Needs no context."""

    def list_logs(self, request: types.ListLogsRequest) -> types.ListLogsResponse:
        return types.ListLogsResponse(log_names=[request.parent])


class Everybody:
    def caller(self, _: str | None) -> Any:
        return ANONYMOUS


@pytest.fixture
def channel(mocker: Any, tmp_path: Path) -> Iterator[grpc.Channel]:
    """To a server whose service fails when it is made first."""
    make = mocker.Mock(side_effect=[ImportError("half a module"), [Logs()]])
    api = BoundApi(Api("logging.googleapis.com", "google.cloud.logging_v2", "google.logging.v2", make))
    server = serve(GrpcApi([api], mocker.Mock(), Everybody()), str(tmp_path / "grpc"))  # type: ignore[arg-type]
    with grpc.insecure_channel(f"unix:{tmp_path / 'grpc'}", [("grpc.default_authority", "localhost")]) as channel:
        yield channel
    server.stop(None).wait()


def test_what_failed_while_a_service_was_made_is_told_and_tried_again(channel: grpc.Channel) -> None:
    call = channel.unary_unary(LIST_LOGS, types.ListLogsRequest.serialize, types.ListLogsResponse.deserialize)
    with pytest.raises(grpc.RpcError) as caught:
        call(types.ListLogsRequest(parent="projects/p"), timeout=20)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details() == "ImportError: half a module"
    assert list(call(types.ListLogsRequest(parent="projects/p"), timeout=20).log_names) == ["projects/p"]


@pytest.mark.parametrize("path", ["/none", "/a/b/c", "/google.logging.v2.LoggingServiceV2/None"])
def test_paths_of_nothing_are_unimplemented(channel: grpc.Channel, path: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(path)(b"", timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
