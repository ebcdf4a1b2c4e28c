"""Vertex AI Vizier with Google's SDK and google-vizier. Arguments: transports of the SDK."""

import sys
import uuid

from google.cloud import aiplatform
from google.cloud.aiplatform.vizier import Study, pyvizier


def problem() -> pyvizier.StudyConfig:
    config = pyvizier.StudyConfig()
    config.algorithm = pyvizier.Algorithm.RANDOM_SEARCH
    config.automated_stopping_config = pyvizier.AutomatedStoppingConfig.median_automated_stopping_config(use_steps=True)
    goal = pyvizier.ObjectiveMetricGoal.MAXIMIZE
    config.metric_information.append(pyvizier.MetricInformation(name="accuracy", goal=goal))
    root = config.search_space.select_root()
    root.add_float_param("rate", 0.0001, 1.0, scale_type=pyvizier.ScaleType.LOG)
    root.add_int_param("units", 1, 64)
    root.add_discrete_param("batch", [16, 32, 64])
    root.add_categorical_param("kind", ["a", "b"])
    return config


def evaluate(study: Study) -> None:
    trials = study.suggest(count=3, worker="w")
    assert [trial.uid for trial in trials] == [1, 2, 3]
    for number, trial in enumerate(trials):
        assert set(trial.parameters) == {"rate", "units", "batch", "kind"}, trial.parameters
        for step in (1, 2):
            measurement = pyvizier.Measurement(steps=step, elapsed_secs=step)
            measurement.metrics["accuracy"] = 0.1 * number + 0.01 * step
            trial.add_measurement(measurement=measurement)
        assert not trial.should_stop()
        final = trial.complete()
        assert final.metrics["accuracy"].value == 0.1 * number + 0.02, final
    (best,) = study.optimal_trials()
    assert best.uid == 3
    assert trials[0].status.name == "COMPLETED", trials[0].status
    assert len(study.trials()) == 3
    (again,) = study.suggest(count=1, worker="w")
    again.complete(infeasible_reason="no memory")
    assert study.get_trial(4).materialize().infeasible
    again.delete()


for transport in sys.argv[1:]:
    aiplatform.init(location="us-central1", api_transport=transport)
    name = f"study-{uuid.uuid4().hex[:10]}"
    study = Study.create_or_load(display_name=name, problem=problem())
    if transport == "grpc":  # over REST a taken name is a Conflict, which the SDK does not recognise
        assert Study.create_or_load(display_name=name, problem=problem()).resource_name == study.resource_name
    evaluate(study)
    study.delete()
    print("a study over", transport)
