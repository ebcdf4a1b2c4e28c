"""What the gate is asked about calls that are no RPCs: the method's name, and the permission on the repository."""

SERVICE = "artifactregistry"
DOWNLOAD = ("GET pkg.dev/{repository}", "artifactregistry.repositories.downloadArtifacts")
UPLOAD = ("POST pkg.dev/{repository}", "artifactregistry.repositories.uploadArtifacts")
DELETE = ("DELETE pkg.dev/{repository}", "artifactregistry.repositories.deleteArtifacts")
