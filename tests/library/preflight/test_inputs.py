"""gs:// inputs that are not there, against the emulator."""

from collections.abc import Callable

import pytest

from gcpmlops import Client
from gcpmlops._preflight.inputs import Mention, mentions
from gcpmlops.exceptions import PreflightFailed
from gcpmlops.training import Problem

IMAGE = "gcr.io/mine/image:1"


@pytest.fixture
def data(client: Client, bucket: str) -> str:
    """A bucket with a few objects."""
    for name in ("raw/january.csv", "raw/february.csv", "model/model.bst", "part-0.json"):
        client.storage.upload(b"x", destination=f"gs://{bucket}/{name}")
    return bucket


@pytest.fixture
def judged(client: Client) -> Callable[..., list[Problem]]:
    return lambda **settings: client.training.preflight(image=IMAGE, command=["run"], **settings)


@pytest.mark.parametrize(
    "args",
    [
        {"data": "gs://{}/raw/january.csv", "folder": "gs://{}/raw", "dir": "gs://{}/raw/", "all": "gs://{}"},
        {"data": "gs://{}/raw/*.csv", "input": "gs://{}/*/january.csv", "train": "gs://{}/part-"},
        {"output": "gs://{}/new/", "model-dir": "gs://{}/new", "checkpoint_path": "gs://{}/c", "save-to": "gs://{}/x.csv"},
        {"data": "gs://{}/raw/january.csv,gs://{}/raw/february.csv"},
        {"data": ["gs://{}/raw/january.csv", "/gcs/{}/raw/february.csv"]},
        {"train-output": "gs://{}/new", "template": "gs://{}/{{month}}/x"},
        ["--data", "gs://{}/raw", "--out", "gs://{}/new", "gs://{}/who-knows"],
        {"table": "project.dataset.table", "note": "see gs://"},
        ["print('gs://never-made-bucket/x')", "https://x.example/gcs/never-made/x"],
    ],
)  # fmt: skip
def test_good(judged, data: str, args) -> None:
    filled = (
        [word.replace("{}", data) for word in args]
        if isinstance(args, list)
        else {
            k: [w.replace("{}", data) for w in v] if isinstance(v, list) else v.replace("{}", data)
            for k, v in args.items()
        }
    )
    assert judged(args=filled) == []


def test_missing(judged, data: str) -> None:
    uri = f"gs://{data}/raw/januray.csv"
    (problem,) = judged(args={"data": uri})
    assert (problem.kind, problem.where) == ("input", "--data")
    assert uri in problem.what
    assert f"Did you mean gs://{data}/raw/january.csv?" in problem.fix
    (problem,) = judged(env={"TRAIN_DATA": f"gs://{data}/nothing/*.csv"})
    assert problem.where == "env TRAIN_DATA"
    assert len(judged(args=["--data", f"gs://{data}/raw/jan", f"--input-model=gs://{data}/model/none"])) == 2
    assert len(judged(args={"data": [uri, f"gs://{data}/raw/january.csv", uri]})) == 1


def test_missing_bucket_is_a_problem_for_outputs_too(judged, unique) -> None:
    name = unique("missing")
    (problem,) = judged(args={"output": f"gs://{name}/x"})
    assert f"create-bucket {name}" in problem.fix
    (problem,) = judged(base_output_dir=f"gs://{name}/x")
    assert problem.where == "base_output_dir"
    (problem,) = judged(args={"data": "gs://Not_A_Bucket/x"})
    assert "is not a bucket name" in problem.what


def test_words_have_the_names_that_the_script_gives_them(client: Client, data: str, tmp_path) -> None:
    (tmp_path / "train.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\n"
        "p.add_argument('source')\np.add_argument('results')\np.parse_args()\n"
    )
    args = [f"gs://{data}/gone.csv", f"gs://{data}/new/"]
    (problem,) = client.training.preflight(tmp_path / "train.py", args=args)
    assert "gone.csv" in problem.what


def test_missing_package(client: Client, data: str) -> None:
    uri = f"gs://{data}/packages/mine-1.tar.gz"
    (problem,) = client.training.preflight(uri, module="mine.task")
    assert uri in problem.what
    client.storage.upload(b"x", destination=uri)
    assert client.training.preflight(uri, module="mine.task") == []


def test_what_may_not_be_listed_is_no_problem(client: Client, judged, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.api_core.exceptions import Forbidden, ServiceUnavailable

    from gcpmlops.exceptions import Unavailable

    def refuse(*_: object, **__: object) -> None:
        raise Forbidden("no")

    monkeypatch.setattr(client.clients.storage, "list_blobs", refuse)
    assert judged(args={"data": "gs://somebody-elses/x"}) == []

    def fail(*_: object, **__: object) -> None:
        raise ServiceUnavailable("later")

    monkeypatch.setattr(client.clients.storage, "list_blobs", fail)
    with pytest.raises(Unavailable):
        judged(args={"data": "gs://somebody-elses/x"})


def test_each_pool(client: Client, unique) -> None:
    from gcpmlops.training import WorkerPool

    pools = [
        WorkerPool(args={"data": f"gs://{unique('missing')}/x"}),
        WorkerPool(env={"DATA": f"gs://{unique('gone')}/y"}),
    ]
    where = [p.where for p in client.training.preflight(image=IMAGE, command=["run"], worker_pools=pools)]
    assert where == ["worker_pools[0] --data", "worker_pools[1] env DATA"]


def test_all_problems_in_one_error_and_nothing_is_started(client: Client, data: str, tmp_path) -> None:
    (tmp_path / "train.py").write_text(
        "import argparse, lightgbm\np = argparse.ArgumentParser()\np.add_argument('--data')\np.parse_args()\n"
    )
    before = {job.name for job in client.training.list()}
    with pytest.raises(PreflightFailed, match="3 problems") as caught:
        client.training.run(tmp_path / "train.py", args={"data": f"gs://{data}/none.csv", "dta": 1})
    assert [problem.kind for problem in caught.value.problems] == ["import", "argument", "input"]
    text = str(caught.value)
    assert "train.py:1" in text
    assert "preflight=False" in text
    assert {job.name for job in client.training.list()} == before


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("data", False), ("input_dir", False), ("train-path", False), ("TRAINING_DATA_URI", False), ("csv", False),
        ("model", True), ("outputDir", True), ("path", True), ("AIP_CHECKPOINT_DIR", True), ("log-dir", True),
        ("pretrained_model", False), ("model-input", False), ("results", True), ("dataset_output", True), ("", True),
        ("config", False), ("vocab_file", False), ("export_dir", True), ("job-dir", True),
    ],
)  # fmt: skip
def test_which_names_say_output(name: str, output: bool) -> None:
    assert Mention("gs://b/x", name, "").may_be_output is output


def test_mentions() -> None:
    args = ["--a=gs://x/1", "--b", "gs://x/2", "--c", "-d", "/gcs/x/3", "gs://x/4", "plain", '--json={"k": "gs://x/5"}']
    found = [(each.name, each.uri) for each in mentions(args, {"E": "a gs://x/6 b"})]
    assert found == [
        ("a", "gs://x/1"), ("b", "gs://x/2"), ("d", "gs://x/3"), ("", "gs://x/4"), ("json", "gs://x/5"), ("E", "gs://x/6"),
    ]  # fmt: skip
