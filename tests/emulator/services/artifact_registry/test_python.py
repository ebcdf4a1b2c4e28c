"""A Python repository by the protocols of twine and pip; both themselves are in tests/e2e."""

import base64
import hashlib
import os
from pathlib import Path

import pytest
import requests
from google.api_core import exceptions

from .conftest import wheel

JSON = {"Accept": "application/vnd.pypi.simple.v1+json, text/html; q=0.01"}


def test_upload_and_index(registry, make, http, url, upload) -> None:
    repository = make("PYTHON")
    digest = hashlib.sha256(wheel("My_Package", "1.0")[1]).hexdigest()
    upload(repository, "My_Package", "1.0", sha256_digest=digest, requires_python=">=3.9").raise_for_status()
    upload(repository, "My_Package", "1.1", summary="Better").raise_for_status()
    base = url(repository, "python")
    page = http.get(f"{base}/simple/my-package/")
    assert page.headers["content-type"].startswith("text/html")
    link = (
        f'<a href="../../my-package/My_Package-1.0-py3-none-any.whl#sha256={digest}" data-requires-python="&gt;=3.9">'
    )
    assert link in page.text
    index = http.get(f"{base}/simple/my-package/", headers=JSON).json()
    assert (index["name"], index["versions"]) == ("my-package", ["1.0", "1.1"])
    first = index["files"][0]
    assert (first["hashes"], first["requires-python"]) == ({"sha256": digest}, ">=3.9")
    assert http.get(f"{base}/simple/my-package/{first['url']}").content == wheel("My_Package", "1.0")[1]
    assert http.get(f"{base}/simple/", headers=JSON).json()["projects"] == [{"name": "my-package"}]
    assert http.get(f"{base}/simple/My.Package").url == f"{base}/simple/my-package/"
    package = f"{repository}/packages/my-package"
    assert [found.name for found in registry.list_packages(parent=repository)] == [package]
    versions = list(registry.list_versions(parent=package))
    assert [(found.name, found.description) for found in versions] == [
        (f"{package}/versions/1.0", ""),
        (f"{package}/versions/1.1", "Better"),
    ]
    typed = registry.get_python_package(name=f"{repository}/pythonPackages/my-package:1.1")
    assert typed.uri.endswith("/my-package/My_Package-1.1-py3-none-any.whl")
    assert len(list(registry.list_python_packages(parent=repository))) == 2


def test_files(registry, make, upload) -> None:
    repository = make("PYTHON")
    for version in ("1.0", "2.0+local"):
        upload(repository, "pkg", version).raise_for_status()
    owner = f"{repository}/packages/pkg/versions/2.0%2Blocal"
    (file,) = registry.list_files({"parent": repository, "filter": f'owner="{owner}"'})
    assert file.name == f"{repository}/files/pkg%2Fpkg-2.0%2Blocal-py3-none-any.whl"
    assert registry.get_file(name=file.name).hashes[0].value == hashlib.sha256(wheel("pkg", "2.0+local")[1]).digest()
    of_package = registry.list_files({"parent": repository, "filter": f'owner="{repository}/packages/pkg"'})
    assert len(list(of_package)) == 2
    wild = registry.list_files({"parent": repository, "filter": f'name="{repository}/files/pkg%2Fpkg-1*"'})
    assert [found.owner for found in wild] == [f"{repository}/packages/pkg/versions/1.0"]
    assert registry.get_repository(name=repository).size_bytes == sum(
        found.size_bytes for found in registry.list_files(parent=repository)
    )
    with pytest.raises(exceptions.InvalidArgument, match="GENERIC"):
        registry.delete_file(name=file.name)


