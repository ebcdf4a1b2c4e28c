"""Settings: arguments > environment > gcpmlops.toml > gcloud's defaults. Nothing else here reads the environment.

Every value remembers where it came from; `gcpmlops config show` prints both.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from gcpmlops._config_files import credentials_project, gcloud_properties, toml_settings
from gcpmlops.exceptions import ConfigError

_ENVIRONMENT = {  # the first that is set counts
    "project": ("GCPMLOPS_PROJECT", "GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"),
    "location": ("GCPMLOPS_LOCATION", "GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION"),
    "staging_bucket": ("GCPMLOPS_STAGING_BUCKET",),
    "endpoint": ("GCPMLOPS_ENDPOINT",),
    "credentials_file": ("GCPMLOPS_CREDENTIALS_FILE", "GOOGLE_APPLICATION_CREDENTIALS"),
    "quota_project": ("GCPMLOPS_QUOTA_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT"),
    "impersonate_service_account": ("GCPMLOPS_IMPERSONATE_SERVICE_ACCOUNT",),
    "service_account": ("GCPMLOPS_SERVICE_ACCOUNT",),
    "serving_service_account": ("GCPMLOPS_SERVING_SERVICE_ACCOUNT",),
    "retraining_service_account": ("GCPMLOPS_RETRAINING_SERVICE_ACCOUNT",),
    "scheduler_service_account": ("GCPMLOPS_SCHEDULER_SERVICE_ACCOUNT",),
    # AIP_*: Vertex AI tells a job with them which run it belongs to, as full resource names or as ids
    "experiment": ("GCPMLOPS_EXPERIMENT", "AIP_EXPERIMENT_NAME"),
    "experiment_run": ("GCPMLOPS_EXPERIMENT_RUN", "AIP_EXPERIMENT_RUN_NAME"),
    "prices_file": ("GCPMLOPS_PRICES_FILE",),
    "timeout": ("GCPMLOPS_TIMEOUT",),
    "retry_deadline": ("GCPMLOPS_RETRY_DEADLINE",),
}
_GCLOUD = {
    "project": ("core/project",),
    "location": ("ai/region", "compute/region"),
    "quota_project": ("billing/quota_project",),
}
_NOT_A_PROJECT = (
    "CURRENT_PROJECT",
    "LEGACY",
    "CURRENT_PROJECT_WITH_FALLBACK",
)  # gcloud's words for billing/quota_project


@dataclass(frozen=True)
class Config:
    """What every client is made with. `Config.load()` finds the values; the constructor takes them as they are."""

    project: str | None = None
    location: str = "us-central1"
    staging_bucket: str | None = None
    """For code and model files on their way to Vertex AI; without one, PROJECT-vertex-staging-LOCATION is made."""
    endpoint: str | None = None
    """URL of a server that answers for all Google APIs, such as `gcpmlops emulator`; None is Google itself."""
    credentials_file: str | None = None
    quota_project: str | None = None
    impersonate_service_account: str | None = None
    """The service account that all calls are made as; the credentials' owner needs its Token Creator role."""
    service_account: str | None = None
    """The service account that jobs run as, and whatever has none of its own below."""
    serving_service_account: str | None = None
    """The service account that deployed models and batch predictions run as; None: `service_account`."""
    retraining_service_account: str | None = None
    """The service account that the retraining function runs as; None: `service_account`."""
    scheduler_service_account: str | None = None
    """The service account that schedules call the retraining function as; None: `service_account`."""
    experiment: str | None = None
    """The experiment that runs belong to where none is named."""
    experiment_run: str | None = None
    """The run that goes on where none is named; a job of an experiment finds its own here."""
    prices_file: str | None = None
    """A JSON file with prices of one's own, put over the package's list prices."""
    timeout: float = 60.0
    """Seconds that one call may take."""
    retry_deadline: float = 60.0
    """Seconds after which idempotent calls are no longer tried again."""
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)

    @classmethod
    def load(
        cls, *, environ: Mapping[str, str] | None = None, directory: Path | None = None, **arguments: Any
    ) -> "Config":
        """Find each setting. `environ` and `directory` stand in for the process's own. Raises ConfigError."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for name, value, source in _candidates(environ, directory or Path.cwd(), arguments):
            if name not in values and value not in (None, ""):
                values[name], sources[name] = _typed(name, value, source), source
        if "project" not in values and (found := credentials_project(values.get("credentials_file"))):
            values["project"], sources["project"] = found, "credentials file"
        return cls(**values, sources=MappingProxyType(sources))

    def account_for(self, what: Literal["serving", "retraining", "scheduler"]) -> str | None:
        """The service account for that, `service_account` where it has none of its own."""
        own: str | None = getattr(self, f"{what}_service_account")
        return own or self.service_account

    def require(self, name: str) -> str:
        """The setting, or ConfigError with the three ways to set it."""
        value = getattr(self, name)
        if value:
            return str(value)
        raise ConfigError(
            f"no {name.replace('_', ' ')} is set",
            field=name,
            next_step=f'Pass {name}=, set {_ENVIRONMENT[name][0]}, or write `{name} = "..."` into gcpmlops.toml.',
        )

    def items(self) -> Iterator[tuple[str, Any, str]]:
        """(setting, value, source) for each setting."""
        for name in setting_names():
            yield name, getattr(self, name), self.sources.get(name, "default")


@dataclass(frozen=True)
class Runtime:
    """The job, function or service that this program is part of, as Google tells it by environment variables.

    Attributes:
        service: `service` and `version`, as Error Reporting groups by; empty outside of Google.
        labels: of its log entries.
        resource_type: the monitored resource that its log entries are about.
        resource_labels: which one of them.
    """

    service: Mapping[str, str]
    labels: Mapping[str, str]
    resource_type: str = "global"
    resource_labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, config: Config, *, environ: Mapping[str, str] | None = None) -> "Runtime":
        """Look at the environment; `environ` stands in for the process's own."""
        given = os.environ if environ is None else environ
        project = {"project_id": config.project} if config.project else {}
        for variable, kind, found in _RUNTIMES:
            if given.get(variable):
                service, labels, resource = found(given)
                if "location" in resource:
                    resource["location"] = given.get("CLOUD_ML_REGION") or config.location
                return cls(_set(service), _set(labels), kind, {**project, **_set(resource)})
        return cls({}, {}, "global", project)


