"""Google's predefined roles that the emulated services need: title, description, and what they give.

A pattern is ``service.collection.verb`` with ``*`` in place of any part; one that begins with ``-`` takes away. They are
matched against the permissions that the emulated services ask for, so that a role here holds nothing that nobody asks.
Source: the roles' reference pages of each API, https://cloud.google.com/iam/docs/roles-permissions.
"""

from __future__ import annotations

_PROJECT = ("resourcemanager.projects.get", "resourcemanager.projects.list")
_TOKENS = (
    "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.implicitDelegation", "iam.serviceAccounts.signBlob", "iam.serviceAccounts.signJwt",
)  # fmt: skip
_READ = ("*.*.get", "*.*.list", "*.*.search*", "*.*.query*", "*.*.fetch*", "*.*.lookup*")
_OBJECT_USER = (
    "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list",
    "storage.objects.update", "storage.objects.restore", "storage.objects.move", "storage.multipartUploads.*",
    "storage.folders.*", "storage.managedFolders.create", "storage.managedFolders.delete", "storage.managedFolders.get",
    "storage.managedFolders.list",
)  # fmt: skip
_OBJECT_VIEWER = (
    "storage.objects.get", "storage.objects.list", "storage.folders.get", "storage.folders.list",
    "storage.managedFolders.get", "storage.managedFolders.list",
)  # fmt: skip
_DATA_VIEWER = (
    "bigquery.datasets.get", "bigquery.datasets.getIamPolicy", "bigquery.tables.get", "bigquery.tables.getData",
    "bigquery.tables.list", "bigquery.tables.export", "bigquery.tables.getIamPolicy", "bigquery.models.get",
    "bigquery.models.getData", "bigquery.models.getMetadata", "bigquery.models.list", "bigquery.routines.get",
    "bigquery.routines.list",
)  # fmt: skip
_DATA_EDITOR = (
    *_DATA_VIEWER, "bigquery.datasets.create", "bigquery.tables.create", "bigquery.tables.delete",
    "bigquery.tables.update", "bigquery.tables.updateData", "bigquery.models.*", "bigquery.routines.create",
    "bigquery.routines.delete", "bigquery.routines.update",
)  # fmt: skip
_READ_SESSIONS = ("bigquery.readsessions.create", "bigquery.readsessions.getData", "bigquery.readsessions.update")
_RUN_DEVELOPER = (
    "run.services.create", "run.services.delete", "run.services.get", "run.services.getIamPolicy", "run.services.list",
    "run.services.update", "run.revisions.*", "run.operations.*", "run.locations.*", "run.jobs.create",
    "run.jobs.delete", "run.jobs.get", "run.jobs.list", "run.jobs.run", "run.jobs.update",
)  # fmt: skip
_FUNCTION_DEVELOPER = (
    "cloudfunctions.functions.call", "cloudfunctions.functions.create", "cloudfunctions.functions.delete",
    "cloudfunctions.functions.get", "cloudfunctions.functions.invoke", "cloudfunctions.functions.list",
    "cloudfunctions.functions.sourceCodeGet", "cloudfunctions.functions.sourceCodeSet",
    "cloudfunctions.functions.update", "cloudfunctions.operations.*", "cloudfunctions.locations.*",
    "cloudfunctions.runtimes.*", *_RUN_DEVELOPER,
)  # fmt: skip
_ARTIFACT_READER = (
    "artifactregistry.repositories.get", "artifactregistry.repositories.list",
    "artifactregistry.repositories.downloadArtifacts", "artifactregistry.repositories.readViaVirtualRepository",
    "artifactregistry.dockerimages.*", "artifactregistry.files.get", "artifactregistry.files.list",
    "artifactregistry.files.download", "artifactregistry.locations.*", "artifactregistry.mavenartifacts.*",
    "artifactregistry.npmpackages.*", "artifactregistry.packages.get", "artifactregistry.packages.list",
    "artifactregistry.pythonpackages.*", "artifactregistry.tags.get", "artifactregistry.tags.list",
    "artifactregistry.versions.get", "artifactregistry.versions.list", "artifactregistry.attachments.get",
    "artifactregistry.attachments.list", "artifactregistry.rules.get", "artifactregistry.rules.list",
    "artifactregistry.projectsettings.get",
)  # fmt: skip
_ARTIFACT_WRITER = (
    *_ARTIFACT_READER, "artifactregistry.repositories.uploadArtifacts", "artifactregistry.tags.create",
    "artifactregistry.tags.update", "artifactregistry.attachments.create", "artifactregistry.files.upload",
    "artifactregistry.packages.update", "artifactregistry.versions.update", "artifactregistry.files.update",
)  # fmt: skip
_LOG_READ = (
    "logging.logEntries.list", "logging.logs.list", "logging.logMetrics.get", "logging.logMetrics.list",
    "logging.sinks.get", "logging.sinks.list", "logging.exclusions.get", "logging.exclusions.list",
    "logging.buckets.get", "logging.buckets.list", "logging.views.get", "logging.views.list", "logging.links.get",
    "logging.links.list", "logging.locations.*", "logging.operations.get", "logging.operations.list",
    "logging.usage.get", "logging.queries.*",
)  # fmt: skip
_BUILD_EDITOR = (
    "cloudbuild.builds.create", "cloudbuild.builds.get", "cloudbuild.builds.list", "cloudbuild.builds.update",
    "cloudbuild.operations.*", "remotebuildexecution.blobs.get", *_PROJECT,
)  # fmt: skip
_METRIC_WRITER = (
    "monitoring.metricDescriptors.create", "monitoring.metricDescriptors.get", "monitoring.metricDescriptors.list",
    "monitoring.monitoredResourceDescriptors.*", "monitoring.timeSeries.create",
)  # fmt: skip
_AIPLATFORM = ("aiplatform.*.*", "-aiplatform.*.setIamPolicy", "-aiplatform.*.getIamPolicy", *_PROJECT)

