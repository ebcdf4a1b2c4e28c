"""What the gate is asked about calls that are no RPCs; `variables["resource"]` is the repository's name.

DOWNLOAD needs artifactregistry.repositories.downloadArtifacts, UPLOAD .uploadArtifacts, DELETE .deleteArtifacts.
"""

SERVICE = "artifactregistry"
DOWNLOAD = "GET pkg.dev/{resource}"
UPLOAD = "POST pkg.dev/{resource}"
DELETE = "DELETE pkg.dev/{resource}"
