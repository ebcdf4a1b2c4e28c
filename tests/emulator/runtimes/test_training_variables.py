import json
from typing import Any

from gcpmlops.emulator.runtimes.training_spec import Pool, TrainingSpec, replicas
from gcpmlops.emulator.runtimes.training_variables import variables

PYTORCH = "us-docker.pkg.dev/vertex-ai/training/pytorch-xla.2-4.py310:latest"


def spec(*pools: Pool | None, **more: Any) -> TrainingSpec:
    return TrainingSpec("7", "123", "us-central1", pools, **more)


def test_output_directories_are_gs_uris() -> None:
    job = spec(Pool("python:3.11"), output_uri="gs://b/runs/1")
    found = variables(job, replicas(job)[0], [1])
    assert found["AIP_MODEL_DIR"] == "gs://b/runs/1/model/"
    assert found["AIP_CHECKPOINT_DIR"] == "gs://b/runs/1/checkpoints/"
    assert found["AIP_TENSORBOARD_LOG_DIR"] == "gs://b/runs/1/logs/"


def test_a_single_replica() -> None:
    job = spec(Pool("python:3.11"), job_json='{"serviceAccount": "s"}', variables={"MORE": "1"})
    found = variables(job, replicas(job)[0], [4000])
    assert not [name for name in found if name.startswith("AIP_")]
    assert (found["CLOUD_ML_JOB_ID"], found["CLOUD_ML_PROJECT_ID"], found["MORE"]) == ("7", "123", "1")
    assert json.loads(found["CLUSTER_SPEC"]) == {
        "cluster": {"workerpool0": ["127.0.0.1:4000"]},
        "environment": "cloud",
        "task": {"type": "workerpool0", "index": 0},
        "job": {"serviceAccount": "s"},
    }
    assert not {"TF_CONFIG", "RANK", "WORLD_SIZE", "MASTER_ADDR"} & set(found)


def test_a_single_pytorch_replica_is_a_group_of_one() -> None:
    job = spec(Pool(PYTORCH))
    found = variables(job, replicas(job)[0], [4000])
    group = [found[name] for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE")]
    assert group == ["127.0.0.1", "4000", "0", "1"]


def test_a_cluster_with_an_empty_pool() -> None:
    job = spec(Pool("i"), Pool("i", replicas=2), None, Pool("i"), trial_id="3")
    everyone = replicas(job)
    found = variables(job, everyone[2], [1, 2, 3, 4])
    tensorflow = json.loads(found["TF_CONFIG"])
    assert tensorflow["cluster"] == {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]}
    assert tensorflow["task"] == {"type": "worker", "index": 1, "trial": "3"}
    assert (found["RANK"], found["WORLD_SIZE"], found["MASTER_PORT"]) == ("2", "4", "1")
    cluster = json.loads(found["CLUSTER_SPEC"])
    assert cluster["task"] == {"type": "workerpool1", "index": 1, "trial": "3"}
    assert list(cluster["cluster"]) == ["workerpool0", "workerpool1", "workerpool3"]
    last = variables(job, everyone[3], [1, 2, 3, 4])
    assert json.loads(last["TF_CONFIG"])["task"]["type"] == "evaluator"
