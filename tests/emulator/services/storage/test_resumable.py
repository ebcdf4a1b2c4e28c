"""Resumable uploads: the protocol as the service documents it, interruptions, and restarts of the emulator."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import socket
import time
from urllib.parse import urlsplit

import pytest
import requests
from google.api_core import exceptions

K256 = 256 * 1024
CONTENT = os.urandom(1 << 20) + b"the end"
TOTAL = len(CONTENT)


def start(served, name="r", **headers):
    url = f"{served.url}/upload/storage/v1/b/bucket-1/o?uploadType=resumable&name={name}"
    reply = requests.post(url, json={"metadata": {"k": "v"}}, headers={"X-Upload-Content-Type": "text/x", **headers})
    assert reply.status_code == 200, reply.text
    return reply.headers["location"]


def put(session, data, first, total="*"):
    return requests.put(session, data=data, headers={"Content-Range": f"bytes {first}-{first + len(data) - 1}/{total}"})


def status(session, total="*"):
    return requests.put(session, headers={"Content-Range": f"bytes */{total}", "Content-Length": "0"})


def test_chunks_with_status_queries(bucket, served):
    session = start(served)
    assert status(session).status_code == 308
    assert "range" not in status(session).headers
    for first in range(0, 1 << 20, K256):
        reply = put(session, CONTENT[first : first + K256], first)
        assert (reply.status_code, reply.headers["range"]) == (308, f"bytes=0-{first + K256 - 1}")
    assert bucket.get_blob("r") is None
    done = put(session, CONTENT[1 << 20 :], 1 << 20, TOTAL)
    assert done.json()["size"] == str(TOTAL)
    assert done.json()["md5Hash"] == base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    assert status(session).json()["generation"] == done.json()["generation"]
    blob = bucket.get_blob("r")
    assert (blob.metadata, blob.content_type) == ({"k": "v"}, "text/x")
    assert blob.download_as_bytes() == CONTENT


def test_whole_body_without_a_range(bucket, served):
    assert requests.put(start(served), data=CONTENT).status_code == 200
    assert bucket.blob("r").download_as_bytes() == CONTENT
    assert requests.put(start(served, "empty"), data=b"").status_code == 200
    assert bucket.blob("empty").download_as_bytes() == b""


def test_unknown_total_ends_by_a_query_that_names_it(bucket, served):
    session = start(served)
    put(session, CONTENT[: 2 * K256], 0)
    assert status(session, 2 * K256).status_code == 200
    assert bucket.blob("r").download_as_bytes() == CONTENT[: 2 * K256]


def test_chunks_of_an_odd_size(bucket, served):
    session = start(served)
    small = put(session, CONTENT[:1000], 0)
    assert small.status_code == 400
    assert "262144" in small.json()["error"]["message"]
    reply = put(session, CONTENT[: K256 + 5], 0)
    assert reply.headers["range"] == f"bytes=0-{K256 - 1}"
    assert put(session, CONTENT[K256:], K256, TOTAL).status_code == 200
    assert bucket.blob("r").download_as_bytes() == CONTENT


def test_overlap_is_passed_over_and_a_gap_refused(bucket, served):
    session = start(served)
    put(session, CONTENT[: 2 * K256], 0)
    assert put(session, CONTENT[3 * K256 :], 3 * K256, TOTAL).status_code == 400
    assert status(session).headers["range"] == f"bytes=0-{2 * K256 - 1}"
    assert put(session, CONTENT[K256:], K256, TOTAL).status_code == 200
    assert bucket.blob("r").download_as_bytes() == CONTENT


def test_cancel(bucket, served, engine):
    session = start(served)
    put(session, CONTENT[:K256], 0)
    assert requests.delete(session).status_code == 499
    assert status(session).status_code == 404
    assert engine.blobs.partials() == []


@pytest.mark.parametrize("clean", [True, False])
def test_a_session_survives_a_restart(bucket, served, clean):
    session = start(served)
    put(session, CONTENT[: 3 * K256], 0)
    served.restart(clean=clean)
    assert status(session).headers["range"] == f"bytes=0-{3 * K256 - 1}"
    done = put(session, CONTENT[3 * K256 :], 3 * K256, TOTAL)
    assert done.json()["md5Hash"] == base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    assert bucket.blob("r").download_as_bytes() == CONTENT
    served.restart(clean=clean)
    assert status(session).status_code == 200
    assert served.engine.blobs.partials() == []


def test_an_interrupted_request_keeps_a_multiple_of_256_kib(bucket, served):
    session = start(served)
    url = urlsplit(session)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {TOTAL}\r\n\r\n"
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(head.encode() + CONTENT[: 3 * K256 + 100])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # the server notices the broken connection at its own pace
        reply = status(session)
        if reply.status_code == 308 and "range" in reply.headers:
            break
    kept = int(reply.headers["range"].removeprefix("bytes=0-")) + 1
    assert kept % K256 == 0
    assert bucket.get_blob("r") is None
    assert put(session, CONTENT[kept:], kept, TOTAL).status_code == 200
    assert bucket.blob("r").download_as_bytes() == CONTENT


def test_wrong_checksum_ends_the_session(bucket, served, engine):
    session = start(served, **{"X-Goog-Hash": "crc32c=AAAAAA=="})
    assert requests.put(session, data=CONTENT).status_code == 400
    assert status(session).status_code == 404
    late = start(served)
    assert requests.put(late, data=CONTENT, headers={"X-Goog-Hash": "crc32c=AAAAAA=="}).status_code == 400
    assert bucket.get_blob("r") is None
    assert (list(engine.blobs.ids()), engine.blobs.partials()) == ([], [])


def test_conditions_hold_at_the_end_too(bucket, served):
    session = bucket.blob("r").create_resumable_upload_session(if_generation_match=0)
    bucket.blob("r").upload_from_string(b"meanwhile")
    assert requests.put(session, data=CONTENT).status_code == 412
    assert bucket.blob("r").download_as_bytes() == b"meanwhile"
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("r").create_resumable_upload_session(if_generation_match=0)


def test_a_chunk_over_the_limit_is_413_and_leaves_the_session_as_it_was(bucket, served):
    session = start(served)
    put(session, CONTENT[:K256], 0)
    pieces = (b"x" * (1 << 20) for _ in range(25))
    assert requests.put(session, data=pieces, headers={"Content-Range": f"bytes {K256}-99999999/*"}).status_code == 413
    assert status(session).headers["range"] == f"bytes=0-{K256 - 1}"
    assert requests.post(
        session.split("&upload_id")[0], json={}, headers={"X-Upload-Content-Length": "99999999"}
    ).status_code in (400, 413)


def test_the_official_client_in_chunks(bucket):
    blob = bucket.blob("r", chunk_size=K256)
    blob.upload_from_file(io.BytesIO(CONTENT), size=TOTAL)
    assert blob.download_as_bytes() == CONTENT
    blob.upload_from_file(io.BytesIO(CONTENT[:-7]))  # ends at a chunk's edge
    assert blob.download_as_bytes() == CONTENT[:-7]


def test_malformed_ranges(bucket, served):
    session = start(served)
    for text in ("bytes 5-2/10", "bytes x", "0-5/6", "bytes 0-9/5"):
        assert requests.put(session, data=b"x", headers={"Content-Range": text}).status_code == 400
    assert put(session, b"x" * 10, 0, 10).status_code == 200