# role without "roles/": (title, patterns)
PREDEFINED: dict[str, tuple[str, tuple[str, ...]]] = {
    "owner": ("Owner", ("*.*.*", *(f"-{name}" for name in _TOKENS))),
    "editor": (
        "Editor",
        (
            "*.*.*", "-*.*.setIamPolicy", "-resourcemanager.projects.delete", "-resourcemanager.projects.undelete",
            "-iam.roles.create", "-iam.roles.delete", "-iam.roles.update", "-iam.roles.undelete",
            "-secretmanager.versions.access", "-run.routes.invoke", "-cloudbuild.builds.approve",
            "-bigquery.datasets.update", "-bigquery.datasets.delete",
            "-resourcemanager.projects.createBillingAssignment", "-resourcemanager.projects.deleteBillingAssignment",
            *(f"-{name}" for name in _TOKENS),
        ),
    ),
    "viewer": (
        "Viewer",
        (
            *_READ, "*.*.getIamPolicy", "bigquery.tables.getData", "-storage.objects.get", "-storage.objects.list",
            "-storage.buckets.get", "bigquery.jobs.get", "-secretmanager.versions.access", "serviceusage.services.use",
        ),
    ),
    "browser": ("Browser", (*_PROJECT, "resourcemanager.projects.getIamPolicy", "resourcemanager.folders.get", "resourcemanager.folders.list", "resourcemanager.organizations.get")),
    "aiplatform.admin": ("Vertex AI Administrator", ("aiplatform.*.*", *_PROJECT)),
    "aiplatform.user": ("Vertex AI User", _AIPLATFORM),
    "aiplatform.viewer": ("Vertex AI Viewer", ("aiplatform.*.get", "aiplatform.*.list", "aiplatform.*.search*", "aiplatform.*.query*", "aiplatform.tensorboardTimeSeries.read", "aiplatform.tensorboardTimeSeries.batchRead", *_PROJECT)),
    "aiplatform.serviceAgent": (
        "Vertex AI Service Agent",
        (
            "aiplatform.*.*", "storage.objects.*", "storage.buckets.create", "storage.buckets.get",
            "storage.buckets.list", "bigquery.datasets.*", "bigquery.tables.*", "bigquery.jobs.create",
            "bigquery.jobs.get", "bigquery.jobs.list", *_READ_SESSIONS, "logging.logEntries.create",
            "monitoring.timeSeries.create", "artifactregistry.repositories.downloadArtifacts",
            "iam.serviceAccounts.actAs", "iam.serviceAccounts.getAccessToken", "pubsub.topics.publish", *_PROJECT,
            "serviceusage.services.use",
        ),
    ),
    "aiplatform.customCodeServiceAgent": (
        "Vertex AI Custom Code Service Agent",
        (
            *_AIPLATFORM, *_OBJECT_USER, "storage.buckets.create", "storage.buckets.get", "storage.buckets.list",
            *_DATA_EDITOR, "bigquery.jobs.create", "bigquery.jobs.get", "bigquery.jobs.list", *_READ_SESSIONS,
            "logging.logEntries.create", "monitoring.timeSeries.create", "pubsub.topics.publish",
            "artifactregistry.repositories.downloadArtifacts",
        ),
    ),
    "storage.admin": ("Storage Admin", ("storage.*.*", *_PROJECT)),
    "storage.objectAdmin": ("Storage Object Admin", ("storage.objects.*", "storage.multipartUploads.*", "storage.folders.*", "storage.managedFolders.*", *_PROJECT)),
    "storage.objectUser": ("Storage Object User", (*_OBJECT_USER, *_PROJECT)),
    "storage.objectViewer": ("Storage Object Viewer", (*_OBJECT_VIEWER, *_PROJECT)),
    "storage.objectCreator": ("Storage Object Creator", ("storage.objects.create", "storage.multipartUploads.create", "storage.multipartUploads.abort", "storage.multipartUploads.listParts", "storage.folders.create", "storage.managedFolders.create", *_PROJECT)),
    "storage.bucketViewer": ("Storage Bucket Viewer", ("storage.buckets.get", "storage.buckets.list")),
    "storage.hmacKeyAdmin": ("Storage HMAC Key Admin", ("storage.hmacKeys.*", *_PROJECT)),
    "storage.legacyBucketReader": ("Storage Legacy Bucket Reader", ("storage.buckets.get", "storage.objects.list", "storage.multipartUploads.list", "storage.folders.get", "storage.folders.list")),
    "storage.legacyBucketWriter": ("Storage Legacy Bucket Writer", ("storage.buckets.get", "storage.objects.create", "storage.objects.delete", "storage.objects.list", "storage.multipartUploads.*")),
    "storage.legacyBucketOwner": ("Storage Legacy Bucket Owner", ("storage.buckets.get", "storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy", "storage.buckets.update", "storage.objects.create", "storage.objects.delete", "storage.objects.list", "storage.multipartUploads.*")),
    "storage.legacyObjectReader": ("Storage Legacy Object Reader", ("storage.objects.get",)),
    "storage.legacyObjectOwner": ("Storage Legacy Object Owner", ("storage.objects.get", "storage.objects.getIamPolicy", "storage.objects.setIamPolicy", "storage.objects.update")),
    "bigquery.admin": ("BigQuery Admin", ("bigquery.*.*", *_PROJECT)),
    "bigquery.dataOwner": ("BigQuery Data Owner", ("bigquery.datasets.*", "bigquery.tables.*", "bigquery.models.*", "bigquery.routines.*", "bigquery.rowAccessPolicies.*", *_PROJECT)),
    "bigquery.dataEditor": ("BigQuery Data Editor", (*_DATA_EDITOR, *_PROJECT)),
    "bigquery.dataViewer": ("BigQuery Data Viewer", (*_DATA_VIEWER, *_PROJECT)),
    "bigquery.metadataViewer": ("BigQuery Metadata Viewer", ("bigquery.datasets.get", "bigquery.datasets.getIamPolicy", "bigquery.tables.get", "bigquery.tables.list", "bigquery.models.getMetadata", "bigquery.models.list", "bigquery.routines.get", "bigquery.routines.list", *_PROJECT)),
    "bigquery.jobUser": ("BigQuery Job User", ("bigquery.jobs.create", "bigquery.config.get", *_PROJECT)),
    "bigquery.readSessionUser": ("BigQuery Read Session User", (*_READ_SESSIONS, *_PROJECT)),
    "bigquery.user": ("BigQuery User", ("bigquery.datasets.create", "bigquery.datasets.get", "bigquery.datasets.getIamPolicy", "bigquery.jobs.create", "bigquery.jobs.list", "bigquery.tables.list", "bigquery.models.list", "bigquery.routines.list", "bigquery.config.get", *_READ_SESSIONS, *_PROJECT)),
    "logging.admin": ("Logging Admin", ("logging.*.*", *_PROJECT)),
    "logging.viewer": ("Logs Viewer", (*_LOG_READ, *_PROJECT)),
    "logging.privateLogViewer": ("Private Logs Viewer", (*_LOG_READ, "logging.privateLogEntries.list", "logging.views.access", *_PROJECT)),
    "logging.logWriter": ("Logs Writer", ("logging.logEntries.create", "logging.logEntries.route")),
    "logging.configWriter": ("Logs Configuration Writer", ("logging.sinks.*", "logging.logMetrics.*", "logging.exclusions.*", "logging.buckets.*", "logging.views.*", "logging.links.*", "logging.locations.*", "logging.logs.list", *_PROJECT)),
    "monitoring.admin": ("Monitoring Admin", ("monitoring.*.*", *_PROJECT)),
    "monitoring.editor": ("Monitoring Editor", ("monitoring.*.*", "-monitoring.*.setIamPolicy", *_PROJECT)),
    "monitoring.viewer": ("Monitoring Viewer", ("monitoring.*.get", "monitoring.*.list", *_PROJECT)),
    "monitoring.metricWriter": ("Monitoring Metric Writer", _METRIC_WRITER),
    "monitoring.alertPolicyEditor": ("Monitoring AlertPolicy Editor", ("monitoring.alertPolicies.*",)),
    "monitoring.dashboardEditor": ("Monitoring Dashboard Configuration Editor", ("monitoring.dashboards.*",)),
    "monitoring.notificationChannelEditor": ("Monitoring NotificationChannel Editor", ("monitoring.notificationChannels.*",)),
    "cloudscheduler.admin": ("Cloud Scheduler Admin", ("cloudscheduler.*.*", *_PROJECT)),
    "cloudscheduler.jobRunner": ("Cloud Scheduler Job Runner", ("cloudscheduler.jobs.fullView", "cloudscheduler.jobs.run")),
    "cloudscheduler.viewer": ("Cloud Scheduler Viewer", ("cloudscheduler.*.get", "cloudscheduler.*.list", "cloudscheduler.jobs.fullView", *_PROJECT)),
    "cloudscheduler.serviceAgent": ("Cloud Scheduler Service Agent", ("iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken", "logging.logEntries.create", "pubsub.topics.publish")),
    "cloudfunctions.admin": ("Cloud Functions Admin", ("cloudfunctions.*.*", "run.*.*", *_PROJECT)),
    "cloudfunctions.developer": ("Cloud Functions Developer", (*_FUNCTION_DEVELOPER, *_PROJECT)),
    "cloudfunctions.viewer": ("Cloud Functions Viewer", ("cloudfunctions.functions.get", "cloudfunctions.functions.list", "cloudfunctions.operations.*", "cloudfunctions.locations.*", "run.services.get", "run.services.list", *_PROJECT)),
    "cloudfunctions.invoker": ("Cloud Functions Invoker", ("cloudfunctions.functions.invoke",)),
    "cloudfunctions.serviceAgent": ("Cloud Functions Service Agent", (*_RUN_DEVELOPER, "run.services.setIamPolicy", "iam.serviceAccounts.actAs", "iam.serviceAccounts.getAccessToken", "storage.objects.*", "storage.buckets.get", "cloudbuild.builds.create", "cloudbuild.builds.get", "artifactregistry.repositories.*", "pubsub.subscriptions.*", "pubsub.topics.attachSubscription", "pubsub.topics.get", *_PROJECT)),
    "run.admin": ("Cloud Run Admin", ("run.*.*", *_PROJECT)),
    "run.developer": ("Cloud Run Developer", (*_RUN_DEVELOPER, *_PROJECT)),
    "run.invoker": ("Cloud Run Invoker", ("run.routes.invoke", "run.jobs.run")),
    "run.viewer": ("Cloud Run Viewer", ("run.*.get", "run.*.list", "run.services.getIamPolicy", *_PROJECT)),
    "run.serviceAgent": ("Cloud Run Service Agent", ("iam.serviceAccounts.actAs", "iam.serviceAccounts.getAccessToken", "artifactregistry.repositories.downloadArtifacts", "run.routes.invoke", "storage.objects.get")),
    "pubsub.admin": ("Pub/Sub Admin", ("pubsub.*.*", *_PROJECT)),
    "pubsub.editor": ("Pub/Sub Editor", ("pubsub.*.*", "-pubsub.*.setIamPolicy", "-pubsub.*.getIamPolicy", *_PROJECT)),
    "pubsub.publisher": ("Pub/Sub Publisher", ("pubsub.topics.publish",)),
    "pubsub.subscriber": ("Pub/Sub Subscriber", ("pubsub.subscriptions.consume", "pubsub.snapshots.seek", "pubsub.topics.attachSubscription")),
    "pubsub.viewer": ("Pub/Sub Viewer", ("pubsub.*.get", "pubsub.*.list", *_PROJECT)),
    "pubsub.serviceAgent": ("Cloud Pub/Sub Service Agent", ("iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken", "logging.logEntries.create", "storage.objects.create", "bigquery.tables.updateData")),
    "iam.serviceAccountUser": ("Service Account User", ("iam.serviceAccounts.actAs", "iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT)),
    "iam.serviceAccountTokenCreator": ("Service Account Token Creator", (*_TOKENS, "iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT)),
    "iam.serviceAccountOpenIdTokenCreator": ("Service Account OpenID Connect Identity Token Creator", ("iam.serviceAccounts.getOpenIdToken",)),
    "iam.workloadIdentityUser": ("Workload Identity User", ("iam.serviceAccounts.get", "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken", "iam.serviceAccounts.list")),
    "iam.serviceAccountAdmin": ("Service Account Admin", ("iam.serviceAccounts.create", "iam.serviceAccounts.delete", "iam.serviceAccounts.disable", "iam.serviceAccounts.enable", "iam.serviceAccounts.get", "iam.serviceAccounts.getIamPolicy", "iam.serviceAccounts.list", "iam.serviceAccounts.setIamPolicy", "iam.serviceAccounts.undelete", "iam.serviceAccounts.update", *_PROJECT)),
    "iam.serviceAccountCreator": ("Create Service Accounts", ("iam.serviceAccounts.create", "iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT)),
    "iam.serviceAccountDeleter": ("Delete Service Accounts", ("iam.serviceAccounts.delete", "iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT)),
    "iam.serviceAccountViewer": ("View Service Accounts", ("iam.serviceAccounts.get", "iam.serviceAccounts.getIamPolicy", "iam.serviceAccounts.list", "iam.serviceAccountKeys.get", "iam.serviceAccountKeys.list", *_PROJECT)),
    "iam.serviceAccountKeyAdmin": ("Service Account Key Admin", ("iam.serviceAccountKeys.*", "iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT)),
    "iam.roleAdmin": ("Role Administrator", ("iam.roles.*", "resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy")),
    "iam.roleViewer": ("Role Viewer", ("iam.roles.get", "iam.roles.list", "resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy")),
    "iam.securityAdmin": ("Security Admin", ("*.*.setIamPolicy", "*.*.getIamPolicy", "*.*.list", "iam.roles.get", "resourcemanager.projects.get")),
    "iam.securityReviewer": ("Security Reviewer", ("*.*.getIamPolicy", "*.*.list", "resourcemanager.projects.get")),
    "iam.workloadIdentityPoolAdmin": ("IAM Workload Identity Pool Admin", ("iam.workloadIdentityPools.*", "iam.workloadIdentityPoolProviders.*", *_PROJECT)),
    "resourcemanager.projectIamAdmin": ("Project IAM Admin", ("resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy")),
    "resourcemanager.projectCreator": ("Project Creator", ("resourcemanager.projects.create",)),
    "resourcemanager.projectDeleter": ("Project Deleter", ("resourcemanager.projects.delete",)),
    "resourcemanager.projectMover": ("Project Mover", ("resourcemanager.projects.get", "resourcemanager.projects.move", "resourcemanager.projects.update")),
    "serviceusage.serviceUsageAdmin": ("Service Usage Admin", ("serviceusage.*.*", "serviceusage.services.use", "monitoring.timeSeries.list")),
    "serviceusage.serviceUsageConsumer": ("Service Usage Consumer", ("serviceusage.services.get", "serviceusage.services.list", "serviceusage.services.use", "serviceusage.operations.get", "monitoring.timeSeries.list")),
    "serviceusage.serviceUsageViewer": ("Service Usage Viewer", ("serviceusage.services.get", "serviceusage.services.list", "serviceusage.operations.get", "monitoring.timeSeries.list")),
    "billing.admin": ("Billing Account Administrator", ("billing.*.*", "resourcemanager.projects.createBillingAssignment", "resourcemanager.projects.deleteBillingAssignment")),
    "billing.user": ("Billing Account User", ("billing.accounts.get", "billing.accounts.getIamPolicy", "billing.accounts.list", "billing.resourceAssociations.create")),
    "billing.viewer": ("Billing Account Viewer", ("billing.*.get", "billing.*.list", "billing.accounts.getIamPolicy")),
    "billing.projectManager": ("Project Billing Manager", ("resourcemanager.projects.createBillingAssignment", "resourcemanager.projects.deleteBillingAssignment")),
    "artifactregistry.admin": ("Artifact Registry Administrator", ("artifactregistry.*.*", *_PROJECT)),
    "artifactregistry.reader": ("Artifact Registry Reader", (*_ARTIFACT_READER, *_PROJECT)),
    "artifactregistry.writer": ("Artifact Registry Writer", (*_ARTIFACT_WRITER, *_PROJECT)),
    "artifactregistry.repoAdmin": ("Artifact Registry Repository Administrator", (*_ARTIFACT_WRITER, "artifactregistry.*.delete", "-artifactregistry.repositories.delete", "artifactregistry.repositories.deleteArtifacts", *_PROJECT)),
    "artifactregistry.serviceAgent": ("Artifact Registry Service Agent", ("pubsub.topics.publish", "storage.objects.get", "storage.objects.list")),
    "secretmanager.admin": ("Secret Manager Admin", ("secretmanager.*.*", *_PROJECT)),
    "secretmanager.secretAccessor": ("Secret Manager Secret Accessor", ("secretmanager.versions.access", *_PROJECT)),
    "secretmanager.secretVersionAdder": ("Secret Manager Secret Version Adder", ("secretmanager.versions.add", *_PROJECT)),
    "secretmanager.secretVersionManager": ("Secret Manager Secret Version Manager", ("secretmanager.versions.add", "secretmanager.versions.destroy", "secretmanager.versions.disable", "secretmanager.versions.enable", "secretmanager.versions.get", "secretmanager.versions.list", *_PROJECT)),
    "secretmanager.viewer": ("Secret Manager Viewer", ("secretmanager.locations.*", "secretmanager.secrets.get", "secretmanager.secrets.getIamPolicy", "secretmanager.secrets.list", "secretmanager.versions.get", "secretmanager.versions.list", *_PROJECT)),
    "cloudbuild.builds.editor": ("Cloud Build Editor", _BUILD_EDITOR),
    "cloudbuild.builds.viewer": ("Cloud Build Viewer", ("cloudbuild.builds.get", "cloudbuild.builds.list", "cloudbuild.operations.*", *_PROJECT)),
    "cloudbuild.builds.approver": ("Cloud Build Approver", ("cloudbuild.builds.approve", "cloudbuild.builds.get", "cloudbuild.builds.list", *_PROJECT)),
    "cloudbuild.builds.builder": ("Cloud Build Service Account", (*_BUILD_EDITOR, *_ARTIFACT_WRITER, "logging.logEntries.create", "logging.logEntries.list", "logging.views.access", "pubsub.topics.create", "pubsub.topics.publish", "storage.buckets.create", "storage.buckets.get", "storage.buckets.list", "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list", "storage.objects.update")),
    "cloudbuild.serviceAgent": ("Cloud Build Service Agent", ("cloudbuild.builds.*", "iam.serviceAccounts.actAs", "iam.serviceAccounts.getAccessToken", "logging.logEntries.create", "logging.logEntries.list", "pubsub.topics.publish", "storage.buckets.create", "storage.buckets.get", "storage.objects.*", "artifactregistry.repositories.*", "secretmanager.versions.access", *_PROJECT)),
    "notebooks.admin": ("Notebooks Admin", ("notebooks.*.*", *_PROJECT)),
    "notebooks.runner": ("Notebooks Runner", ("notebooks.instances.checkUpgradability", "notebooks.instances.create", "notebooks.instances.get", "notebooks.instances.list", "notebooks.locations.*", "notebooks.operations.get", "notebooks.operations.list", *_PROJECT)),
    "notebooks.viewer": ("Notebooks Viewer", ("notebooks.*.get", "notebooks.*.list", "notebooks.instances.getIamPolicy", *_PROJECT)),
}  # fmt: skip
