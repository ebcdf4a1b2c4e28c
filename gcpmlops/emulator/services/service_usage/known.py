"""The APIs that can be enabled: their titles, what they need, and whether somebody has to pay for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownApi:
    """An API.

    Attributes:
        name: aiplatform.googleapis.com.
        title: for people.
        needs: short names of those that are enabled with it, and that cannot be disabled without it.
        billed: it is enabled only where the project has a billing account.
    """

    name: str
    title: str
    needs: tuple[str, ...] = ()
    billed: bool = False


ALWAYS = ("serviceusage", "servicemanagement")  # without these nothing could be enabled; they stay
# What `gcloud projects create` asks for by enabling cloudapis.googleapis.com.
_CLOUD = (
    "bigquery", "bigquerymigration", "bigquerystorage", "cloudtrace", "datastore", "logging", "monitoring",
    "servicemanagement", "serviceusage", "sql-component", "storage", "storage-api", "storage-component",
)  # fmt: skip
_BILLED = (
    ("aiplatform", "Vertex AI API", ()),
    ("apigateway", "API Gateway API", ()),
    ("appengine", "App Engine Admin API", ()),
    ("artifactregistry", "Artifact Registry API", ()),
    ("binaryauthorization", "Binary Authorization API", ()),
    ("cloudbuild", "Cloud Build API", ("artifactregistry", "logging", "pubsub", "storage-api")),
    ("cloudfunctions", "Cloud Functions API", ("artifactregistry", "cloudbuild", "pubsub", "storage-api")),
    ("cloudkms", "Cloud Key Management Service (KMS) API", ()),
    ("cloudscheduler", "Cloud Scheduler API", ()),
    ("cloudtasks", "Cloud Tasks API", ()),
    ("composer", "Cloud Composer API", ("compute", "container")),
    ("compute", "Compute Engine API", ("oslogin",)),
    ("container", "Kubernetes Engine API", ("compute",)),
    ("containeranalysis", "Container Analysis API", ()),
    ("containerregistry", "Container Registry API", ("pubsub", "storage-api")),
    ("containerscanning", "Container Scanning API", ("containeranalysis",)),
    ("dataflow", "Dataflow API", ()),
    ("dataproc", "Cloud Dataproc API", ("compute",)),
    ("documentai", "Cloud Document AI API", ()),
    ("file", "Cloud Filestore API", ()),
    ("language", "Cloud Natural Language API", ()),
    ("ml", "AI Platform Training & Prediction API", ()),
    ("notebooks", "Notebooks API", ("compute",)),
    ("redis", "Google Cloud Memorystore for Redis API", ()),
    ("run", "Cloud Run Admin API", ("artifactregistry",)),
    ("secretmanager", "Secret Manager API", ()),
    ("spanner", "Cloud Spanner API", ()),
    ("speech", "Cloud Speech-to-Text API", ()),
    ("sqladmin", "Cloud SQL Admin API", ()),
    ("translate", "Cloud Translation API", ()),
    ("vision", "Cloud Vision API", ()),
    ("workflows", "Workflows API", ()),
    ("workstations", "Cloud Workstations API", ("compute",)),
)  # fmt: skip
_FREE = (
    ("analyticshub", "Analytics Hub API", ()),
    ("bigquery", "BigQuery API", ("bigquerymigration", "bigquerystorage")),
    ("bigqueryconnection", "BigQuery Connection API", ()),
    ("bigquerydatatransfer", "BigQuery Data Transfer API", ()),
    ("bigquerymigration", "BigQuery Migration API", ()),
    ("bigquerystorage", "BigQuery Storage API", ()),
    ("cloudapis", "Google Cloud APIs", _CLOUD),
    ("cloudasset", "Cloud Asset API", ()),
    ("cloudbilling", "Cloud Billing API", ()),
    ("billingbudgets", "Cloud Billing Budget API", ()),
    ("clouderrorreporting", "Error Reporting API", ()),
    ("cloudprofiler", "Cloud Profiler API", ()),
    ("cloudquotas", "Cloud Quotas API", ()),
    ("cloudresourcemanager", "Cloud Resource Manager API", ()),
    ("cloudtrace", "Cloud Trace API", ()),
    ("datacatalog", "Google Cloud Data Catalog API", ()),
    ("dataform", "Dataform API", ()),
    ("dataplex", "Cloud Dataplex API", ()),
    ("datastore", "Cloud Datastore API", ()),
    ("deploymentmanager", "Cloud Deployment Manager V2 API", ()),
    ("dns", "Cloud DNS API", ()),
    ("eventarc", "Eventarc API", ("pubsub",)),
    ("eventarcpublishing", "Eventarc Publishing API", ()),
    ("firestore", "Cloud Firestore API", ()),
    ("iam", "Identity and Access Management (IAM) API", ()),
    ("iamcredentials", "IAM Service Account Credentials API", ()),
    ("iap", "Cloud Identity-Aware Proxy API", ()),
    ("logging", "Cloud Logging API", ()),
    ("monitoring", "Cloud Monitoring API", ()),
    ("orgpolicy", "Organization Policy API", ()),
    ("oslogin", "Cloud OS Login API", ()),
    ("pubsub", "Cloud Pub/Sub API", ()),
    ("recommender", "Recommender API", ()),
    ("servicecontrol", "Service Control API", ()),
    ("servicemanagement", "Service Management API", ()),
    ("servicenetworking", "Service Networking API", ()),
    ("serviceusage", "Service Usage API", ()),
    ("sourcerepo", "Cloud Source Repositories API", ()),
    ("sql-component", "Cloud SQL", ()),
    ("storage", "Cloud Storage", ()),
    ("storage-api", "Google Cloud Storage JSON API", ()),
    ("storage-component", "Cloud Storage", ()),
    ("storagetransfer", "Storage Transfer API", ()),
    ("sts", "Security Token Service API", ()),
    ("vpcaccess", "Serverless VPC Access API", ()),
)  # fmt: skip

KNOWN: dict[str, KnownApi] = {
    f"{short}.googleapis.com": KnownApi(f"{short}.googleapis.com", title, needs, billed)
    for rows, billed in ((_BILLED, True), (_FREE, False))
    for short, title, needs in rows
}


def with_needs(api: str) -> list[str]:
    """The API after all that it needs, each once."""
    found: dict[str, None] = {}
    for short in KNOWN[api].needs:
        found |= dict.fromkeys(with_needs(f"{short}.googleapis.com"))
    return list(found | {api: None})


def that_need(api: str) -> list[str]:
    """All that cannot be without it, however far."""
    return [name for name in KNOWN if name != api and api in with_needs(name)]
