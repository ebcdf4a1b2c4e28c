"""Generic artifacts by the media calls of the API's own host; gcloud itself is in tests/e2e."""

import json

import pytest
from google.api_core import exceptions

HOST = "https://artifactregistry.googleapis.com"


@pytest.fixture
def send(http):
    def upload(repository: str, content: bytes, filename: str, version: str = "v1"):
        resource = json.dumps({"packageId": "pkg", "versionId": version, "filename": filename})
        body = (
            f"--b\r\nContent-Type: application/json\r\n\r\n{resource}\r\n--b\r\n\r\n".encode() + content + b"\r\n--b--"
        )
        return http.post(
            f"{HOST}/upload/v1/{repository}/genericArtifacts:create?uploadType=multipart",
            data=body,
            headers={"Content-Type": "multipart/related; boundary=b"},
        )

    return upload


def test_upload_and_download(registry, make, http, send) -> None:
    repository, content = make("GENERIC"), b"\r\nany\0thing\n"
    done = send(repository, content, "folder/file.bin").json()["operation"]
    assert (done["done"], done["response"]["version"]) == (True, "v1")
    (file,) = registry.list_files(parent=repository)
    assert file.name == f"{repository}/files/pkg:v1:folder%2Ffile.bin"
    assert http.get(f"{HOST}/v1/{file.name}:download?alt=media").content == content
    part = http.get(f"{HOST}/download/v1/{file.name}:download?alt=media", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"any")
    again = send(repository, b"other", "folder/file.bin").json()["operation"]
    assert "already exists" in again["error"]["message"]
    registry.delete_file(name=file.name).result()
    with pytest.raises(exceptions.NotFound):
        registry.get_file(name=file.name)


def test_upload_in_pieces(registry, make, http) -> None:
    repository, content = make("GENERIC"), bytes(range(256)) * 8
    resource = {"packageId": "pkg", "versionId": "v1", "filename": "big"}
    url = f"{HOST}/resumable/upload/v1/{repository}/genericArtifacts:create?uploadType=resumable"
    place = http.post(url, json=resource).headers["location"]
    first = http.put(place, data=content[:1000], headers={"Content-Range": "bytes 0-999/2048"})
    assert (first.status_code, first.headers["range"]) == (308, "bytes=0-999")
    last = http.put(place, data=content[1000:], headers={"Content-Range": "bytes 1000-2047/2048"})
    assert last.json()["operation"]["done"]
    assert http.get(f"{HOST}/v1/{repository}/files/pkg:v1:big:download?alt=media").content == content


def test_refused(make, http, send) -> None:
    repository = make("GENERIC")
    for filename in ("", "/etc/passwd", "../up"):
        refused = send(repository, b"x", filename)
        assert (refused.status_code, "filename" in refused.json()["error"]["message"]) == (400, True)
    assert send(repository, b"x", "f", version="a/b").status_code == 400
    assert send(make("PYTHON"), b"x", "f").status_code == 400
    assert http.get(f"{HOST}/v1/{repository}/files/none:download?alt=media").status_code == 404
