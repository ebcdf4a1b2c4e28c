"""The only maker of official Google clients: endpoint, credentials, transport, retry, time limits, user agent.

With `Config.endpoint` every client talks to that URL: gRPC in plain text (https: with TLS) and JSON over HTTP, always
with the caller's own bearer token. Without it they talk to Google, Vertex AI at the location's own host. Nothing
outside this module knows which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from gcpmlops import _google
from gcpmlops._version import __version__
from gcpmlops.config import Config
from gcpmlops.exceptions import GcpMlopsError, OperationFailed, translated

if TYPE_CHECKING:
    import google.cloud.bigquery as bigquery
    import google.cloud.storage as storage
    from google.api_core.operation import Operation
    from google.api_core.retry import Retry
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession
    from requests import Response, Session

T = TypeVar("T")
USER_AGENT = f"gcpmlops/{__version__}"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_GAPIC = (
    "jobs", "models", "endpoints", "prediction", "metadata", "tensorboard", "logging", "metrics", "alert_policies",
    "channels", "snoozes", "dashboards", "log_sinks", "log_metrics", "scheduler", "publisher", "subscriber",
    "functions", "run", "service_usage", "billing", "iam", "projects", "artifact_registry", "notebooks", "builds",
)  # fmt: skip
_UNREACHABLE = ("Connection refused", "Failed to establish a new connection", "Name or service not known")


class Clients:
    """Official clients, each made when first asked for and kept."""

    def __init__(self, config: Config, *, credentials: Credentials | None = None) -> None:
        self.config = config
        self._given_credentials = credentials
        self._dedicated: dict[str, _google.PredictionServiceClient] = {}

    @cached_property
    def storage(self) -> storage.Client:
        """Cloud Storage (JSON API)."""
        from google.cloud import storage

        return storage.Client(**self._json_arguments())

    @cached_property
    def bigquery(self) -> bigquery.Client:
        """BigQuery (REST); it finds a job's location from the datasets that the job names."""
        from google.cloud import bigquery

        return bigquery.Client(**self._json_arguments())

    @cached_property
    def jobs(self) -> _google.JobServiceClient:
        """Vertex AI JobService (gRPC)."""
        return self._gapic(_google.JobServiceClient, self._vertex_host)

    @cached_property
    def models(self) -> _google.ModelServiceClient:
        """Vertex AI ModelService (gRPC)."""
        return self._gapic(_google.ModelServiceClient, self._vertex_host)

    @cached_property
    def endpoints(self) -> _google.EndpointServiceClient:
        """Vertex AI EndpointService (gRPC)."""
        return self._gapic(_google.EndpointServiceClient, self._vertex_host)

    @cached_property
    def prediction(self) -> _google.PredictionServiceClient:
        """Vertex AI PredictionService (gRPC)."""
        return self._gapic(_google.PredictionServiceClient, self._vertex_host)

    def prediction_at(self, host: str) -> _google.PredictionServiceClient:
        """Vertex AI PredictionService (gRPC) at a dedicated endpoint's own host."""
        if host not in self._dedicated:
            self._dedicated[host] = self._gapic(_google.PredictionServiceClient, host)
        return self._dedicated[host]

    @cached_property
    def metadata(self) -> _google.MetadataServiceClient:
        """Vertex AI MetadataService (gRPC)."""
        return self._gapic(_google.MetadataServiceClient, self._vertex_host)

    @cached_property
    def tensorboard(self) -> _google.TensorboardServiceClient:
        """Vertex AI TensorboardService (gRPC)."""
        return self._gapic(_google.TensorboardServiceClient, self._vertex_host)

    @cached_property
    def logging(self) -> _google.LoggingServiceV2Client:
        """Cloud Logging LoggingServiceV2 (gRPC)."""
        return self._gapic(_google.LoggingServiceV2Client, "logging.googleapis.com")

    @cached_property
    def metrics(self) -> _google.MetricServiceClient:
        """Cloud Monitoring MetricService (gRPC)."""
        return self._gapic(_google.MetricServiceClient, "monitoring.googleapis.com")

    @cached_property
    def alert_policies(self) -> _google.AlertPolicyServiceClient:
        """Cloud Monitoring AlertPolicyService (gRPC)."""
        return self._gapic(_google.AlertPolicyServiceClient, "monitoring.googleapis.com")

    @cached_property
    def channels(self) -> _google.NotificationChannelServiceClient:
        """Cloud Monitoring NotificationChannelService (gRPC)."""
        return self._gapic(_google.NotificationChannelServiceClient, "monitoring.googleapis.com")

    @cached_property
    def snoozes(self) -> _google.SnoozeServiceClient:
        """Cloud Monitoring SnoozeService (gRPC)."""
        return self._gapic(_google.SnoozeServiceClient, "monitoring.googleapis.com")

    @cached_property
    def dashboards(self) -> _google.DashboardsServiceClient:
        """Cloud Monitoring DashboardsService (gRPC)."""
        return self._gapic(_google.DashboardsServiceClient, "monitoring.googleapis.com")

    @cached_property
    def log_sinks(self) -> _google.ConfigServiceV2Client:
        """Cloud Logging ConfigServiceV2 (gRPC)."""
        return self._gapic(_google.ConfigServiceV2Client, "logging.googleapis.com")

    @cached_property
    def log_metrics(self) -> _google.MetricsServiceV2Client:
        """Cloud Logging MetricsServiceV2 (gRPC)."""
        return self._gapic(_google.MetricsServiceV2Client, "logging.googleapis.com")

    @cached_property
    def scheduler(self) -> _google.CloudSchedulerClient:
        """Cloud Scheduler (gRPC)."""
        return self._gapic(_google.CloudSchedulerClient, "cloudscheduler.googleapis.com")

    @cached_property
    def publisher(self) -> _google.PublisherClient:
        """Cloud Pub/Sub Publisher (gRPC)."""
        return self._gapic(_google.PublisherClient, "pubsub.googleapis.com")

    @cached_property
    def subscriber(self) -> _google.SubscriberClient:
        """Cloud Pub/Sub Subscriber (gRPC)."""
        return self._gapic(_google.SubscriberClient, "pubsub.googleapis.com")

    @cached_property
    def functions(self) -> _google.FunctionServiceClient:
        """Cloud Functions FunctionService, v2 (gRPC)."""
        return self._gapic(_google.FunctionServiceClient, "cloudfunctions.googleapis.com")

    @cached_property
    def run(self) -> _google.ServicesClient:
        """Cloud Run Services (gRPC)."""
        return self._gapic(_google.ServicesClient, "run.googleapis.com")

    @cached_property
    def service_usage(self) -> _google.ServiceUsageClient:
        """Service Usage (gRPC)."""
        return self._gapic(_google.ServiceUsageClient, "serviceusage.googleapis.com")

    @cached_property
    def billing(self) -> _google.CloudBillingClient:
        """Cloud Billing (gRPC)."""
        return self._gapic(_google.CloudBillingClient, "cloudbilling.googleapis.com")

    @cached_property
    def iam(self) -> _google.IAMClient:
        """Identity and Access Management: service accounts, roles (gRPC)."""
        return self._gapic(_google.IAMClient, "iam.googleapis.com")

    @cached_property
    def projects(self) -> _google.ProjectsClient:
        """Resource Manager Projects, v3 (gRPC)."""
        return self._gapic(_google.ProjectsClient, "cloudresourcemanager.googleapis.com")

    @cached_property
    def artifact_registry(self) -> _google.ArtifactRegistryClient:
        """Artifact Registry (gRPC)."""
        return self._gapic(_google.ArtifactRegistryClient, "artifactregistry.googleapis.com")

    @cached_property
    def notebooks(self) -> _google.NotebookServiceClient:
        """Vertex AI Workbench NotebookService, v2 (gRPC)."""
        return self._gapic(_google.NotebookServiceClient, "notebooks.googleapis.com")

    @cached_property
    def builds(self) -> _google.CloudBuildClient:
        """Cloud Build (gRPC)."""
        return self._gapic(_google.CloudBuildClient, "cloudbuild.googleapis.com")

    def get_json(self, host: str, path: str, **query: Any) -> Any:
        """GET of a REST method that no official client has; what it answered. Raises google.api_core exceptions."""
        from google.api_core import exceptions as theirs

        base = f"{self.config.endpoint}/{host}" if self.config.endpoint else f"https://{host}"

        def get() -> Any:
            answer = self._session.get(f"{base}/{path}", params=query, timeout=self.config.timeout)
            if answer.status_code >= 400:
                raise theirs.from_http_response(answer)
            return answer.json()

        return self.retry(get)()

    @cached_property
    def _session(self) -> AuthorizedSession:
        from google.auth.transport.requests import AuthorizedSession

        session = AuthorizedSession(self.credentials)
        session.headers["User-Agent"] = USER_AGENT
        return session

    @cached_property
    def retry(self) -> Retry:
        """The retry policy of idempotent calls: jittered exponential back-off, 0.1 s to 10 s, until the deadline."""
        from google.api_core.retry import Retry

        return Retry(
            predicate=is_transient, initial=0.1, maximum=10.0, multiplier=2.0, timeout=self.config.retry_deadline
        )

    @property
    def idempotent(self) -> dict[str, Any]:
        """Keyword arguments for a call that may be repeated."""
        return {"timeout": self.config.timeout, "retry": self.retry}

    @property
    def once(self) -> dict[str, Any]:
        """Keyword arguments for a call that must not be repeated: it may have been done although no answer came."""
        return {"timeout": self.config.timeout, "retry": None}

    @property
    def parent(self) -> str:
        """`projects/PROJECT/locations/LOCATION`. Raises ConfigError without a project."""
        return f"projects/{self.config.require('project')}/locations/{self.config.location}"

    def now(self) -> datetime:
        """The services' time (aware, UTC, to the second), asked for anew by each call.

        It is the Date header of a storage.buckets.list of one bucket, whatever that answers. What a service stamps and
        schedules goes by its own clock, which is not this machine's: compare with this one.
        Raises Unavailable where nothing answers, Unauthenticated without credentials.
        """
        from email.utils import parsedate_to_datetime

        from google.api_core import exceptions as theirs

        connection = self.storage._connection
        url = connection.build_api_url("/b", {"project": self.config.require("project"), "maxResults": 1})
        with translated("the time of Cloud Storage"):
            answer = self.retry(connection.http.get)(url, timeout=self.config.timeout)
            if "Date" not in answer.headers:
                raise theirs.from_http_response(answer)
            return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)

    def finish(self, operation: Operation, *, timeout: float | None, resource: str) -> Any:
        """Wait for a long-running operation (polls from 0.1 s up to 5 s) and return its response.

        Raises OperationFailed with the service's message, DeadlineExceeded after `timeout` seconds.
        """
        from google.api_core import exceptions as theirs
        from google.api_core.future.polling import DEFAULT_POLLING

        polling = DEFAULT_POLLING.with_delay(initial=0.1, maximum=5.0, multiplier=1.2).with_timeout(timeout)
        with translated(resource):
            try:
                return operation.result(timeout=timeout, retry=self.retry, polling=polling)
            except theirs.RetryError:
                raise
            except theirs.GoogleAPICallError as exc:
                if not operation.operation.done:  # the poll itself failed, not what it polls
                    raise
                raise _operation_error(exc, resource) from exc

    @cached_property
    def _vertex_host(self) -> str:
        return f"{self.config.location}-aiplatform.googleapis.com"

    @cached_property
    def credentials(self) -> Credentials:
        """The caller: given, from the key file, or Google's application default; or whom it impersonates.

        Raises Unauthenticated.
        """
        if self._given_credentials is not None:
            return self._given_credentials
        with translated("credentials"):
            found = _find_credentials(self.config)
            target = self.config.impersonate_service_account
            return _impersonated(found, target, self.config) if target else found

    def request(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> Response:
        """One HTTP request to a host of Google's that no client is for: a function's, or that of a signed URL.

        It carries no credentials of its own. `options` are those of requests. Raises requests' exceptions.
        """
        from urllib.parse import urlsplit

        sent, target = dict(headers or {}), urlsplit(url)
        if self.config.endpoint:
            sent["host"] = target.netloc
            url = self.config.endpoint.rstrip("/") + (target.path or "/") + (f"?{target.query}" if target.query else "")
        reply: Response = self._bare_session.request(method, url, headers=sent, **options)
        return reply

    @cached_property
    def _bare_session(self) -> Session:
        import requests

        return requests.Session()

    @cached_property
    def caller(self) -> str:
        """The caller's email: a service account's, or a user's as OpenID Connect has it. Raises Unauthenticated."""
        from gcpmlops._caller import email

        with translated("credentials"):
            return email(self.credentials)

    def close(self) -> None:
        """Close the connections of all clients that were made."""
        for name in ("storage", "bigquery", "_session"):
            if name in vars(self):
                vars(self).pop(name).close()
        for name in _GAPIC:
            if name in vars(self):
                vars(self).pop(name).transport.close()
        if "_bare_session" in vars(self):
            vars(self).pop("_bare_session").close()
        while self._dedicated:
            self._dedicated.popitem()[1].transport.close()

    def _json_arguments(self) -> dict[str, Any]:
        from google.api_core.client_info import ClientInfo

        options: dict[str, Any] = {"quota_project_id": self.config.quota_project}
        if self.config.endpoint:
            options["api_endpoint"] = self.config.endpoint
        return {
            "project": self.config.require("project"),
            "credentials": self.credentials,
            "client_options": options,
            "client_info": ClientInfo(user_agent=USER_AGENT),
        }

    def _gapic(self, client: Callable[..., T], host: str) -> T:
        from google.api_core.gapic_v1.client_info import ClientInfo

        info = ClientInfo(user_agent=USER_AGENT)
        if self.config.endpoint is None:
            options = {"api_endpoint": host, "quota_project_id": self.config.quota_project}
            return client(credentials=self.credentials, client_options=options, client_info=info)
        from gcpmlops._channel import endpoint_channel

        channel = endpoint_channel(self.config.endpoint, self.credentials, host=host)
        transport = client.get_transport_class("grpc")  # type: ignore[attr-defined]
        return client(transport=transport(channel=channel, client_info=info), client_info=info)


def _find_credentials(config: Config) -> Credentials:
    import warnings

    import google.auth

    arguments: dict[str, Any] = {"scopes": _SCOPES, "quota_project_id": config.quota_project}
    if not config.credentials_file:
        return google.auth.default(**arguments)[0]
    with warnings.catch_warnings():
        # google-auth warns that a file from strangers may name a strange token server; this one is the user's setting.
        warnings.simplefilter("ignore", DeprecationWarning)
        loaded = google.auth.load_credentials_from_file(config.credentials_file, **arguments)
    return loaded[0]  # type: ignore[no-any-return]


def _impersonated(source: Credentials, target: str, config: Config) -> Credentials:
    """Tokens of another service account (iamcredentials generateAccessToken), got with one's own."""
    from google.auth import impersonated_credentials

    base = f"{config.endpoint}/iamcredentials.googleapis.com" if config.endpoint else None
    override = f"{base}/v1/projects/-/serviceAccounts/{target}:generateAccessToken" if base else None
    made: Credentials = impersonated_credentials.Credentials(
        source, target, _SCOPES, quota_project_id=config.quota_project, iam_endpoint_override=override
    )
    return made


def is_transient(exc: BaseException) -> bool:
    """UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED and a broken connection; not a port where nothing listens."""
    from google.api_core import exceptions as theirs

    if any(text in str(exc) for text in _UNREACHABLE):
        return False
    if isinstance(exc, (theirs.ServiceUnavailable, theirs.TooManyRequests, theirs.GatewayTimeout)):
        return True
    import requests

    return isinstance(exc, (requests.ConnectionError, requests.Timeout))


def _operation_error(exc: Any, resource: str) -> GcpMlopsError:
    """Keeps NotFound, InvalidArgument and the like; anything else that ended the operation is OperationFailed."""
    from gcpmlops._translate import translate

    known = translate(exc, resource)
    if known is not None and type(known) is not GcpMlopsError and not type(known).__name__.startswith("Unavail"):
        return known
    return OperationFailed(f"{resource}: {exc.message}", resource=resource)
