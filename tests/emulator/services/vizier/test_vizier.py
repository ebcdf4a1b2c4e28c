"""VizierService through its official client."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.cloud import aiplatform_v1
from google.cloud.aiplatform_v1 import types

State = types.Trial.State
MAXIMIZE, MINIMIZE = 1, 2
DOUBLE = {"parameter_id": "rate", "double_value_spec": {"min_value": 1e-4, "max_value": 1.0}, "scale_type": 2}
INTEGER = {"parameter_id": "units", "integer_value_spec": {"min_value": 1, "max_value": 64}}
DISCRETE = {"parameter_id": "batch", "discrete_value_spec": {"values": [16, 32, 64]}}
CATEGORICAL = {"parameter_id": "kind", "categorical_value_spec": {"values": ["a", "b"]}}
ACCURACY = {"metric_id": "accuracy", "goal": MAXIMIZE}


@pytest.fixture(params=["grpc", "rest"])
def vizier(request, google_environment, emulator):
    return connect(request.param)


@pytest.fixture
def grpc(google_environment):
    return connect("grpc")


def connect(transport: str) -> aiplatform_v1.VizierServiceClient:
    options = ClientOptions(api_endpoint="us-central1-aiplatform.googleapis.com")
    return aiplatform_v1.VizierServiceClient(transport=transport, client_options=options)


@pytest.fixture
def parent(emulator) -> str:
    return f"projects/{emulator.project}/locations/us-central1"


def spec(*parameters: Any, **fields: Any) -> dict[str, Any]:
    return {"metrics": [ACCURACY], "parameters": list(parameters) or [DOUBLE], **fields}


def create(client, parent: str, study_spec: dict[str, Any]) -> types.Study:
    study = {"display_name": uuid.uuid4().hex, "study_spec": study_spec}
    return client.create_study(parent=parent, study=study)


def suggest(client, study: types.Study, count: int = 1, client_id: str = "w", **fields: Any) -> Any:
    request = {"parent": study.name, "suggestion_count": count, "client_id": client_id, **fields}
    return client.suggest_trials(request=request).result()


def one(client, study: types.Study, client_id: str = "w") -> types.Trial:
    (trial,) = suggest(client, study, client_id=client_id).trials
    return trial


def measured(value: float, step: int = 0, metric: str = "accuracy") -> dict[str, Any]:
    return {"metrics": [{"metric_id": metric, "value": value}], "step_count": step}


def measure(client, trial: types.Trial, *values: float) -> None:
    for step, value in enumerate(values, 1):
        client.add_trial_measurement(request={"trial_name": trial.name, "measurement": measured(value, step)})


def complete(client, trial: types.Trial, value: float, **fields: Any) -> types.Trial:
    return client.complete_trial(request={"name": trial.name, "final_measurement": measured(value), **fields})


def values(trial: types.Trial) -> dict[str, Any]:
    return {parameter.parameter_id: parameter.value for parameter in trial.parameters}


def test_a_study_from_creation_to_the_best_trial(vizier, parent: str) -> None:
    study = create(vizier, parent, spec(DOUBLE, INTEGER, DISCRETE, CATEGORICAL))
    assert study.name.startswith(f"{parent}/studies/")
    assert study.state == types.Study.State.ACTIVE
    assert study.create_time
    operation = vizier.suggest_trials(request={"parent": study.name, "suggestion_count": 2, "client_id": "w1"})
    reply = operation.result()
    assert operation.metadata.client_id == "w1"
    assert operation.operation.name.startswith(f"{study.name}/operations/")
    assert [trial.id for trial in reply.trials] == ["1", "2"]
    assert reply.study_state == types.Study.State.ACTIVE
    assert reply.start_time <= reply.end_time
    first, second = reply.trials
    assert first.name == f"{study.name}/trials/1"
    assert (first.state, first.client_id) == (State.ACTIVE, "w1")
    assert set(values(first)) == {"rate", "units", "batch", "kind"}
    measure(vizier, first, 0.2, 0.6)
    done = vizier.complete_trial(request={"name": first.name})
    assert done.state == State.SUCCEEDED
    assert done.final_measurement.metrics[0].value == 0.6
    assert done.end_time >= done.start_time
    assert complete(vizier, second, 0.9).final_measurement.metrics[0].value == 0.9
    assert [trial.id for trial in vizier.list_trials(parent=study.name)] == ["1", "2"]
    optimal = vizier.list_optimal_trials(request={"parent": study.name}).optimal_trials
    assert [trial.id for trial in optimal] == ["2"]
    assert vizier.get_trial(name=second.name).state == State.SUCCEEDED
    vizier.delete_trial(name=second.name)
    with pytest.raises(exceptions.NotFound, match="trials/2"):
        vizier.get_trial(name=second.name)
    assert one(vizier, study).id == "3"  # the number 2 is not given again
    vizier.delete_study(name=study.name)
    for name in (study.name, first.name):
        with pytest.raises(exceptions.NotFound, match=study.name):
            vizier.get_study(name=name) if name == study.name else vizier.get_trial(name=name)


def test_studies_are_found_by_display_name_and_listed(vizier, parent: str) -> None:
    study = create(vizier, parent, spec())
    found = vizier.lookup_study(request={"parent": parent, "display_name": study.display_name})
    assert found.name == study.name == vizier.get_study(name=study.name).name
    assert study.name in [each.name for each in vizier.list_studies(parent=parent)]
    assert len(vizier.list_studies(request={"parent": parent, "page_size": 1}).studies) == 1
    with pytest.raises(exceptions.Conflict, match=study.display_name):
        vizier.create_study(parent=parent, study={"display_name": study.display_name, "study_spec": spec()})
    with pytest.raises(exceptions.NotFound, match="nobody"):
        vizier.lookup_study(request={"parent": parent, "display_name": "nobody"})
    elsewhere = parent.replace("us-central1", "europe-west1")
    with pytest.raises(exceptions.NotFound):
        vizier.lookup_study(request={"parent": elsewhere, "display_name": study.display_name})


def test_a_client_gets_its_active_trials_again(grpc, parent: str) -> None:
    study = create(grpc, parent, spec())
    mine = suggest(grpc, study, 2, "mine").trials
    (yours,) = suggest(grpc, study, 1, "yours").trials
    assert yours.id == "3"
    assert [trial.name for trial in suggest(grpc, study, 2, "mine").trials] == [trial.name for trial in mine]
    assert [trial.id for trial in suggest(grpc, study, 3, "mine").trials] == ["1", "2", "4"]
    complete(grpc, mine[0], 0.5)
    assert [trial.id for trial in suggest(grpc, study, 2, "mine").trials] == ["2", "4"]


def test_clients_at_once_get_different_trials(grpc, parent: str) -> None:
    study = create(grpc, parent, spec(CATEGORICAL, DISCRETE, algorithm=2))
    found: list[str] = []

    def work(name: str) -> None:
        trial = one(grpc, study, name)
        found.append(str(sorted(values(trial).items())))

    threads = [threading.Thread(target=work, args=(f"w{index}",)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 6


def test_a_grid_is_exhausted(grpc, parent: str) -> None:
    study = create(grpc, parent, spec(CATEGORICAL, DISCRETE, algorithm=2))
    reply = suggest(grpc, study, 10)
    assert len(reply.trials) == 6
    assert reply.study_state == types.Study.State.COMPLETED
    assert grpc.get_study(name=study.name).state == types.Study.State.COMPLETED
    assert len(suggest(grpc, study, 10).trials) == 6  # active ones, again
    for trial in reply.trials:
        complete(grpc, trial, 0.1)
    assert list(suggest(grpc, study, 1).trials) == []


def test_completion(grpc, parent: str) -> None:
    study = create(grpc, parent, spec(measurement_selection_type=2))  # BEST_MEASUREMENT
    best, final, infeasible, empty = suggest(grpc, study, 4).trials
    measure(grpc, best, 0.1, 0.9, 0.3)
    assert grpc.complete_trial(request={"name": best.name}).final_measurement.step_count == 2
    with pytest.raises(exceptions.FailedPrecondition, match="SUCCEEDED"):
        complete(grpc, best, 1.0)
    with pytest.raises(exceptions.FailedPrecondition, match="SUCCEEDED"):
        measure(grpc, best, 0.2)
    measure(grpc, final, 0.4)
    assert complete(grpc, final, 0.7).final_measurement.metrics[0].value == 0.7
    done = complete(grpc, infeasible, 0.7, trial_infeasible=True, infeasible_reason="out of memory")
    assert (done.state, done.infeasible_reason) == (State.INFEASIBLE, "out of memory")
    assert "final_measurement" not in done
    done = grpc.complete_trial(request={"name": empty.name})
    assert done.state == State.INFEASIBLE
    assert "measurement" in done.infeasible_reason


def test_measurements_are_kept_in_order(grpc, parent: str) -> None:
    trial = one(grpc, create(grpc, parent, spec()))
    add = grpc.add_trial_measurement
    for step in (3, 1, 2):
        add(request={"trial_name": trial.name, "measurement": measured(step / 10, step)})
    timed = {**measured(0.15, 1), "elapsed_duration": timedelta(days=1)}
    found = add(request={"trial_name": trial.name, "measurement": timed})
    assert [each.metrics[0].value for each in found.measurements] == [0.1, 0.15, 0.2, 0.3]
    assert all("elapsed_duration" in each for each in found.measurements)
    with pytest.raises(exceptions.InvalidArgument, match="already"):
        add(request={"trial_name": trial.name, "measurement": timed})


@pytest.mark.parametrize(
    ("measurement", "field"),
    [
        (measured(1, metric="loss"), r"measurement\.metrics\[0\]\.metric_id.*loss.*accuracy"),
        (measured(float("nan")), r"measurement\.metrics\[0\]\.value"),
        ({"step_count": 1}, r"measurement\.metrics"),
        (measured(1, -1), r"measurement\.step_count"),
        ({"metrics": [{"metric_id": "accuracy"}] * 2}, "given twice"),
    ],
)
def test_measurements_that_are_refused(grpc, parent: str, measurement: dict[str, Any], field: str) -> None:
    trial = one(grpc, create(grpc, parent, spec()))
    with pytest.raises(exceptions.InvalidArgument, match=field):
        grpc.add_trial_measurement(request={"trial_name": trial.name, "measurement": measurement})
    with pytest.raises(exceptions.InvalidArgument, match=field.replace("measurement", "final_measurement", 1)):
        grpc.complete_trial(request={"name": trial.name, "final_measurement": measurement})
    assert grpc.get_trial(name=trial.name).state == State.ACTIVE


def test_trials_of_the_clients_own(grpc, parent: str) -> None:
    study = create(grpc, parent, spec(DOUBLE, INTEGER))
    rate = [{"parameter_id": "rate", "value": 0.5}]
    both = [*rate, {"parameter_id": "units", "value": 8}]
    requested = grpc.create_trial(parent=study.name, trial={"parameters": rate})
    assert (requested.state, requested.id) == (State.REQUESTED, "1")
    done = grpc.create_trial(parent=study.name, trial={"parameters": both, "final_measurement": measured(0.8)})
    assert done.state == State.SUCCEEDED
    asked = one(grpc, study)
    assert (asked.name, asked.state, asked.client_id) == (requested.name, State.ACTIVE, "w")
    assert values(asked)["rate"] == 0.5
    assert 1 <= values(asked)["units"] <= 64
    for wrong, field in (
        ({"parameter_id": "nix", "value": 1}, r"trial\.parameters\[0\]\.parameter_id.*nix"),
        ({"parameter_id": "rate", "value": 7}, r"trial\.parameters\[0\]\.value"),
        ({"parameter_id": "rate", "value": "x"}, r"trial\.parameters\[0\]\.value"),
    ):
        with pytest.raises(exceptions.InvalidArgument, match=field):
            grpc.create_trial(parent=study.name, trial={"parameters": [wrong]})


def test_contexts(grpc, parent: str) -> None:
    study = create(grpc, parent, spec(DOUBLE, CATEGORICAL))
    contexts = [{"parameters": [{"parameter_id": "kind", "value": kind}]} for kind in ("b", "a")]
    found = suggest(grpc, study, 2, contexts=contexts).trials
    assert [values(trial)["kind"] for trial in found] == ["b", "a"]
    again = suggest(grpc, study, 2, contexts=list(reversed(contexts))).trials
    assert [trial.name for trial in again] == [trial.name for trial in reversed(found)]
    with pytest.raises(exceptions.InvalidArgument, match="contexts"):
        suggest(grpc, study, 3, contexts=contexts)


def test_early_stopping_and_stopping(grpc, parent: str) -> None:
    study = create(grpc, parent, spec(median_automated_stopping_spec={}))
    good, bad, other = suggest(grpc, study, 3).trials
    check = grpc.check_trial_early_stopping_state
    measure(grpc, good, 0.5, 0.7, 0.8)
    grpc.complete_trial(request={"name": good.name})
    measure(grpc, bad, 0.1, 0.2)
    measure(grpc, other, 0.6, 0.9)
    operation = check(request={"trial_name": bad.name})
    assert operation.result().should_stop
    assert (operation.metadata.study, operation.metadata.trial) == (study.name, bad.name)
    assert grpc.get_trial(name=bad.name).state == State.STOPPING
    assert check(request={"trial_name": bad.name}).result().should_stop
    assert not check(request={"trial_name": other.name}).result().should_stop
    assert grpc.stop_trial(request={"name": other.name}).state == State.STOPPING
    assert grpc.complete_trial(request={"name": bad.name}).final_measurement.metrics[0].value == 0.2
    with pytest.raises(exceptions.FailedPrecondition):
        grpc.stop_trial(request={"name": bad.name})
    with pytest.raises(exceptions.FailedPrecondition):
        check(request={"trial_name": bad.name})


@pytest.mark.parametrize(
    "rule",
    [
        {"decay_curve_stopping_spec": {}},
        {"convex_automated_stopping_spec": {"max_step_count": 10, "min_measurement_count": 3}},
    ],
    ids=["decay curve", "convex"],
)
def test_other_rules(grpc, parent: str, rule: dict[str, Any]) -> None:
    study = create(grpc, parent, spec(**rule))
    *done, bad, good = suggest(grpc, study, 6).trials
    for level, trial in zip((0.7, 0.8, 0.85, 0.9), done, strict=True):
        measure(grpc, trial, *(level * (1 - 0.5**step) for step in range(1, 11)))
        grpc.complete_trial(request={"name": trial.name})
    measure(grpc, bad, *(0.2 * (1 - 0.5**step) for step in range(1, 7)))
    measure(grpc, good, *(0.95 * (1 - 0.5**step) for step in range(1, 7)))
    assert grpc.check_trial_early_stopping_state(request={"trial_name": bad.name}).result().should_stop
    assert not grpc.check_trial_early_stopping_state(request={"trial_name": good.name}).result().should_stop
    predicted = grpc.get_trial(name=bad.name).measurements[-1]
    if "convex_automated_stopping_spec" in rule:
        assert predicted.step_count == 10
        assert predicted.metrics[0].value == pytest.approx(0.2, abs=0.02)


def test_without_a_rule_nothing_is_stopped(grpc, parent: str) -> None:
    trial = one(grpc, create(grpc, parent, spec()))
    assert not grpc.check_trial_early_stopping_state(request={"trial_name": trial.name}).result().should_stop


def test_several_objectives(grpc, parent: str) -> None:
    metrics = [ACCURACY, {"metric_id": "latency", "goal": MINIMIZE}]
    study = create(grpc, parent, {"metrics": metrics, "parameters": [DOUBLE]})
    for accuracy, latency in ((0.9, 30), (0.8, 10), (0.7, 20), (0.95, 50)):
        pair = [{"metric_id": "accuracy", "value": accuracy}, {"metric_id": "latency", "value": latency}]
        grpc.complete_trial(request={"name": one(grpc, study).name, "final_measurement": {"metrics": pair}})
    optimal = grpc.list_optimal_trials(request={"parent": study.name}).optimal_trials
    assert [trial.id for trial in optimal] == ["1", "2", "4"]
    with pytest.raises(exceptions.InvalidArgument, match=r"latency.*missing"):
        complete(grpc, one(grpc, study), 0.5)


def test_conditional_parameters(grpc, parent: str) -> None:
    child = {
        "parent_categorical_values": {"values": ["b"]},
        "parameter_spec": {
            **INTEGER,
            "conditional_parameter_specs": [
                {"parent_int_values": {"values": list(range(1, 33))}, "parameter_spec": DISCRETE}
            ],
        },
    }
    study = create(grpc, parent, spec({**CATEGORICAL, "conditional_parameter_specs": [child]}))
    for trial in suggest(grpc, study, 12).trials:
        point = values(trial)
        assert ("units" in point) == (point["kind"] == "b")
        assert ("batch" in point) == (point.get("units", 99) <= 32)


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"max_num_trials": 3}, 3),
        ({"maximum_runtime_constraint": {"max_duration": timedelta(0)}}, 0),
        ({"maximum_runtime_constraint": {"max_duration": timedelta(0)}, "min_num_trials": 2}, 2),
        ({"max_num_trials_no_progress": 2}, 3),
        ({}, 5),
    ],
)
def test_studies_end_by_their_stopping_config(grpc, parent: str, config: dict[str, Any], count: int) -> None:
    study = create(grpc, parent, spec(study_stopping_config=config))
    found = 0
    for index in range(5):
        trials = suggest(grpc, study, 1).trials
        found += len(trials)
        for trial in trials:
            complete(grpc, trial, -index)
    assert found == count
    ended = types.Study.State.COMPLETED if count < 5 else types.Study.State.ACTIVE
    assert grpc.get_study(name=study.name).state == ended


def wrong(parameter: dict[str, Any], kind: str, **fields: Any) -> dict[str, Any]:
    return {**parameter, kind: {**parameter[kind], **fields}}


@pytest.mark.parametrize(
    ("study_spec", "field"),
    [
        ({"metrics": [], "parameters": [DOUBLE]}, r"study\.study_spec\.metrics"),
        ({"metrics": [ACCURACY]}, r"study_spec\.parameters.*empty"),
        ({"metrics": [ACCURACY, ACCURACY], "parameters": [DOUBLE]}, r"metrics\[1\]\.metric_id.*twice"),
        ({"metrics": [{"metric_id": "a b"}], "parameters": [DOUBLE]}, r"metrics\[0\]\.metric_id"),
        (spec(DOUBLE, DOUBLE), r"parameters\[1\]\.parameter_id.*'rate'"),
        (spec({"parameter_id": "x"}), r"parameters\[0\]"),
        (spec(wrong(DOUBLE, "double_value_spec", min_value=2)), r"parameters\[0\]\.double_value_spec\.min_value.*2"),
        (spec(wrong(INTEGER, "integer_value_spec", min_value=65)), r"integer_value_spec\.min_value.*65"),
        (spec(wrong(DOUBLE, "double_value_spec", min_value=0)), r"double_value_spec\.min_value.*UNIT_LOG_SCALE"),
        (spec(wrong(DOUBLE, "double_value_spec", max_value=float("inf"))), r"double_value_spec\.max_value"),
        (spec(wrong(DOUBLE, "double_value_spec", default_value=2)), r"double_value_spec\.default_value"),
        (spec({**wrong(DISCRETE, "discrete_value_spec", values=[0, 1]), "scale_type": 3}), r"discrete_value_spec\.val"),
        (spec(wrong(DISCRETE, "discrete_value_spec", values=[])), r"discrete_value_spec\.values"),
        (spec(wrong(DISCRETE, "discrete_value_spec", values=[2, 1])), r"discrete_value_spec\.values.*increasing"),
        (spec(wrong(CATEGORICAL, "categorical_value_spec", values=[])), r"categorical_value_spec\.values"),
        (spec(wrong(CATEGORICAL, "categorical_value_spec", values=["a", "a"])), r"categorical_value_spec\.values"),
        (spec({**CATEGORICAL, "scale_type": 1}), r"parameters\[0\]\.scale_type"),
        (spec(DOUBLE, algorithm=2), r"study_spec\.algorithm.*'rate' is DOUBLE"),
        (spec(convex_automated_stopping_spec={"max_step_count": -1}), r"max_step_count"),
    ],
)
def test_specs_that_are_refused(grpc, parent: str, study_spec: dict[str, Any], field: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=field):
        create(grpc, parent, study_spec)


@pytest.mark.parametrize(
    ("parameter", "children", "field"),
    [
        (CATEGORICAL, [{"parameter_spec": INTEGER}], r"conditional_parameter_specs\[0\].*parent_"),
        (CATEGORICAL, [{"parent_int_values": {"values": [1]}, "parameter_spec": INTEGER}], r"parent_int_values"),
        (CATEGORICAL, [{"parent_categorical_values": {"values": ["z"]}, "parameter_spec": INTEGER}], "'z' is no value"),
        (CATEGORICAL, [{"parent_categorical_values": {"values": []}, "parameter_spec": INTEGER}], r"values: required"),
        (CATEGORICAL, [{"parent_categorical_values": {"values": ["a"]}, "parameter_spec": INTEGER}] * 2, "given twice"),
        (CATEGORICAL, [{"parent_categorical_values": {"values": ["a"]}, "parameter_spec": CATEGORICAL}], "given twice"),
        (DOUBLE, [{"parent_discrete_values": {"values": [1]}, "parameter_spec": INTEGER}], "does not fit"),
        (INTEGER, [{"parent_int_values": {"values": [65]}, "parameter_spec": DOUBLE}], "65 is no value"),
    ],
)
def test_conditions_that_are_refused(grpc, parent: str, parameter, children, field: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=field):
        create(grpc, parent, spec({**parameter, "conditional_parameter_specs": children}))


def test_other_bad_input(grpc, parent: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=r"study\.display_name"):
        grpc.create_study(parent=parent, study={"study_spec": spec()})
    study = create(grpc, parent, spec())
    with pytest.raises(exceptions.InvalidArgument, match="suggestion_count"):
        suggest(grpc, study, 0)
    with pytest.raises(exceptions.InvalidArgument, match="client_id"):
        suggest(grpc, study, 1, "")
    with pytest.raises(exceptions.NotFound, match="studies/7"):
        grpc.list_trials(parent=f"{parent}/studies/7")
    with pytest.raises(exceptions.NotFound, match="trials/9"):
        grpc.stop_trial(request={"name": f"{study.name}/trials/9"})
    with pytest.raises(exceptions.InvalidArgument, match="infeasible_reason"):
        grpc.complete_trial(request={"name": one(grpc, study).name, "infeasible_reason": "no"})
    with pytest.raises(exceptions.MethodNotImplemented, match="update_all_stopped_trials"):
        create(grpc, parent, spec(convex_automated_stopping_spec={"update_all_stopped_trials": True}))


def test_defaults_are_the_first_suggestion(grpc, parent: str) -> None:
    with_default = {**INTEGER, "integer_value_spec": {"min_value": 1, "max_value": 64, "default_value": 8}}
    study = create(grpc, parent, spec(DOUBLE, with_default))
    first, second = suggest(grpc, study, 2).trials
    assert values(first) == {"rate": pytest.approx(0.01), "units": 8}
    assert values(second) != values(first)
