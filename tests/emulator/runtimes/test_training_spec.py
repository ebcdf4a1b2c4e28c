import json

from gcpmlops.emulator.runtimes.training_spec import Pool, TrainingSpec, expand, expand_all, replicas, variables


def spec(*pools: Pool | None, output_uri: str = "") -> TrainingSpec:
    return TrainingSpec("7", "123", "us-central1", pools, output_uri=output_uri)


def test_output_directories_are_gs_uris() -> None:
    job = spec(Pool("python:3.11"), output_uri="gs://b/runs/1")
    found = variables(job, replicas(job)[0], [1])
    assert found["AIP_MODEL_DIR"] == "gs://b/runs/1/model/"
    assert found["AIP_CHECKPOINT_DIR"] == "gs://b/runs/1/checkpoints/"
    assert found["AIP_TENSORBOARD_LOG_DIR"] == "gs://b/runs/1/logs/"


def test_a_single_replica() -> None:
    job = spec(Pool("python:3.11"))
    found = variables(job, replicas(job)[0], [4000])
    assert not [name for name in found if name.startswith("AIP_")]
    assert found["CLOUD_ML_JOB_ID"] == "7"
    assert found["CLOUD_ML_PROJECT_ID"] == "123"
    assert json.loads(found["CLUSTER_SPEC"])["cluster"] == {"workerpool0": ["127.0.0.1:4000"]}
    assert json.loads(found["TF_CONFIG"])["task"] == {"type": "chief", "index": 0}
    assert "RANK" not in found


def test_a_cluster_with_an_empty_pool() -> None:
    job = spec(Pool("i"), Pool("i", replicas=2), None, Pool("i"))
    everyone = replicas(job)
    assert [replica.name for replica in everyone] == [
        "workerpool0-0",
        "workerpool1-0",
        "workerpool1-1",
        "workerpool3-0",
    ]
    found = variables(job, everyone[2], [1, 2, 3, 4])
    assert json.loads(found["TF_CONFIG"])["cluster"] == {
        "chief": ["127.0.0.1:1"],
        "worker": ["127.0.0.1:2", "127.0.0.1:3"],
        "evaluator": ["127.0.0.1:4"],
    }
    assert (found["RANK"], found["WORLD_SIZE"], found["MASTER_PORT"]) == ("2", "4", "1")
    assert json.loads(found["CLUSTER_SPEC"])["task"] == {"type": "workerpool1", "index": 1}


def test_expansion() -> None:
    known = {"A": "1"}
    assert expand("$(A) $(B) $$(A) $(date)", known) == "1 $(B) $(A) $(date)"
    assert expand_all({"X": "$(A)2", "Y": "$(X)3", "Z": "$(LATER)", "LATER": "x"}, known) == {
        "X": "12",
        "Y": "123",
        "Z": "$(LATER)",
        "LATER": "x",
    }
