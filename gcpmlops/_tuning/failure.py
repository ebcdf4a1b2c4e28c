"""Why a search failed: the service's reason, what its trials said, and which metrics they reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gcpmlops import _google
from gcpmlops._tuning.trials import Trial
from gcpmlops.exceptions import GcpMlopsError, JobCancelled, JobFailed

if TYPE_CHECKING:
    from gcpmlops._tuning.job import TuningJob

TAIL = 20


def failure(job: TuningJob, log_of: Callable[[Trial], Sequence[str]]) -> JobFailed | None:
    """JobFailed or JobCancelled for a search that ended without success; None after success."""
    states = _google.job_state.JobState
    if job.state == states.JOB_STATE_SUCCEEDED:
        return None
    kind = JobCancelled if job.state == states.JOB_STATE_CANCELLED else JobFailed
    failed = [trial for trial in job.trials if trial.state.name == "INFEASIBLE"]
    reason = str(job.proto.error.message) or ("cancelled" if kind is JobCancelled else "no reason given")
    parts = [f"{job.display_name} ({job.name}) ended {job.state.name}: {reason}"]
    if kind is JobFailed:
        parts += [*_reasons(failed, reason), *_metrics(job, reason)]
    return kind(
        "\n".join(parts),
        job=job.name,
        state=job.state.name,
        cause=_commonest(failed) or reason,
        log_tail=_tail(failed, log_of) if kind is JobFailed else (),
        next_step=f"Its trials: `gcpmlops tuning trials {job.id}`; a trial's log: "
        f"`gcpmlops tuning logs {job.id} --trial N`.",
    )


def _reasons(failed: list[Trial], known: str) -> list[str]:
    counted = Counter(trial.reason for trial in failed if trial.reason)
    return [f"{count} x {text}" for text, count in counted.most_common(3) if text not in known]


def _commonest(failed: list[Trial]) -> str:
    counted = Counter(trial.reason for trial in failed if trial.reason)
    return counted.most_common(1)[0][0] if counted else ""


def _metrics(job: TuningJob, known: str) -> list[str]:
    """The names that were reported, where one that is searched for is not among them and the service doesn't say so."""
    wanted, reported = set(job.goals), {name for trial in job.trials for name in trial.reported}
    if not job.trials.ended() or wanted <= reported or all(name in known for name in wanted | reported):
        return []
    names = ", ".join(sorted(reported)) or "none"
    return [f"Searched for: {', '.join(sorted(wanted))}; reported: {names}."]


def _tail(failed: list[Trial], log_of: Callable[[Trial], Sequence[str]]) -> Sequence[str]:
    """The last lines of the last trial that failed; the reason counts more than they do."""
    if not failed:
        return []
    try:
        return log_of(failed[-1])
    except GcpMlopsError as exc:
        return [f"(its log cannot be read: {exc.message})"]