_Found = tuple[dict[str, str], dict[str, str], dict[str, str]]  # service, labels, the resource's labels


def _training_job(given: Mapping[str, str]) -> _Found:
    job, trial = given["CLOUD_ML_JOB_ID"], given.get("CLOUD_ML_TRIAL_ID", "")
    labels = {"ml.googleapis.com/job_id": job, "ml.googleapis.com/trial_id": trial}
    return {"service": "training", "version": job}, labels, {"job_id": job, "task_name": _task(given)}


def _task(given: Mapping[str, str]) -> str:
    """`workerpool0-0`: this replica of a job."""
    try:
        task = json.loads(given.get("CLUSTER_SPEC", "")).get("task", {})
        return f"{task['type']}-{task['index']}"
    except (ValueError, KeyError, AttributeError):
        return "workerpool0-0"


def _run_service(given: Mapping[str, str]) -> _Found:
    name, revision = given["K_SERVICE"], given.get("K_REVISION", "")
    resource = {"service_name": name, "revision_name": revision, "location": "-"}
    resource["configuration_name"] = given.get("K_CONFIGURATION", name)
    return {"service": name, "version": revision}, {"function_target": given.get("FUNCTION_TARGET", "")}, resource


def _run_job(given: Mapping[str, str]) -> _Found:
    name, execution = given["CLOUD_RUN_JOB"], given.get("CLOUD_RUN_EXECUTION", "")
    prefix = "run.googleapis.com/"
    labels = {f"{prefix}execution_name": execution, f"{prefix}task_index": given.get("CLOUD_RUN_TASK_INDEX", "")}
    return {"service": name, "version": execution}, labels, {"job_name": name, "location": "-"}


def _deployed_model(given: Mapping[str, str]) -> _Found:
    endpoint, model = given["AIP_ENDPOINT_ID"], given.get("AIP_DEPLOYED_MODEL_ID", "")
    resource = {"endpoint_id": endpoint, "location": "-"}
    return {"service": f"endpoint-{endpoint}", "version": model}, {"deployed_model_id": model}, resource


_RUNTIMES: tuple[tuple[str, str, Callable[[Mapping[str, str]], _Found]], ...] = (  # the first whose variable is set
    ("CLOUD_ML_JOB_ID", "ml_job", _training_job),
    ("CLOUD_RUN_JOB", "cloud_run_job", _run_job),
    ("AIP_ENDPOINT_ID", "aiplatform.googleapis.com/Endpoint", _deployed_model),
    ("K_SERVICE", "cloud_run_revision", _run_service),
)


def _set(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def setting_names() -> list[str]:
    """The settings that may stand in gcpmlops.toml, in the order of `Config`."""
    return [f.name for f in fields(Config) if f.name != "sources"]


def _candidates(
    environ: Mapping[str, str], directory: Path, arguments: Mapping[str, Any]
) -> Iterator[tuple[str, Any, str]]:
    """(setting, value, source), best source first."""
    unknown = set(arguments) - set(setting_names())
    if unknown:
        raise ConfigError(f"unknown setting {min(unknown)!r}", field=min(unknown), allowed=", ".join(setting_names()))
    yield from ((name, value, "argument") for name, value in arguments.items())
    for name, variables in _ENVIRONMENT.items():
        yield from ((name, environ.get(variable), f"environment {variable}") for variable in variables)
    yield from toml_settings(directory, setting_names())
    properties, path = gcloud_properties(environ)
    for name, keys in _GCLOUD.items():
        yield from (
            (name, properties.get(key), f"gcloud {key} ({path})") for key in keys if _usable(properties.get(key))
        )


def _usable(value: str | None) -> bool:
    return value is not None and value not in _NOT_A_PROJECT


def _typed(name: str, value: Any, source: str) -> Any:
    if name in ("timeout", "retry_deadline"):
        return _seconds(name, value, source)
    if not isinstance(value, (str, Path)):
        raise ConfigError(f"{source}: {name} must be text, not {value!r}", field=name, value=value)
    text = str(value)
    if name == "staging_bucket":
        return text.removeprefix("gs://").rstrip("/")
    if name == "endpoint":
        return _endpoint(text, source)
    return text


def _seconds(name: str, value: Any, source: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if seconds <= 0 or isinstance(value, bool):
        raise ConfigError(
            f"{source}: {name} is {value!r}", field=name, value=value, allowed="a number of seconds above 0"
        )
    return seconds


def _endpoint(text: str, source: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(
            f"{source}: endpoint is {text!r}",
            field="endpoint",
            value=text,
            allowed="a URL such as http://127.0.0.1:9000",
        )
    return text.rstrip("/")
