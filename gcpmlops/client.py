"""`Client`: one attribute per module, each loaded when first used."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from gcpmlops.config import Config

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from gcpmlops._retraining.run import Modules
    from gcpmlops.batch_predictions import BatchPredictions
    from gcpmlops.bigquery import BigQuery
    from gcpmlops.builds import Builds
    from gcpmlops.cicd import Cicd
    from gcpmlops.clients import Clients
    from gcpmlops.containers import Containers
    from gcpmlops.drift import Drift
    from gcpmlops.endpoints import Endpoints
    from gcpmlops.evaluation.evaluation import Evaluation
    from gcpmlops.experiments import Experiments
    from gcpmlops.feedback import Feedback
    from gcpmlops.functions import Functions
    from gcpmlops.logs import Logs
    from gcpmlops.models import Models
    from gcpmlops.monitoring import Monitoring
    from gcpmlops.notebooks import Notebooks
    from gcpmlops.project import Project
    from gcpmlops.retraining import Retraining
    from gcpmlops.scheduler import Scheduler
    from gcpmlops.storage import Storage
    from gcpmlops.training import Training
    from gcpmlops.tuning import Tuning


class Client:
    """Everything that gcpmlops does, for one project and location.

    Arguments that are not given come from the environment, gcpmlops.toml or gcloud (see `Config`). Nothing is contacted
    until a method is called.
    """

    def __init__(
        self,
        *,
        project: str | None = None,
        location: str | None = None,
        staging_bucket: str | None = None,
        endpoint: str | None = None,
        credentials: Credentials | None = None,
        config: Config | None = None,
        **settings: Any,
    ) -> None:
        """`credentials` are google.auth credentials; `config` takes the place of all settings. Raises ConfigError."""
        self.config = config or Config.load(
            project=project, location=location, staging_bucket=staging_bucket, endpoint=endpoint, **settings
        )
        self._credentials = credentials

    @cached_property
    def clients(self) -> Clients:
        """The official Google clients that the modules below use."""
        from gcpmlops.clients import Clients

        return Clients(self.config, credentials=self._credentials)

    @cached_property
    def storage(self) -> Storage:
        """Buckets and objects of Cloud Storage."""
        from gcpmlops.storage import Storage

        return Storage(self.clients)

    @cached_property
    def bigquery(self) -> BigQuery:
        """Datasets, tables, loads, queries and data checks."""
        from gcpmlops.bigquery import BigQuery

        return BigQuery(self.clients)

    @cached_property
    def training(self) -> Training:
        """Custom training jobs of Vertex AI."""
        from gcpmlops.training import Training

        return Training(self.clients, self.storage)

    @cached_property
    def tuning(self) -> Tuning:
        """Hyperparameter tuning jobs of Vertex AI."""
        from gcpmlops.tuning import Tuning

        return Tuning(self.clients, self.storage)

    @cached_property
    def experiments(self) -> Experiments:
        """Experiments of Vertex AI: runs, parameters, metrics, time series, artifacts."""
        from gcpmlops.experiments import Experiments

        return Experiments(self.clients, self.storage)

    @cached_property
    def evaluation(self) -> Evaluation:
        """Metrics, intervals, slices, bias, comparisons, gates and reports of models."""
        from gcpmlops.evaluation.evaluation import Evaluation

        return Evaluation(self.bigquery, self.storage)

    @cached_property
    def functions(self) -> Functions:
        """Cloud Functions: deployed from a folder, called, listed."""
        from gcpmlops.functions import Functions

        return Functions(self.clients)

    @cached_property
    def models(self) -> Models:
        """Models, versions and aliases of the Vertex AI registry."""
        from gcpmlops.models import Models

        return Models(self.clients, self.storage)

    @cached_property
    def endpoints(self) -> Endpoints:
        """Endpoints of Vertex AI: deployments, traffic, predictions."""
        from gcpmlops.endpoints import Endpoints

        return Endpoints(self.clients, self.models)

    @cached_property
    def batch_predictions(self) -> BatchPredictions:
        """Batch predictions of Vertex AI: many instances from files or tables to files or tables."""
        from gcpmlops.batch_predictions import BatchPredictions

        return BatchPredictions(self.clients, self.storage, self.bigquery, self.models)

    @cached_property
    def logs(self) -> Logs:
        """A handler for Python's logging; entries, log-based metrics and sinks of Cloud Logging."""
        from gcpmlops.logs import Logs

        return Logs(self.clients)

    @cached_property
    def monitoring(self) -> Monitoring:
        """Metrics, alert policies, channels, incidents and dashboards of Cloud Monitoring."""
        from gcpmlops.monitoring import Monitoring

        return Monitoring(self.clients, self.bigquery)

    @cached_property
    def containers(self) -> Containers:
        """Dockerfiles of training and serving images, Kubernetes manifests for GKE."""
        from gcpmlops.containers import Containers

        return Containers()

    @cached_property
    def notebooks(self) -> Notebooks:
        """Vertex AI Workbench: instances that run JupyterLab."""
        from gcpmlops.notebooks import Notebooks

        return Notebooks(self.clients)

    @cached_property
    def drift(self) -> Drift:
        """Skew and drift of data: features that moved, and broken feeds."""
        from gcpmlops.drift import Drift

        return Drift(self.bigquery, self.storage)

    @cached_property
    def project(self) -> Project:
        """The project's set-up: APIs, service accounts, roles, buckets; made, looked at, taken down."""
        from gcpmlops.project import Project

        return Project(self.clients)

    @cached_property
    def retraining(self) -> Retraining:
        """Retraining by schedules, drift, falling quality, new data and alerts."""
        from gcpmlops._retraining.look import Lookout
        from gcpmlops._retraining.wiring import Wiring
        from gcpmlops.retraining import Retraining

        lookout = Lookout(self.bigquery, self.drift, self.feedback, self.monitoring)
        wiring = Wiring(self.clients, self.functions, self.scheduler, self.monitoring)
        return Retraining(self.clients, self.storage, lookout=lookout, modules=self._modules, parts=wiring)

    @cached_property
    def cicd(self) -> Cicd:
        """Continuous delivery: one definition, rendered for four platforms and run step by step."""
        from gcpmlops.cicd import Cicd

        def modules(**settings: str) -> Modules:
            changed = Client(config=replace(self.config, **settings), credentials=self._credentials)  # type: ignore[arg-type]
            return changed._modules

        return Cicd(self.clients, modules)

    @cached_property
    def _modules(self) -> Modules:
        """Those that train, judge and deploy."""
        from gcpmlops._retraining.run import Modules

        return Modules(
            self.clients, self.bigquery, self.training, self.models, self.batch_predictions, self.evaluation,
            self.endpoints,
        )  # fmt: skip

    @cached_property
    def builds(self) -> Builds:
        """Cloud Build: builds and their logs, triggers."""
        from gcpmlops.builds import Builds

        return Builds(self.clients, self.storage)

    @cached_property
    def feedback(self) -> Feedback:
        """Predictions joined with the outcomes that come later: quality over time."""
        from gcpmlops.feedback import Feedback

        return Feedback(self.clients, self.bigquery, self.endpoints, self.monitoring)

    @cached_property
    def scheduler(self) -> Scheduler:
        """Jobs of Cloud Scheduler: calls and messages at the times of a schedule."""
        from gcpmlops.scheduler import Scheduler

        return Scheduler(self.clients)

    def close(self) -> None:
        """Close all connections; the client may be used again."""
        if "clients" in vars(self):
            self.clients.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client(project={self.config.project!r}, location={self.config.location!r})"
