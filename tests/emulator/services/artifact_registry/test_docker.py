"""A Docker repository by the OCI distribution specification, as clients push and pull."""

import hashlib
import json

import pytest
import requests
from google.api_core import exceptions

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
BUILT = "2026-01-02T03:04:05Z"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry:
    """What a client needs of one repository."""

    def __init__(self, http, url: str) -> None:
        host, _, path = url.removeprefix("https://").partition("/")
        self.http, self.base = http, f"https://{host}/v2/{path}"

    def push_blob(self, image: str, data: bytes) -> dict:
        begun = self.http.post(f"{self.base}/{image}/blobs/uploads/")
        assert begun.status_code == 202
        half, place = len(data) // 2, begun.headers["location"]
        for start, part in filter(lambda piece: piece[1], ((0, data[:half]), (half, data[half:]))):
            span = {"Content-Range": f"{start}-{start + len(part) - 1}"}
            sent = self.http.patch(place, data=part, headers=span)
            assert (sent.status_code, sent.headers["range"]) == (202, f"0-{start + len(part) - 1}")
        done = self.http.put(place, params={"digest": digest_of(data)})
        assert (done.status_code, done.headers["docker-content-digest"]) == (201, digest_of(data))
        return {"mediaType": "application/octet-stream", "digest": digest_of(data), "size": len(data)}

    def push(self, image: str, tag: str, *layers: bytes, **fields):
        config = json.dumps({"architecture": "amd64", "os": "linux", "created": BUILT}).encode()
        pushed = [self.push_blob(image, blob) for blob in (config, *layers)]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": pushed[0], "layers": pushed[1:], **fields}
        return self.put(image, tag, manifest)

    def put(self, image: str, reference: str, manifest: dict):
        data, kind = json.dumps(manifest).encode(), {"Content-Type": manifest.get("mediaType", MANIFEST)}
        return self.http.put(f"{self.base}/{image}/manifests/{reference}", data=data, headers=kind)

    def get(self, path: str):
        return self.http.get(f"{self.base}/{path}")


@pytest.fixture
def docker(make, http, url):
    return Registry(http, url(make("DOCKER"), "docker"))


@pytest.fixture
def repository(docker, location) -> str:
    return f"{location}/repositories/{docker.base.rpartition('/')[2]}"


def error(response) -> tuple[int, str]:
    return response.status_code, response.json()["errors"][0]["code"]


def test_push_and_pull(registry, docker, repository) -> None:
    pushed = docker.push("team/app", "v1", b"layer one", b"layer two")
    digest = pushed.headers["docker-content-digest"]
    assert pushed.status_code == 201
    assert docker.http.head(f"{docker.base}/team/app/manifests/v1").headers["docker-content-digest"] == digest
    pulled = docker.get("team/app/manifests/v1")
    assert (digest_of(pulled.content), pulled.headers["content-type"]) == (digest, MANIFEST)
    layers = [docker.get(f"team/app/blobs/{layer['digest']}").content for layer in pulled.json()["layers"]]
    assert layers == [b"layer one", b"layer two"]
    assert docker.get(f"team/app/manifests/{digest}").content == pulled.content
    part = docker.http.get(
        f"{docker.base}/team/app/blobs/{pulled.json()['layers'][0]['digest']}", headers={"Range": "bytes=6-8"}
    )
    assert (part.status_code, part.content) == (206, b"one")
    assert docker.get("team/app/tags/list").json()["tags"] == ["v1"]
    name = f"{repository}/dockerImages/team%2Fapp@{digest}"
    image = registry.get_docker_image(name=name)
    assert (list(image.tags), image.media_type) == (["v1"], MANIFEST)
    assert image.uri.endswith(f"/team/app@{digest}")
    assert image.build_time.isoformat() == "2026-01-02T03:04:05+00:00"
    assert image.image_size_bytes > len(b"layer onelayer two")
    assert [found.name for found in registry.list_docker_images(parent=repository)] == [name]
    version = registry.get_version(name=f"{repository}/packages/team%2Fapp/versions/{digest}")
    assert version.metadata["mediaType"] == MANIFEST


def test_tags(registry, docker, repository) -> None:
    first, second = (docker.push("app", "latest", data).headers["docker-content-digest"] for data in (b"1", b"2"))
    assert docker.get("app/manifests/latest").headers["docker-content-digest"] == second
    package = f"{repository}/packages/app"
    registry.create_tag(parent=package, tag_id="old", tag={"version": f"{package}/versions/{first}"})
    assert docker.get("app/manifests/old").headers["docker-content-digest"] == first
    paged = docker.get("app/tags/list?n=1")
    assert (paged.json()["tags"], "last=latest" in paged.headers["link"]) == (["latest"], True)
    registry.update_tag(
        tag={"name": f"{package}/tags/old", "version": f"{package}/versions/{second}"},
        update_mask={"paths": ["version"]},
    )
    full = registry.list_versions(request={"parent": package, "view": "FULL"})
    tags = {
        found.name.rpartition("/")[2]: {tag.name.rpartition("/")[2] for tag in found.related_tags} for found in full
    }
    assert tags == {first: set(), second: {"latest", "old"}}


