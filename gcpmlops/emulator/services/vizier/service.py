"""google.cloud.aiplatform.v1.VizierService: studies, whose trials a client evaluates itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import names, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.search.space import Point
from gcpmlops.emulator.services.vizier import conversion, early_stopping, measurements, specs, study_ends
from gcpmlops.emulator.services.vizier.study_rows import LOCATION, StudyRows, check_open, search_of
from gcpmlops.emulator.services.vizier.suggestions import Suggestions

_State: Any = types.Trial.State
_StudyState: Any = types.Study.State
_NOT_MEASURED = "The trial was completed without a measurement of every metric."


class VizierService(Service):
    """Suggestions come from the engine in `runtimes/search`; one lock for each study keeps its trials in step.

    Operations are done when they are returned: a client would otherwise wait a second before it looks again.
    """

    proto = "google.cloud.aiplatform.v1.VizierService"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows = StudyRows(context)

    def create_study(self, request: types.CreateStudyRequest) -> types.Study:
        names.parse(LOCATION, request.parent)
        validate.require(request, "study.display_name")
        specs.check(request.study.study_spec, "study.study_spec")
        with self.locks(f"{request.parent}/studies"):
            taken = self._rows.named(request.parent, request.study.display_name)
            if taken is not None:
                what = f"A study with display name {taken.display_name!r} already exists: {taken.name}."
                raise exceptions.AlreadyExists(what)
            study = types.Study(
                name=f"{request.parent}/studies/{names.new_id()}",
                display_name=request.study.display_name,
                study_spec=request.study.study_spec,
                state=_StudyState.ACTIVE,
                create_time=self.clock.now(),
            )
            created: types.Study = self._rows.studies.insert(study.name, study, parent=request.parent)
        return created

    def get_study(self, request: types.GetStudyRequest) -> types.Study:
        return self._rows.study(request.name)

    def list_studies(self, request: types.ListStudiesRequest) -> types.ListStudiesResponse:
        """Newest first."""
        names.parse(LOCATION, request.parent)
        items, token = paging.page(list(reversed(self._rows.studies.list(request.parent))), request)
        return types.ListStudiesResponse(studies=items, next_page_token=token)

    def lookup_study(self, request: types.LookupStudyRequest) -> types.Study:
        names.parse(LOCATION, request.parent)
        validate.require(request, "display_name")
        found = self._rows.named(request.parent, request.display_name)
        if found is None:
            raise exceptions.NotFound(f"Study with display name {request.display_name!r} is not found.")
        return found

    def delete_study(self, request: types.DeleteStudyRequest) -> empty_pb2.Empty:
        with self.locks(request.name):
            self._rows.delete_study(request.name)
        return empty_pb2.Empty()

    def suggest_trials(self, request: types.SuggestTrialsRequest) -> operations_pb2.Operation:
        """Active trials of the same client come first, then requested ones, then new ones."""
        study = self._rows.study(request.parent)
        validate.require(request, "client_id")
        if request.suggestion_count < 1:
            raise validate.invalid("suggestion_count", f"{request.suggestion_count} is not positive.")
        if len(request.contexts) not in (0, request.suggestion_count):
            what = f"{len(request.contexts)} contexts for {request.suggestion_count} suggestions."
            raise validate.invalid("contexts", what)
        space = search_of(study).space
        contexts: list[Point] = [
            conversion.point_of(context.parameters, space, f"contexts[{index}].parameters")
            for index, context in enumerate(request.contexts)
        ] or [{} for _ in range(request.suggestion_count)]
        metadata = types.SuggestTrialsMetadata(client_id=request.client_id)
        started = self.clock.now()
        response = self._suggest(study.name, request.client_id, contexts, started)
        return self.operations.finished(parent=study.name, metadata=metadata, response=response)

    def _suggest(
        self, name: str, client_id: str, contexts: list[Point], started: datetime
    ) -> types.SuggestTrialsResponse:
        with self.locks(name):
            study = self._rows.study(name)
            over = study_ends.over(study, self._rows.trials(name), self.clock.now())
            is_open = study.state == _StudyState.ACTIVE and not over
            suggestions = Suggestions(self._rows, study, client_id, self.clock.now(), open=is_open)
            found = [trial for context in contexts if (trial := suggestions.find(context)) is not None]
            if study.state == _StudyState.ACTIVE and (over or suggestions.exhausted):
                study = self._complete_study(name)
        return types.SuggestTrialsResponse(
            trials=found, study_state=study.state, start_time=started, end_time=self.clock.now()
        )

    def create_trial(self, request: types.CreateTrialRequest) -> types.Trial:
        """A trial of the client's own: REQUESTED, or ended already where it comes with its final measurement."""
        study = self._rows.study(request.parent)
        search = search_of(study)
        given = request.trial
        point = conversion.point_of(given.parameters, search.space, "trial.parameters")
        trial = types.Trial(parameters=conversion.parameters(point), state=_State.REQUESTED)
        trial.start_time = self.clock.now()
        if "final_measurement" in given or given.state == _State.SUCCEEDED:
            measurements.check(given.final_measurement, search.goals, "trial.final_measurement", final=True)
            trial.final_measurement = given.final_measurement
            trial.state, trial.end_time = _State.SUCCEEDED, self.clock.now()
        elif given.state == _State.INFEASIBLE:
            trial.state, trial.end_time = _State.INFEASIBLE, self.clock.now()
            trial.infeasible_reason = given.infeasible_reason
        with self.locks(request.parent):
            return self._rows.add(request.parent, trial)

    def get_trial(self, request: types.GetTrialRequest) -> types.Trial:
        return self._rows.trial(request.name)

    def list_trials(self, request: types.ListTrialsRequest) -> types.ListTrialsResponse:
        """In the order of their numbers."""
        self._rows.study(request.parent)
        items, token = paging.page(self._rows.trials(request.parent), request)
        return types.ListTrialsResponse(trials=items, next_page_token=token)

    def delete_trial(self, request: types.DeleteTrialRequest) -> empty_pb2.Empty:
        self._rows.delete_trial(request.name)
        return empty_pb2.Empty()

    def add_trial_measurement(self, request: types.AddTrialMeasurementRequest) -> types.Trial:
        """Steps and elapsed time together order the measurements; none may stand twice."""
        trial = self._rows.trial(request.trial_name)
        study = self._study_of(trial.name)
        measurements.check(request.measurement, conversion.goals(study.study_spec), "measurement", final=False)

        def change(row: types.Trial) -> None:
            check_open(row)
            measurement = types.Measurement(request.measurement)
            if "elapsed_duration" not in measurement:
                measurement.elapsed_duration = self.clock.now() - row.start_time
            if measurements.order(measurement) in map(measurements.order, row.measurements):
                what = "the trial has a measurement of this step_count and elapsed_duration already."
                raise validate.invalid("measurement", what)
            row.measurements = measurements.place([*row.measurements, measurement])

        return self._rows.change(trial.name, change)

    def complete_trial(self, request: types.CompleteTrialRequest) -> types.Trial:
        """Without a final measurement one of those before becomes it; a trial without any is INFEASIBLE."""
        trial = self._rows.trial(request.name)
        spec = self._study_of(trial.name).study_spec
        if request.infeasible_reason and not request.trial_infeasible:
            raise validate.invalid("infeasible_reason", "is for trials with trial_infeasible only.")
        given = "final_measurement" in request and not request.trial_infeasible
        if given:
            measurements.check(request.final_measurement, conversion.goals(spec), "final_measurement", final=True)

        def change(row: types.Trial) -> None:
            check_open(row)
            row.end_time = self.clock.now()
            final = request.final_measurement if given else None
            if not given and not request.trial_infeasible:
                final = measurements.select(row.measurements, conversion.goals(spec), spec.measurement_selection_type)
            if final is None:
                row.state = _State.INFEASIBLE
                row.infeasible_reason = request.infeasible_reason if request.trial_infeasible else _NOT_MEASURED
            else:
                row.state = _State.SUCCEEDED
                row.final_measurement = final

        return self._rows.change(trial.name, change)

    def check_trial_early_stopping_state(
        self, request: types.CheckTrialEarlyStoppingStateRequest
    ) -> operations_pb2.Operation:
        trial = self._rows.trial(request.trial_name)
        check_open(trial)
        study = self._study_of(trial.name)
        metadata = types.CheckTrialEarlyStoppingStateMetatdata(study=study.name, trial=trial.name)
        return self.operations.finished(parent=trial.name, metadata=metadata, response=self._judge(study, trial.name))

    def _judge(self, study: types.Study, name: str) -> types.CheckTrialEarlyStoppingStateResponse:
        """A trial that should stop is STOPPING from then on."""
        trial = self._rows.trial(name)
        if trial.state == _State.STOPPING:
            return types.CheckTrialEarlyStoppingStateResponse(should_stop=True)
        verdict = early_stopping.judge(study.study_spec, trial, self._rows.trials(study.name))

        def stop(row: types.Trial) -> None:
            if row.state in (_State.ACTIVE, _State.REQUESTED):
                row.state = _State.STOPPING
                if verdict.predicted is not None:
                    row.measurements = measurements.place([*row.measurements, verdict.predicted])

        if verdict.stop:
            self._rows.change(name, stop)
        return types.CheckTrialEarlyStoppingStateResponse(should_stop=verdict.stop)

    def stop_trial(self, request: types.StopTrialRequest) -> types.Trial:
        def change(row: types.Trial) -> None:
            check_open(row)
            row.state = _State.STOPPING

        return self._rows.change(request.name, change)

    def list_optimal_trials(self, request: types.ListOptimalTrialsRequest) -> types.ListOptimalTrialsResponse:
        """The best trial, or for several objectives the Pareto front; safe trials before others."""
        study = self._rows.study(request.parent)
        trials = self._rows.trials(study.name)
        optimal = search_of(study).optimal([conversion.observation(trial) for trial in trials])
        return types.ListOptimalTrialsResponse(optimal_trials=[trials[index] for index in optimal])

    def _study_of(self, trial: str) -> types.Study:
        return self._rows.study(trial.rpartition("/trials/")[0])

    def _complete_study(self, name: str) -> types.Study:
        """No further suggestions; trials in work are told to stop where the study says so."""
        study: types.Study = self._rows.studies.update(name, lambda row: setattr(row, "state", _StudyState.COMPLETED))
        trials = self._rows.trials(name)
        if study_ends.interrupts(study, trials, self.clock.now()):
            for trial in trials:
                if trial.state == _State.ACTIVE:
                    self._rows.change(trial.name, lambda row: setattr(row, "state", _State.STOPPING))
        return study
