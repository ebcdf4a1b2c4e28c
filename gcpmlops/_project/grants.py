"""Who needs which role on what, for which planned action: the least that works, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

Action = Literal["data", "train", "serve", "retrain", "alert", "deliver"]
Account = Literal["delivery", "training", "serving", "retraining", "scheduler"]
On = Literal[
    "project", "buckets", "datasets", "repository", "delivery", "training", "serving", "retraining", "scheduler"
]
ACTIONS: tuple[Action, ...] = get_args(Action)

APIS: dict[Action, tuple[str, ...]] = {
    "data": ("bigquerystorage",),
    "train": ("aiplatform", "bigquerystorage", "logging"),
    "serve": ("aiplatform", "logging", "monitoring"),
    "retrain": (
        "aiplatform",
        "bigquerystorage",
        "logging",
        "cloudfunctions",
        "run",
        "cloudbuild",
        "cloudscheduler",
        "artifactregistry",
        "eventarc",
        "pubsub",
        "monitoring",
    ),
    "alert": ("monitoring", "logging", "pubsub"),
    "deliver": ("cloudbuild", "artifactregistry", "logging", "secretmanager"),
}
ALWAYS = (  # the last two: no set-up is without buckets and a dataset
    "serviceusage", "cloudresourcemanager", "iam", "iamcredentials", "storage", "bigquery",
)  # fmt: skip

ACCOUNTS: dict[Account, tuple[tuple[Action, ...], str]] = {
    "delivery": (ACTIONS, "Delivers: loads data, submits jobs, registers and deploys models, wires retraining."),
    "training": (("train", "retrain"), "Training jobs and tuning trials run as it."),
    "serving": (("serve", "retrain"), "Deployed models run as it."),
    "retraining": (("retrain",), "The retraining function runs as it."),
    "scheduler": (("retrain",), "Cloud Scheduler calls the retraining function as it."),
}


RETRAINING_DATASETS = ("feedback", "retraining")  # of client.feedback, and of the runs of client.retraining
COVERS = {"monitoring.editor": "monitoring.viewer"}  # who has the first needs no second, on the same resource


@dataclass(frozen=True)
class Rule:
    """A role that an account has on a kind of resource, for an action.

    Attributes:
        account: who gets it.
        role: Google's predefined role, without `roles/`.
        on: the kind of resource; an account's name is that account: to act as it.
        action: it is needed for this alone; with other actions it is not granted.
        permission: one that the action needs and the role gives: what a refused call names.
        why: for people.
    """

    account: Account
    role: str
    on: On
    action: Action
    permission: str
    why: str


_RULES: tuple[Rule, ...] = (
    Rule("delivery", "storage.objectUser", "buckets", "data", "storage.objects.create", "puts files there"),
    Rule("delivery", "storage.bucketViewer", "buckets", "data", "storage.buckets.get", "finds the buckets"),
    Rule("delivery", "bigquery.jobUser", "project", "data", "bigquery.jobs.create", "loads and queries tables"),
    Rule("delivery", "bigquery.dataEditor", "datasets", "data", "bigquery.tables.create", "makes and fills tables"),
    Rule("delivery", "bigquery.readSessionUser", "project", "data", "bigquery.readsessions.create", "reads tables"),
    Rule("delivery", "aiplatform.user", "project", "train", "aiplatform.customJobs.create", "submits jobs"),
    Rule("delivery", "iam.serviceAccountUser", "training", "train", "iam.serviceAccounts.actAs", "jobs run as it"),
    Rule("delivery", "logging.viewer", "project", "train", "logging.logEntries.list", "follows the logs of jobs"),
    Rule("training", "storage.objectUser", "buckets", "train", "storage.objects.create", "reads data, keeps models"),
    Rule("training", "bigquery.dataViewer", "datasets", "train", "bigquery.tables.getData", "reads training tables"),
    Rule("training", "bigquery.jobUser", "project", "train", "bigquery.jobs.create", "queries training tables"),
    Rule(
        "training", "bigquery.readSessionUser", "project", "train", "bigquery.readsessions.create", "reads tables"
    ),
    Rule("training", "logging.logWriter", "project", "train", "logging.logEntries.create", "writes logs"),
    Rule("delivery", "aiplatform.user", "project", "serve", "aiplatform.endpoints.deploy", "deploys models"),
    Rule("delivery", "iam.serviceAccountUser", "serving", "serve", "iam.serviceAccounts.actAs", "models run as it"),
    Rule("delivery", "monitoring.viewer", "project", "serve", "monitoring.timeSeries.list", "watches a canary"),
    Rule("serving", "storage.objectViewer", "buckets", "serve", "storage.objects.get", "reads the model's files"),
    Rule("serving", "logging.logWriter", "project", "serve", "logging.logEntries.create", "writes logs"),
    Rule(
        "delivery", "cloudfunctions.developer", "project", "retrain", "cloudfunctions.functions.create",
        "deploys the retraining function",
    ),
    Rule("delivery", "cloudscheduler.admin", "project", "retrain", "cloudscheduler.jobs.create", "makes the schedule"),
    Rule(
        "delivery", "iam.serviceAccountUser", "retraining", "retrain", "iam.serviceAccounts.actAs",
        "has the function run as it",
    ),
    Rule(
        "delivery", "iam.serviceAccountUser", "scheduler", "retrain", "iam.serviceAccounts.actAs",
        "has the schedule call as it",
    ),
    Rule(
        "delivery", "pubsub.editor", "project", "retrain", "pubsub.subscriptions.create", "brings the alerts"
    ),
    Rule("scheduler", "run.invoker", "project", "retrain", "run.routes.invoke", "calls the retraining function"),
    Rule("retraining", "aiplatform.user", "project", "retrain", "aiplatform.customJobs.create", "retrains, deploys"),
    Rule("retraining", "cloudscheduler.admin", "project", "retrain", "cloudscheduler.jobs.pause", "goes on by ticks"),
    Rule("retraining", "bigquery.jobUser", "project", "retrain", "bigquery.jobs.create", "looks at fresh data"),
    Rule("retraining", "bigquery.dataEditor", "datasets", "retrain", "bigquery.tables.create", "keeps what it found"),
    Rule("retraining", "storage.objectUser", "buckets", "retrain", "storage.objects.create", "keeps what it did"),
    Rule("retraining", "storage.bucketViewer", "buckets", "retrain", "storage.buckets.get", "finds the buckets"),
    Rule("retraining", "logging.logWriter", "project", "retrain", "logging.logEntries.create", "writes logs"),
    Rule("retraining", "monitoring.viewer", "project", "retrain", "monitoring.timeSeries.list", "watches a canary"),
    Rule("retraining", "monitoring.metricWriter", "project", "retrain", "monitoring.timeSeries.create", "has metrics"),
    Rule(
        "retraining", "iam.serviceAccountUser", "training", "retrain", "iam.serviceAccounts.actAs", "jobs run as it"
    ),
    Rule(
        "retraining", "iam.serviceAccountUser", "serving", "retrain", "iam.serviceAccounts.actAs", "models run as it"
    ),
    Rule("delivery", "monitoring.editor", "project", "alert", "monitoring.alertPolicies.create", "wires the alerts"),
    Rule("delivery", "cloudbuild.builds.editor", "project", "deliver", "cloudbuild.builds.create", "submits builds"),
    Rule(
        "delivery", "iam.serviceAccountUser", "delivery", "deliver", "iam.serviceAccounts.actAs", "has builds run as it"
    ),
    Rule("delivery", "logging.logWriter", "project", "deliver", "logging.logEntries.create", "writes the builds' logs"),
    Rule(
        "delivery", "artifactregistry.writer", "repository", "deliver", "artifactregistry.repositories.uploadArtifacts",
        "pushes images",
    ),
)  # fmt: skip
_UPLOADING: tuple[Action, ...] = ("train", "serve", "retrain", "deliver")  # code, models, functions, builds' sources

RULES: tuple[Rule, ...] = (
    *_RULES,
    *(
        replace(rule, action=action)  # each action may be planned alone
        for action in _UPLOADING
        for rule in _RULES
        if (rule.account, rule.on) == ("delivery", "buckets")
    ),
    *(replace(rule, action="retrain") for rule in _RULES if rule.account in ("training", "serving")),
)
"""All of them. What retraining starts runs as the same accounts as what people start."""
