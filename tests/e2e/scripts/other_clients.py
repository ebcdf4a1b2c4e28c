"""Clients beside Google's Cloud libraries: pandas through gcsfs, and the discovery-based googleapiclient."""

import uuid

import pandas as pd
import pytest
from google.cloud import storage
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

name = f"other-{uuid.uuid4().hex[:10]}"
project = storage.Client().project
service = build("storage", "v1", static_discovery=True)
service.buckets().insert(project=project, body={"name": name, "location": "EU"}).execute()
assert service.buckets().get(bucket=name).execute()["location"] == "EU"

frame = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
frame.to_csv(f"gs://{name}/folder/rows.csv", index=False)
pd.testing.assert_frame_equal(pd.read_csv(f"gs://{name}/folder/rows.csv"), frame)
(found,) = service.objects().list(bucket=name, prefix="folder/").execute()["items"]
assert found["name"] == "folder/rows.csv"
service.objects().delete(bucket=name, object=found["name"]).execute()
service.buckets().delete(bucket=name).execute()
with pytest.raises(HttpError, match=f"404.*{name}"):
    service.buckets().get(bucket=name).execute()
service.close()

vertex = build(
    "aiplatform", "v1", static_discovery=True,
    client_options={"api_endpoint": "https://us-central1-aiplatform.googleapis.com"},
)  # fmt: skip
parent = f"projects/{project}/locations/us-central1"
assert vertex.projects().locations().models().list(parent=parent).execute() is not None
vertex.close()
found = build("cloudresourcemanager", "v3", static_discovery=True).projects().get(name=f"projects/{project}").execute()
assert found["projectId"] == project
print("other clients")
