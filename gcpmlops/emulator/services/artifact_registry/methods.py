"""What the gate is asked about calls that are no RPCs; `variables["repository"]` is the repository's name.

DOWNLOAD needs artifactregistry.repositories.downloadArtifacts, UPLOAD .uploadArtifacts, DELETE .deleteArtifacts.
"""

SERVICE = "artifactregistry"
DOWNLOAD = "GET pkg.dev/{repository}"
UPLOAD = "POST pkg.dev/{repository}"
DELETE = "DELETE pkg.dev/{repository}"
