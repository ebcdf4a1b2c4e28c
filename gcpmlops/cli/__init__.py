"""The `gcpmlops` command. Groups are loaded when they are used, so that `gcpmlops --help` imports click alone."""

import click

from gcpmlops._version import __version__
from gcpmlops.cli._lazy import LazyGroup

COMMANDS = {  # name: (where it is, its line in --help)
    "batch-predictions": (
        "gcpmlops.cli.batch_predictions:batch_predictions",
        "Batch predictions of Vertex AI: files and tables.",
    ),
    "bigquery": ("gcpmlops.cli.bigquery:bigquery", "Datasets, tables, loads, queries and data checks of BigQuery."),
    "builds": ("gcpmlops.cli.builds:builds", "Cloud Build: builds and their logs, triggers."),
    "cicd": (
        "gcpmlops.cli.cicd:cicd",
        "Continuous delivery: one definition, rendered for four platforms and run step by step.",
    ),
    "completion": ("gcpmlops.cli.completion:completion", "Print the shell's completion script."),
    "config": ("gcpmlops.cli.config:config", "Settings, and where each comes from."),
    "containers": (
        "gcpmlops.cli.containers:containers",
        "Dockerfiles of training and serving images, Kubernetes manifests for GKE.",
    ),
    "demo": ("gcpmlops.cli.demo:demo", "The whole life cycle on real data, from a CSV file to a prediction."),
    "doctor": (
        "gcpmlops.cli.project:doctor",
        "Say what keeps the planned actions from working, and who can mend it how. Exit code 1 where something does.",
    ),
    "down": (
        "gcpmlops.cli.project:down",
        "Take down what `gcpmlops init` made, known by its labels. APIs stay enabled, models and jobs stay.",
    ),
    "drift": ("gcpmlops.cli.drift:drift", "Skew and drift of data: features that moved, and broken feeds."),
    "emulator": ("gcpmlops.cli.emulator:emulator", "The local Google Cloud."),
    "endpoints": ("gcpmlops.cli.endpoints:endpoints", "Endpoints of Vertex AI: deployments, traffic, predictions."),
    "evaluation": ("gcpmlops.cli.evaluation:evaluation", "Metrics, comparisons, gates and reports of models."),
    "experiments": (
        "gcpmlops.cli.experiments:experiments",
        "Experiments of Vertex AI: runs, metrics, comparisons.",
    ),
    "feedback": ("gcpmlops.cli.feedback:feedback", "Predictions joined with later outcomes: quality over time."),
    "functions": ("gcpmlops.cli.functions:functions", "Cloud Functions: deployed from a folder, called, listed."),
    "init": (
        "gcpmlops.cli.project:init",
        "Set a project up: APIs, service accounts with the least roles, buckets, datasets, gcpmlops.toml.",
    ),
    "logs": ("gcpmlops.cli.logs:logs", "Cloud Logging: entries, log-based metrics, sinks."),
    "models": ("gcpmlops.cli.models:models", "Models, versions and aliases of the Vertex AI registry."),
    "monitoring": (
        "gcpmlops.cli.monitoring:monitoring",
        "Metrics, alerts, channels, incidents and dashboards of Cloud Monitoring.",
    ),
    "notebooks": ("gcpmlops.cli.notebooks:notebooks", "Vertex AI Workbench: instances that run JupyterLab."),
    "retraining": ("gcpmlops.cli.retraining:retraining", "Retraining: triggers, cases to decide, one timeline."),
    "scheduler": (
        "gcpmlops.cli.scheduler:scheduler",
        "Jobs of Cloud Scheduler: calls and messages at the times of a schedule.",
    ),
    "storage": ("gcpmlops.cli.storage:storage", "Buckets and objects of Cloud Storage."),
    "training": ("gcpmlops.cli.training:training", "Custom training jobs of Vertex AI."),
    "tuning": ("gcpmlops.cli.tuning:tuning", "Hyperparameter tuning jobs of Vertex AI."),
}


@click.group(
    name="gcpmlops",
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start here, without an account:  gcpmlops demo",
)
@click.version_option(__version__, prog_name="gcpmlops")
def root() -> None:
    """The machine-learning life cycle on Google Cloud.

    Settings come from options, the environment, gcpmlops.toml and gcloud, in this order: `gcpmlops config show`.
    """


def main() -> None:
    """Entry point of the console script. Exit codes: 0 ok, 1 failure, 2 wrong usage."""
    root(prog_name="gcpmlops")
