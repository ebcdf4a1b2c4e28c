"""Objects through the official client: content, metadata, conditions, odd names, copies."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import time
from datetime import UTC, datetime

import google_crc32c
import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage

BIG = os.urandom(1 << 20) * 3 + b"tail"


@pytest.mark.parametrize("size", [0, 1, 10_240, 32 * 1024, 32 * 1024 + 1, 1_000_000, len(BIG), 9 << 20])
def test_content_comes_back_as_it_went_up(bucket, size):
    content = (BIG * 4)[:size]
    blob = bucket.blob("data/object.bin")
    blob.upload_from_string(content, content_type="application/x-thing")
    assert blob.size == size
    assert blob.md5_hash == base64.b64encode(hashlib.md5(content).digest()).decode()
    assert blob.crc32c == base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()
    found = bucket.get_blob("data/object.bin")
    assert found.content_type == "application/x-thing"
    assert found.download_as_bytes() == content
    assert found.generation == blob.generation
    assert found.metageneration == 1


def test_files_up_and_down(bucket, tmp_path):
    source = tmp_path / "a.csv"
    source.write_bytes(BIG)
    bucket.blob("a.csv").upload_from_filename(source)
    target = tmp_path / "b.csv"
    blob = bucket.blob("a.csv")
    blob.download_to_filename(target)
    assert target.read_bytes() == BIG
    assert blob.content_type == "text/csv"


def test_ranges(bucket, served):
    for content in (b"0123456789", BIG):
        blob = bucket.blob("o")
        blob.upload_from_string(content)
        assert blob.download_as_bytes(start=2, end=4) == content[2:5]
        assert blob.download_as_bytes(start=5) == content[5:]
        assert blob.download_as_bytes(start=-3) == content[-3:]
        url = f"{served.url}/storage/v1/b/bucket-1/o/o?alt=media"
        assert requests.get(url, headers={"Range": "bytes=0-1,3-4"}).content == content
        assert requests.get(url, headers={"Range": "bytes=nonsense"}).status_code == 200
        partial = requests.get(url, headers={"Range": "bytes=1-3"})
        assert (partial.status_code, partial.headers["content-range"]) == (206, f"bytes 1-3/{len(content)}")
        with pytest.raises(exceptions.RequestRangeNotSatisfiable):
            blob.download_as_bytes(start=len(content) + 5)


def test_media_headers(bucket, served):
    blob = bucket.blob("o")
    blob.cache_control, blob.content_disposition, blob.content_language = "max-age=5", "inline", "de"
    blob.upload_from_string(b"abc", content_type="text/plain")
    headers = requests.get(f"{served.url}/download/storage/v1/b/bucket-1/o/o?alt=media").headers
    assert headers["x-goog-generation"] == str(blob.generation)
    assert headers["x-goog-hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}"
    assert headers["content-type"] == "text/plain"
    assert headers["cache-control"] == "max-age=5"
    assert headers["content-language"] == "de"
    assert headers["x-goog-storage-class"] == "STANDARD"


@pytest.mark.parametrize("size", [500, 300_000])
def test_gzip_is_undone_for_those_who_do_not_take_it(bucket, served, size):
    text = b"some text " * (size // 10)
    packed = gzip.compress(text, compresslevel=0)
    blob = bucket.blob("z")
    blob.content_encoding = "gzip"
    blob.upload_from_string(packed, content_type="text/plain")
    url = f"{served.url}/storage/v1/b/bucket-1/o/z?alt=media"
    raw = requests.get(url, headers={"Accept-Encoding": "gzip"}, stream=True)
    assert raw.headers["content-encoding"] == "gzip"
    assert raw.raw.read(decode_content=False) == packed
    plain = requests.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == text
    assert blob.download_as_bytes() == text
    assert blob.download_as_bytes(raw_download=True) == packed


@pytest.mark.parametrize("size", [10, 200_000, 9 << 20])
def test_wrong_checksum_stores_nothing(bucket, engine, served, size):
    content = (BIG * 4)[:size]
    blob = bucket.blob("bad")
    blob.md5_hash = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    with pytest.raises(exceptions.BadRequest, match="MD5"):
        blob.upload_from_string(content, checksum=None)
    assert bucket.get_blob("bad") is None
    url = f"{served.url}/upload/storage/v1/b/bucket-1/o?uploadType=media&name=bad"
    assert requests.post(url, data=content, headers={"X-Goog-Hash": "crc32c=AAAAAA=="}).status_code == 400
    assert bucket.get_blob("bad") is None
    assert list(engine.blobs.ids()) == []


def test_body_over_the_limit_is_413(bucket, engine, served):
    url = f"{served.url}/upload/storage/v1/b/bucket-1/o?uploadType=media&name=huge"
    assert requests.post(url, data=b"x" * (25 << 20)).status_code == 413
    pieces = (b"x" * (1 << 20) for _ in range(25))  # chunked: no length is announced
    reply = requests.post(url, data=pieces)
    assert reply.status_code == 413
    assert reply.json()["error"]["errors"][0]["reason"] == "uploadTooLarge"
    assert bucket.get_blob("huge") is None
    assert list(engine.blobs.ids()) == []


def test_metadata_patch_and_update(bucket):
    blob = bucket.blob("o")
    blob.metadata = {"a": "1", "b": "2"}
    blob.upload_from_string(b"x")
    blob.metadata = {"a": None, "c": "3"}
    blob.content_type = "text/html"
    blob.patch()
    found = bucket.get_blob("o")
    assert found.metadata == {"b": "2", "c": "3"}
    assert (found.content_type, found.metageneration) == ("text/html", 2)
    found.custom_time = datetime(2030, 1, 1, tzinfo=UTC)
    found.update()
    assert bucket.get_blob("o").metageneration == 3
    found.custom_time = datetime(2029, 1, 1, tzinfo=UTC)
    with pytest.raises(exceptions.BadRequest):
        found.patch()


def test_generations_strictly_increase_even_with_the_clock_still(bucket):
    generations = []
    for _ in range(3):
        blob = bucket.blob("o")
        blob.upload_from_string(b"x")
        generations.append(blob.generation)
        blob.delete()
    assert generations == sorted(set(generations))


def test_preconditions(bucket):
    blob = bucket.blob("o")
    blob.upload_from_string(b"1", if_generation_match=0)
    for conditions in ({"if_generation_match": 0}, {"if_generation_match": 7}, {"if_metageneration_match": 2}):
        with pytest.raises(exceptions.PreconditionFailed):
            blob.upload_from_string(b"2", **conditions)
        assert blob.download_as_bytes() == b"1"
    for conditions in ({"if_generation_match": 7}, {"if_metageneration_match": 2}):
        for call in (blob.delete, blob.reload, blob.patch, blob.download_as_bytes):
            with pytest.raises(exceptions.PreconditionFailed):
                call(**conditions)
    with pytest.raises(exceptions.NotModified):
        blob.reload(if_generation_not_match=blob.generation)
    with pytest.raises(exceptions.NotModified):
        blob.download_as_bytes(if_metageneration_not_match=1)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.delete(if_generation_not_match=blob.generation)
    blob.upload_from_string(b"3", if_generation_match=blob.generation)
    blob.delete(if_generation_match=blob.generation, if_metageneration_match=1)
    assert not blob.exists()


ODD = [
    "..",
    "../../x",
    "a//b",
    "dir/",
    "a",
    "a/b",
    "a/",
    "//",
    " ",
    "%2F",
    "ü/ß",
    "日本/😀",
    "a?b#c&d",
    "a\tb",
    "x" * 1024,
    ".",
]


def test_odd_names(bucket, served):
    refused = [name for name in ODD if name in (".", "..")]
    kept = sorted((name for name in ODD if name not in refused), key=str.encode)
    for name in kept:
        bucket.blob(name).upload_from_string(name.encode())
    for name in kept:
        blob = bucket.get_blob(name)
        assert blob.name == name
        assert blob.download_as_bytes() == name.encode()
    assert [blob.name for blob in bucket.list_blobs()] == kept
    outside = [path for path in served.folder.rglob("*") if path.is_file() and path.parent.name != "blobs"]
    assert {path.name.partition("-")[0] for path in outside} == {"state.db"}
    for name in kept:
        bucket.blob(name).delete()
    assert list(bucket.list_blobs()) == []


@pytest.mark.parametrize("name", [".", "..", "x" * 1025, "é" * 513, "a\nb", "a\rb"])
def test_refused_names(bucket, name):
    with pytest.raises(exceptions.BadRequest):
        bucket.blob(name).upload_from_string(b"x")
    with pytest.raises(exceptions.BadRequest):
        bucket.blob(name).create_resumable_upload_session()
    assert list(bucket.list_blobs()) == []


def test_missing_things_are_named(storage_client, bucket):
    with pytest.raises(exceptions.NotFound, match="No such object: bucket-1/nope"):
        bucket.blob("nope").download_as_bytes()
    with pytest.raises(exceptions.NotFound, match="The specified bucket does not exist"):
        storage_client.bucket("no-such-bucket").blob("x").upload_from_string(b"x")
    with pytest.raises(exceptions.NotFound, match="No such object: bucket-1/nope#5"):
        bucket.blob("nope", generation=5).reload()


def test_compose(bucket):
    for name, content in (("a", b"aa"), ("b", BIG), ("c", b"")):
        bucket.blob(name).upload_from_string(content)
    made = bucket.blob("all")
    made.content_type = "text/plain"
    made.compose([bucket.blob("a"), bucket.blob("b"), bucket.blob("c")])
    assert made.download_as_bytes() == b"aa" + BIG
    assert (made.component_count, made.md5_hash) == (3, None)
    again = bucket.blob("a")
    again.compose([again, made])
    assert again.component_count == 4
    with pytest.raises(exceptions.BadRequest):
        made.compose([bucket.blob("a")] * 33)
    with pytest.raises(exceptions.NotFound):
        made.compose([bucket.blob("missing")])
    with pytest.raises(exceptions.PreconditionFailed):
        made.compose([bucket.blob("a"), bucket.blob("b")], if_source_generation_match=[None, 5])


@pytest.mark.parametrize("content", [b"small", BIG])
def test_copy_rewrite_move(storage_client, bucket, content):
    other = storage_client.create_bucket("bucket-2", location="europe-west1")
    source = bucket.blob("src")
    source.metadata = {"k": "v"}
    source.upload_from_string(content, content_type="text/x")
    copied = bucket.copy_blob(source, other, "dst")
    assert (copied.metadata, copied.content_type) == ({"k": "v"}, "text/x")
    rewritten = other.blob("re")
    assert rewritten.rewrite(source)[0] is None
    source.delete()
    assert other.blob("dst").download_as_bytes() == other.blob("re").download_as_bytes() == content
    rewritten.update_storage_class("NEARLINE")
    assert other.get_blob("re").storage_class == "NEARLINE"
    moved = other.move_blob(rewritten, "dir/moved")
    assert moved.download_as_bytes() == content
    assert [blob.name for blob in other.list_blobs()] == ["dir/moved", "dst"]
    renamed = other.rename_blob(moved, "renamed")
    assert renamed.download_as_bytes() == content
    with pytest.raises(exceptions.NotFound):
        bucket.copy_blob(bucket.blob("gone"), other)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.copy_blob(renamed, other, "dst", if_generation_match=0)


def test_versions(storage_client):
    bucket = storage_client.bucket("versioned")
    bucket.versioning_enabled = True
    bucket.create()
    blob = bucket.blob("o")
    blob.upload_from_string(b"one")
    first = blob.generation
    blob.upload_from_string(BIG)
    assert bucket.blob("o", generation=first).download_as_bytes() == b"one"
    bucket.blob("o").delete()
    assert bucket.get_blob("o") is None
    versions = list(bucket.list_blobs(versions=True))
    assert [version.generation for version in versions] == sorted([first, blob.generation])
    assert all(version.time_deleted for version in versions)
    assert list(bucket.list_blobs()) == []
    with pytest.raises(exceptions.Conflict):
        bucket.delete()
    bucket.copy_blob(bucket.blob("o"), bucket, "o", source_generation=first)
    assert bucket.blob("o").download_as_bytes() == b"one"
    for version in bucket.list_blobs(versions=True):
        version.delete()
    bucket.delete()


def test_holds_and_retention(storage_client, bucket, served):
    blob = bucket.blob("held")
    blob.upload_from_string(b"x")
    blob.temporary_hold = True
    blob.patch()
    with pytest.raises(exceptions.Forbidden, match="Temporary hold"):
        bucket.blob("held").delete()
    with pytest.raises(exceptions.Forbidden):
        bucket.blob("held").upload_from_string(b"y")
    blob.temporary_hold = False
    blob.patch()
    bucket.retention_period = 3600
    bucket.patch()
    with pytest.raises(exceptions.Forbidden, match="retention"):
        blob.delete()
    served.clock.advance(served.clock.now() - served.clock.now().replace(hour=0))
    blob.delete()


def test_batch(storage_client, bucket):
    for name in ("a", "b/c", "d"):
        bucket.blob(name).upload_from_string(b"x")
    with storage_client.batch():
        for name in ("a", "b/c"):
            bucket.blob(name).delete()
        patched = bucket.blob("d")
        patched.metadata = {"k": "ü"}
        patched.patch()
    assert [blob.name for blob in bucket.list_blobs()] == ["d"]
    assert bucket.get_blob("d").metadata == {"k": "ü"}
    batch = storage_client.batch()
    with batch:
        bucket.blob("d").delete()
    failing = storage_client.batch(raise_exception=False)
    with failing:
        bucket.blob("missing").delete()
    assert [reply.status_code for reply in failing._responses] == [404]
    assert list(bucket.list_blobs()) == []


def test_partial_responses(bucket, served):
    bucket.blob("o").upload_from_string(b"abc")
    url = f"{served.url}/storage/v1/b/bucket-1/o"
    assert requests.get(url, params={"fields": "items(name,size),nextPageToken"}).json() == {
        "items": [{"name": "o", "size": "3"}]
    }
    assert requests.get(f"{url}/o", params={"fields": "name,metadata/x"}).json() == {"name": "o"}
    assert requests.get(f"{url}/o", params={"fields": "name("}).status_code == 400


def test_what_is_not_built_says_so_by_name(bucket, served):
    reply = requests.post(f"{served.url}/storage/v1/projects/local-project/hmacKeys")
    assert reply.status_code == 501
    assert "storage.projects.hmacKeys.create" in reply.json()["error"]["message"]
    with pytest.raises(exceptions.MethodNotImplemented, match="encryption keys"):
        bucket.blob("o", encryption_key=os.urandom(32)).upload_from_string(b"x")
    assert requests.get(f"{served.url}/storage/v1/nothing/here/at/all").status_code == 404


def test_malformed_requests_are_400(bucket, served):
    base = f"{served.url}/upload/storage/v1/b/bucket-1/o"
    cut = b'--x\r\nContent-Type: application/json\r\n\r\n{"name":"o"}\r\n--x\r\nContent-Type: a/b\r\n\r\ndata'
    headers = {"Content-Type": "multipart/related; boundary=x"}
    assert requests.post(f"{base}?uploadType=multipart", data=cut, headers=headers).status_code == 400
    assert requests.post(f"{base}?uploadType=multipart", data=b"junk", headers=headers).status_code == 400
    assert requests.post(f"{base}?uploadType=media", data=b"no name").status_code == 400
    assert requests.post(f"{base}?uploadType=odd&name=o", data=b"x").status_code == 400
    assert requests.patch(f"{served.url}/storage/v1/b/bucket-1", data=b"{broken").status_code == 400
    assert requests.get(f"{served.url}/storage/v1/b/bucket-1/o?maxResults=x").status_code == 400
    assert requests.get(f"{served.url}/storage/v1/b/bucket-1/o?pageToken=junk").status_code == 400
    assert requests.get(f"{served.url}/storage/v1/b/bucket-1/o/%FF").status_code == 400
    assert list(bucket.list_blobs()) == []


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("content", [b"", b"\r", b"plain\r\n\r\n--x", os.urandom(300_000)])
def test_multipart_with_either_newline(bucket, served, newline, content):
    resource = json.dumps({"name": "o", "contentType": "a/b"}).encode()
    lines = [
        b"--b'd",
        b"Content-Type: application/json",
        b"",
        resource,
        b"--b'd",
        b"Content-Type: c/d",
        b"",
        content,
        b"--b'd--",
        b"",
    ]
    reply = requests.post(
        f"{served.url}/upload/storage/v1/b/bucket-1/o?uploadType=multipart",
        data=newline.join(lines),
        headers={"Content-Type": 'multipart/related; boundary="b\'d"'},
    )
    assert reply.status_code == 200, reply.text
    assert bucket.blob("o").download_as_bytes() == content


def test_object_acl(bucket):
    blob = bucket.blob("o")
    blob.upload_from_string(b"x", predefined_acl="publicRead")
    assert {"entity": "allUsers", "role": "READER"} in list(blob.acl)
    blob.acl.user("a@example.com").grant_owner()
    blob.acl.save()
    blob.acl.reload()
    assert {"entity": "user-a@example.com", "role": "OWNER"} in list(blob.acl)


def test_uniform_access_refuses_acls(bucket):
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.patch()
    blob = bucket.blob("o")
    blob.upload_from_string(b"x")
    with pytest.raises(exceptions.BadRequest, match="uniform bucket-level access"):
        blob.acl.reload()
    with pytest.raises(exceptions.BadRequest):
        bucket.acl.reload()


def test_signed_url_reaches_the_object_by_the_xml_api(bucket, served):
    bucket.blob("dir/o").upload_from_string(BIG)
    assert requests.get(f"{served.url}/bucket-1/dir/o?X-Goog-Signature=00").content == BIG


def test_writing_through_a_file_object(bucket):
    with bucket.blob("f").open("wb", chunk_size=256 * 1024) as file:
        for _ in range(5):
            file.write(BIG[:200_000])
    with bucket.blob("f").open("rb") as file:
        assert file.read() == BIG[:200_000] * 5


def test_time_created_is_the_clocks(bucket, served):
    blob = bucket.blob("o")
    blob.upload_from_string(b"x")
    assert abs((blob.time_created - served.clock.now()).total_seconds()) < 0.01
    assert time.time() > blob.time_created.timestamp()
    assert isinstance(blob, storage.Blob)
