"""Why a job failed: the line that most likely says so, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gcpmlops import _google
from gcpmlops._jobs.logs import JobLogs, LogLine
from gcpmlops._waiting import group_of
from gcpmlops.exceptions import JobCancelled, JobFailed

_READ = 200
_TAIL = 20
_EXIT = re.compile(r"(?:exit(?:ed)?|non-zero)[^.\d]{0,40}?(?:status|code)?[^.\d]{0,12}(\d+)", re.IGNORECASE)
_COMPLAINT = re.compile(
    r"^\s*(?:error|ERROR)\b|^\S+: error: |can't be installed|No matching distribution|No solution found"
)
_CAUSE = re.compile(r"^\s*(?:[\w.]*(?:Error|Exception|Interrupt|Exit|Warning)\b.*|.*\bNo module named\b.*)$")
_TRACEBACK = "Traceback (most recent call last)"
_REPLICA = re.compile(r"workerpool\d+-\d+")
_ADVICE = (  # pattern in the cause or the reason, what to do; the first that fits counts
    (
        re.compile(r"No module named '?([\w.]+)"),
        "Put what provides {0} into requirements=, or use an image that has it; is {0} yours, give the whole folder.",
    ),
    (
        re.compile(r"can't be installed|No matching distribution|No solution found|subprocess-exited-with-error", re.I),
        "Correct requirements= (or the package's own): the installer's last lines are above.",
    ),
    (
        re.compile(
            r"scheduling\.timeout|\b(?:job|replica)\b.*(?:timed out|timeout)|maximum running time", re.IGNORECASE
        ),
        "Give it more with timeout=SECONDS (--timeout), or less work.",
    ),
    (
        re.compile(r"MemoryError|out of memory|OOM|signal 9|SIGKILL|(?:code|status of) (?:137|-9)\b", re.I),
        "It may have run out of memory: a larger machine_type=, or smaller batches.",
    ),
    (
        re.compile(r"unrecognized arguments|arguments are required|invalid choice|invalid \w+ value"),
        "The script refuses its arguments: args={{...}}; `gcpmlops training preflight` finds this before a job starts.",
    ),
    (
        re.compile(r"\b404\b|NotFound\b|No such (?:file|object)|does not exist"),
        "Something that the script reads is not there: check its gs:// paths and tables.",
    ),
    (
        re.compile(r"\b403\b|PermissionDenied|Forbidden\b|does not have .* access"),
        "The job's service account may not do this: service_account=, or a role for it.",
    ),
)


def failure(job: Any, logs: JobLogs) -> JobFailed | None:
    """JobFailed or JobCancelled for a job that ended without success, with its last log lines; None after success."""
    states = _google.job_state.JobState
    if job.state == states.JOB_STATE_SUCCEEDED:
        return None
    cancelled = job.state == states.JOB_STATE_CANCELLED
    reason = job.error.message or ("cancelled" if cancelled else "no reason given")
    tail = _last(_of_the_failed(logs.last(_READ), reason))
    cause = _cause([*tail, *reason.splitlines()]) or reason.splitlines()[0]
    exit_code = int(match.group(1)) if (match := _EXIT.search(reason)) else None
    kind = JobCancelled if cancelled else JobFailed
    return kind(
        f"{job.display_name} ({job.name}) ended {job.state.name}: {reason}",
        job=job.name,
        state=job.state.name,
        exit_code=exit_code,
        cause=cause,
        log_tail=tail,
        next_step=f"{'' if cancelled else _advice(cause, reason)}{_all_of_it(job.name)}",
    )


def _all_of_it(name: str) -> str:
    return f"All of its log: `gcpmlops {group_of(name)} logs {name.rpartition('/')[2]}`."


def _advice(cause: str, reason: str) -> str:
    for text in (cause, reason):
        for pattern, words in _ADVICE:
            if match := pattern.search(text):
                return f"{words.format(*match.groups())}\n"
    return ""


def _cause(lines: Sequence[str]) -> str:
    """What the last traceback ends with; else the last line that names an exception, or an installer's complaint."""
    traceback = [n for n, line in enumerate(lines) if line.startswith(_TRACEBACK)]
    if traceback:
        found = next((line for line in lines[traceback[-1] + 1 :] if line.strip() and not line[0].isspace()), "")
        if found:
            return found.strip()
    for pattern in (_CAUSE, _COMPLAINT):
        found = next((line.strip() for line in reversed(lines) if pattern.search(line)), "")
        if found:
            return found
    return ""


def _of_the_failed(lines: Sequence[LogLine], reason: str) -> Sequence[LogLine]:
    """Of several replicas the lines of the one that the reason names."""
    failed = _REPLICA.search(reason)
    own = [line for line in lines if failed and line.task == failed[0]]
    return own or lines


def _last(lines: Sequence[LogLine]) -> list[str]:
    """The program's last lines, from the start of the last traceback where there is one."""
    split = [part for line in lines for part in line.text.splitlines() if line.task != "service"]
    start = max((n for n, line in enumerate(split) if line.startswith(_TRACEBACK)), default=None)
    if start is not None and len(split) - start <= 3 * _TAIL:
        return split[start:]
    return split[-_TAIL:]