def test_deletion(registry, make, http, url, upload) -> None:
    repository = make("PYTHON")
    for version in ("1.0", "1.1"):
        upload(repository, "pkg", version).raise_for_status()
    package, base = f"{repository}/packages/pkg", url(repository, "python")
    tag = registry.create_tag(parent=package, tag_id="live", tag={"version": f"{package}/versions/1.0"})
    with pytest.raises(exceptions.FailedPrecondition, match="live"):
        registry.delete_version(name=tag.version)
    registry.delete_version(request={"name": tag.version, "force": True}).result()
    assert "pkg-1.0" not in http.get(f"{base}/simple/pkg/").text
    assert http.get(f"{base}/pkg/pkg-1.0-py3-none-any.whl").status_code == 404
    assert list(registry.list_tags(parent=package)) == []
    registry.delete_package(name=package).result()
    assert http.get(f"{base}/simple/pkg/").status_code == 404
    assert list(registry.list_files(parent=repository)) == []
    upload(repository, "pkg", "1.0").raise_for_status()  # what is gone may come again


def test_refused_uploads(registry, make, http, url, upload) -> None:
    repository = make("PYTHON")
    assert upload(repository, "pkg", "1.0").status_code == 200
    again = upload(repository, "pkg", "1.0")
    assert (again.status_code, "already exists" in again.text) == (400, True)
    damaged = upload(repository, "pkg", "1.1", sha256_digest="0" * 64)
    assert (damaged.status_code, "sha256_digest" in damaged.text) == (400, True)
    base = f"{url(repository, 'python')}/"
    form = {":action": "file_upload", "name": "pkg", "version": "2.0"}
    for name, told in (
        ("other-2.0-py3-none-any.whl", "not of pkg"),
        ("pkg-2.0.exe", "neither"),
        ("../x.whl", "neither"),
    ):
        refused = http.post(base, data=form, files={"content": (name, b"x")})
        assert (refused.status_code, told in refused.text) == (400, True), refused.text
    assert http.post(base, data=form).status_code == 400
    whole = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\npkg\r\n'
    cut = http.post(
        base, data=whole + b"--b\r\nContent-Di", headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert (cut.status_code, "cut off" in cut.text) == (400, True)
    assert upload(make("DOCKER"), "pkg", "1.0").status_code == 400
    assert upload("nothing", "pkg", "1.0").status_code == 404
    assert len(list(registry.list_files(parent=repository))) == 1


def test_credentials(registry, make, url, token, upload) -> None:
    repository = make("PYTHON")
    upload(repository, "pkg", "1.0").raise_for_status()
    page = f"{url(repository, 'python')}/simple/pkg/"
    key = Path(os.environ["GOOGLE_APPLICATION_CREDENTIALS"]).read_bytes()
    good = [
        {"auth": ("oauth2accesstoken", token)},
        {"auth": ("_json_key_base64", base64.b64encode(key).decode())},
        {"auth": ("_json_key", key.decode())},
        {"headers": {"Authorization": f"Bearer {token}"}},
    ]
    assert [requests.get(page, **each).status_code for each in good] == [200] * 4
    bad = [{}, {"auth": ("oauth2accesstoken", "x")}, {"auth": ("someone", token)}, {"auth": ("_json_key", "{}")}]
    for each in bad:
        refused = requests.get(page, **each)
        assert (refused.status_code, "Basic" in refused.headers["www-authenticate"]) == (401, True)
    reader = {"role": "roles/artifactregistry.reader", "members": ["allUsers"]}
    registry.set_iam_policy(request={"resource": repository, "policy": {"bindings": [reader]}})
    assert requests.get(page).status_code == 200  # public from now on: to read
    assert requests.post(f"{url(repository, 'python')}/").status_code == 401


def test_by_the_plain_port(emulator, make, http, upload) -> None:
    repository = make("PYTHON")
    upload(repository, "pkg", "1.0").raise_for_status()
    id_ = repository.rpartition("/")[2]
    base = f"{emulator.endpoint}/us-central1-python.pkg.dev/{emulator.project}/{id_}"
    file = http.get(f"{base}/simple/pkg/", headers=JSON).json()["files"][0]
    assert http.get(f"{base}/simple/pkg/{file['url']}").status_code == 200
