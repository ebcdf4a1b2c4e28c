"""client.tuning against the emulator: trials really run."""

import json
from pathlib import Path

import pytest

from gcpmlops import Client, Double, Integer, exceptions

IMAGE = "python:3.11"
SCRIPT = """
import argparse
import hypertune

parser = argparse.ArgumentParser()
parser.add_argument("--base", type=float, required=True)
parser.add_argument("--rate", type=float)
parser.add_argument("--depth", type=int)
options = parser.parse_args()
tuner = hypertune.HyperTune()
print("depth is", options.depth)
for step in (1, 2):
    tuner.report_hyperparameter_tuning_metric("score", options.base + options.depth * step, step)
"""
# the same without a package, for trials that only have to end
REPORT = """
import json, os, sys, time
with open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "w") as file:
    file.write(json.dumps({"timestamp": time.time(), "trial": "", "NAME": VALUE, "global_step": "1"}) + "\\n")
"""
FAILING = REPORT.replace("NAME", "score").replace("VALUE", "float('nan')") + "raise SystemExit('no luck')"
SPACE = {"depth": Integer(2, 5)}
SCORE = {"score": "maximize"}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path / "train.py"


def submit(client: Client, code: str, **settings: object):
    given = {"space": SPACE, "metrics": SCORE, "image": IMAGE, "command": ["python", "-c", code], **settings}
    return client.tuning.submit(**given)


def test_a_search(client: Client, staging: str, script: Path, tmp_path: Path, unique) -> None:
    config = tmp_path / "search.yaml"
    config.write_text(
        f"source: train.py\nimage: {IMAGE}\nrequirements: [cloudml-hypertune]\nargs: {{base: 100}}\n"
        "metrics: {score: maximize}\nmax_trials: 9\nparallel_trials: 2\nalgorithm: grid\n"
        "space:\n  depth: {type: integer, min: 2, max: 4}\n"
    )
    name = unique("search")
    seen: list[tuple[str, int]] = []
    job = client.tuning.run(
        config=config,
        max_trials=3,
        display_name=name,
        on_trial=lambda trial, job: seen.append((trial.id, len(job.trials.ended()))),
    )
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    assert sorted(identifier for identifier, _ in seen) == ["1", "2", "3"]
    assert sorted(trial.metrics["score"] for trial in job.trials) == [104, 106, 108]
    assert job.best().parameters == {"depth": 4}
    assert [m.metrics["score"] for m in job.best().measurements] == [104, 108]
    assert client.tuning.best(job.id).id == job.best().id
    assert [each.id for each in client.tuning.list(filter=f'display_name="{name}"')] == [job.id]
    deep = job.best().id
    assert "depth is 4" in [line.text for line in job.logs(trial=deep)]
    assert {"depth is 2", "depth is 3"} <= {line.text for line in job.logs()}
    with pytest.raises(exceptions.NotFound, match="no trial 77\nIts trials: 1, 2, 3"):
        job.logs(trial=77)
    assert job.report(tmp_path / "report.html").stat().st_size > 1e6
    job.delete()
    with pytest.raises(exceptions.NotFound, match="tuning list"):
        job.refresh()


def test_trials_that_fail(client: Client, staging: str) -> None:
    job = submit(client, FAILING, max_trials=4, max_failed_trials=1)
    with pytest.raises(exceptions.JobFailed) as caught:
        job.wait(timeout=120)
    assert caught.value.state == "JOB_STATE_FAILED"
    assert "no luck" in str(caught.value)
    (first, *_) = client.tuning.trials(job.id)
    assert first.state.name == "INFEASIBLE"
    with pytest.raises(exceptions.FailedPrecondition, match="no trial yet"):
        client.tuning.best(job.id)


def test_a_metric_of_another_name(client: Client, staging: str) -> None:
    job = submit(client, REPORT.replace("NAME", "scores").replace("VALUE", "1.0"), max_trials=2)
    with pytest.raises(exceptions.JobFailed) as caught:
        job.wait(timeout=120)
    assert "'scores'" in str(caught.value)
    assert "'score'" in str(caught.value)


def test_cancel(client: Client, staging: str) -> None:
    code = "import time\nprint('up', flush=True)\ntime.sleep(300)"
    job = submit(client, code, max_trials=4, parallel_trials=2)
    for line in client.tuning.logs(job.id, follow=True):
        if line.text == "up":
            break
    with pytest.raises(exceptions.DeadlineExceeded, match="gcpmlops tuning cancel"):
        job.wait(timeout=0)
    with pytest.raises(exceptions.FailedPrecondition):
        job.delete()
    job.cancel()
    with pytest.raises(exceptions.JobCancelled):
        job.wait(timeout=60)
    assert job.refresh().state.name == "JOB_STATE_CANCELLED"


def test_a_dry_run_touches_nothing(client: Client, script: Path) -> None:
    before = len(client.tuning.list())
    job = client.tuning.submit(
        script,
        space={"rate": Double(0.1, 1), **SPACE},
        metrics=SCORE,
        args={"base": 1},
        env={"COLOUR": "green"},
        staging_bucket="not-there-at-all",
        machine_type="n1-standard-8",
        labels={"team": "risk"},
        dry_run=True,
    )
    (pool,) = job.proto.trial_job_spec.worker_pool_specs
    assert list(pool.python_package_spec.args) == ["--base=1"]  # a trial's own come behind
    assert pool.machine_spec.machine_type == "n1-standard-8"
    assert (job.proto.display_name, dict(job.proto.labels)) == ("train", {"team": "risk"})
    assert (job.proto.max_trial_count, job.proto.parallel_trial_count) == (20, 1)
    assert (job.name, len(client.tuning.list())) == ("", before)


def test_a_parameter_that_the_script_does_not_take(client: Client, script: Path) -> None:
    arguments = {"metrics": SCORE, "args": {"base": 1}, "image": IMAGE, "requirements": ["cloudml-hypertune"]}
    with pytest.raises(exceptions.InvalidArgument, match="--width"):
        client.tuning.submit(script, space={"width": Integer(1, 2), **SPACE}, **arguments)
    with pytest.raises(exceptions.InvalidArgument, match="hypertune"):
        client.tuning.submit(script, space=SPACE, **{**arguments, "requirements": []})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"space": {}}, "the search space is empty"),
        ({"metrics": None}, "no metric"),
        ({"args": {"depth": 3}}, "depth is searched for and given in args"),
        ({"image": None}, "nothing to run"),
    ],
)
def test_what_is_refused_before_anything_is_sent(client: Client, settings: dict[str, object], message: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=message):
        submit(client, "pass", **settings)


def test_a_setting_that_there_is_not(client: Client) -> None:
    with pytest.raises(TypeError, match="no setting 'max_trails'; did you mean 'max_trials'"):
        submit(client, "pass", max_trails=3)


def test_missing_job(client: Client) -> None:
    for call in (client.tuning.get, client.tuning.cancel, client.tuning.delete, client.tuning.trials):
        with pytest.raises(exceptions.NotFound, match="999"):
            call("999")
    with pytest.raises(exceptions.InvalidArgument, match="not a tuning job"):
        client.tuning.get("a/b")


def test_the_request_is_json(client: Client) -> None:
    """What --dry-run prints."""
    job = submit(client, "pass", dry_run=True)
    sent = json.loads(type(job.proto).to_json(job.proto))
    assert sent["studySpec"]["parameters"][0]["parameterId"] == "depth"
