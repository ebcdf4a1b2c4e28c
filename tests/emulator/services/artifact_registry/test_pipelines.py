"""A repository of compiled pipelines by the requests of Kubeflow Pipelines' registry client."""

import hashlib

import pytest

SPEC = b"pipelineInfo:\n  name: churn-training\nroot:\n  dag: {}\n"
DIGEST = f"sha256:{hashlib.sha256(SPEC).hexdigest()}"


@pytest.fixture
def send(http, url):
    def upload(repository: str, content: bytes, **form):
        return http.post(url(repository, "kfp"), data=form, files={"content": ("pipeline.yaml", content)})

    return upload


def test_upload_and_download(registry, make, http, url, send) -> None:
    repository = make("KFP")
    assert send(repository, SPEC, tags="latest,v1").text == f"churn-training/{DIGEST}"
    base, package = f"{url(repository, 'kfp')}/churn-training", f"{repository}/packages/churn-training"
    assert [http.get(f"{base}/{reference}").content for reference in (DIGEST, "latest")] == [SPEC, SPEC]
    changed = SPEC + b"# better\n"
    newer = send(repository, changed, tags=["latest"]).text.partition("/")[2]
    assert [http.get(f"{base}/{tag}").content for tag in ("latest", "v1")] == [changed, SPEC]
    assert send(repository, SPEC, tags="v2").text == f"churn-training/{DIGEST}"  # the same again
    tags = {tag.name.rpartition("/")[2]: tag.version.rpartition("/")[2] for tag in registry.list_tags(parent=package)}
    assert tags == {"latest": newer, "v1": DIGEST, "v2": DIGEST}
    registry.delete_version(request={"name": f"{package}/versions/{DIGEST}", "force": True}).result()
    assert http.get(f"{base}/v1").status_code == 404


def test_refused(registry, make, send) -> None:
    repository = make("KFP")
    for content, told in ((b"a: [", "YAML"), (b"- 1", "pipelineInfo"), (SPEC.replace(b"churn", b"A B"), "A B")):
        refused = send(repository, content)
        assert (refused.status_code, told in refused.text) == (400, True), refused.text
    assert send(repository, SPEC, tags="sha256:x").status_code == 400
    assert send(make("PYTHON"), SPEC).status_code == 400
    assert list(registry.list_packages(parent=repository)) == []