def test_deletion_keeps_what_others_have(registry, docker, repository) -> None:
    kept = docker.push("a", "v1", b"shared", b"own a").headers["docker-content-digest"]
    gone = docker.push("b", "v1", b"shared", b"own b").headers["docker-content-digest"]
    assert error(docker.http.delete(f"{docker.base}/b/manifests/{gone}")) == (400, "GOOGLE_MANIFEST_DANGLING_TAG")
    for reference in ("v1", gone):
        assert docker.http.delete(f"{docker.base}/b/manifests/{reference}").status_code == 202
    assert error(docker.get(f"b/manifests/{gone}")) == (404, "MANIFEST_UNKNOWN")
    assert docker.get(f"a/blobs/{digest_of(b'own b')}").status_code == 404
    assert docker.get(f"a/blobs/{digest_of(b'shared')}").content == b"shared"
    registry.delete_package(name=f"{repository}/packages/a").result()
    assert docker.get(f"a/manifests/{kept}").status_code == 404
    assert list(registry.list_files(parent=repository)) == []


def test_indexes_and_referrers(registry, docker, repository) -> None:
    image = docker.push("app", "amd64", b"x")
    child = {"mediaType": MANIFEST, "digest": image.headers["docker-content-digest"], "size": 2}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**child, "platform": {"architecture": "amd64"}}]}
    pushed = docker.put("app", "all", index)
    assert pushed.status_code == 201
    shown = registry.get_docker_image(name=f"{repository}/dockerImages/app@{pushed.headers['docker-content-digest']}")
    assert [(part.digest, part.architecture) for part in shown.image_manifests] == [(child["digest"], "amd64")]
    signature = docker.push("app", "sig", b"signature", artifactType="test/signature", subject=child)
    assert signature.headers["oci-subject"] == child["digest"]
    found = docker.get(f"app/referrers/{child['digest']}?artifactType=test/signature").json()["manifests"]
    assert [each["digest"] for each in found] == [signature.headers["docker-content-digest"]]
    assert docker.get(f"app/referrers/{child['digest']}?artifactType=other").json()["manifests"] == []


def test_refused_pushes(docker) -> None:
    uploads = f"{docker.base}/app/blobs/uploads/"
    assert error(docker.http.post(uploads, params={"digest": digest_of(b"y")}, data=b"x")) == (400, "DIGEST_INVALID")
    place = docker.http.post(uploads).headers["location"]
    skipped = docker.http.patch(place, data=b"x", headers={"Content-Range": "5-5"})
    assert error(skipped) == (416, "BLOB_UPLOAD_INVALID")
    assert error(docker.http.patch(place.replace("/app/", "/other/"), data=b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert docker.http.delete(place).status_code == 204
    assert error(docker.http.patch(place, data=b"x")) == (404, "BLOB_UPLOAD_UNKNOWN")
    missing = {"mediaType": "x", "digest": digest_of(b"nothing"), "size": 1}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": missing, "layers": []}
    assert error(docker.put("app", "v1", manifest)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert error(docker.put("app", "v1", {"schemaVersion": 1})) == (400, "MANIFEST_INVALID")
    assert error(docker.put("app", "-bad", manifest)) == (400, "TAG_INVALID")
    assert error(docker.get("app/tags/list")) == (404, "NAME_UNKNOWN")
    assert error(docker.get("UPPER/manifests/v1")) == (404, "NAME_INVALID")
    assert docker.http.post(uploads, params={"digest": digest_of(b"x")}, data=b"x").status_code == 201
    mounted = docker.http.post(f"{docker.base}/b/blobs/uploads/", params={"mount": digest_of(b"x"), "from": "app"})
    assert mounted.status_code == 201


def test_immutable_tags(make, http, url, registry) -> None:
    repository = make("DOCKER", docker_config={"immutable_tags": True})
    docker = Registry(http, url(repository, "docker"))
    assert docker.push("app", "v1", b"1").status_code == 201
    assert docker.push("app", "v1", b"1").status_code == 201  # the same again
    assert error(docker.push("app", "v1", b"2")) == (400, "TAG_INVALID")
    with pytest.raises(exceptions.FailedPrecondition, match="immutable"):
        registry.delete_tag(name=f"{repository}/packages/app/tags/v1")


def test_docker_gets_a_token(docker, token) -> None:
    docker.push("app", "v1", b"1")
    host = docker.base.partition("/v2/")[0]
    refused = requests.get(f"{host}/v2/")
    assert error(refused) == (401, "UNAUTHORIZED")
    assert f'realm="{host}/v2/token"' in refused.headers["www-authenticate"]
    given = requests.get(f"{host}/v2/token", auth=("oauth2accesstoken", token)).json()["token"]
    bearer = {"Authorization": f"Bearer {given}"}
    assert requests.get(f"{host}/v2/", headers=bearer).status_code == 200
    assert requests.get(f"{docker.base}/app/manifests/v1", headers=bearer).status_code == 200


def test_everybody_pulls_what_is_public(registry, docker, repository) -> None:
    docker.push("app", "v1", b"1")
    host = docker.base.partition("/v2/")[0]
    nobody = {"Authorization": f"Bearer {requests.get(f'{host}/v2/token').json()['token']}"}
    image = f"{docker.base}/app/manifests/v1"
    assert requests.get(image, headers=nobody).status_code == 401
    reader = {"role": "roles/artifactregistry.reader", "members": ["allUsers"]}
    registry.set_iam_policy(request={"resource": repository, "policy": {"bindings": [reader]}})
    assert requests.get(image, headers=nobody).status_code == 200
    assert requests.delete(image, headers=nobody).status_code == 401
    api = f"https://artifactregistry.googleapis.com/v1/{repository}"
    assert requests.get(api, headers=nobody).status_code == 401  # it is no token of anybody's
