"""``google.cloud.location.Locations``, which every regional API has beside its own service."""

from __future__ import annotations

import re
from typing import Any

from google.api_core import exceptions
from google.cloud.location import locations_pb2

from gcpmlops.emulator.kernel import names, paging

PROTO = "google.cloud.location.Locations"
PATH = re.compile(r"/v\d\w*/(?P<project>projects/[^/]+)/locations(?:/(?P<location>[^/:]+))?")
_REGIONS = [
    "africa-south1",
    "asia-east1",
    "asia-east2",
    "asia-northeast1",
    "asia-northeast2",
    "asia-northeast3",
    "asia-south1",
    "asia-south2",
    "asia-southeast1",
    "asia-southeast2",
    "australia-southeast1",
    "australia-southeast2",
    "europe-central2",
    "europe-north1",
    "europe-southwest1",
    "europe-west1",
    "europe-west2",
    "europe-west3",
    "europe-west4",
    "europe-west6",
    "europe-west8",
    "europe-west9",
    "europe-west12",
    "me-central1",
    "me-central2",
    "me-west1",
    "northamerica-northeast1",
    "northamerica-northeast2",
    "southamerica-east1",
    "southamerica-west1",
    "us-central1",
    "us-east1",
    "us-east4",
    "us-east5",
    "us-south1",
    "us-west1",
    "us-west2",
    "us-west3",
    "us-west4",
]


def get_location(request: Any) -> Any:
    """Raises: InvalidArgument for another form of name, NotFound for a region that Google doesn't have."""
    found = names.parse("projects/{project}/locations/{location}", request.name)
    if found["location"] not in _REGIONS:
        raise exceptions.NotFound(f"Location {found['location']} is unknown; locations:list shows what there is.")
    return _location(f"projects/{found['project']}", found["location"])


def list_locations(request: Any) -> Any:
    """All regions, in pages."""
    items, token = paging.page(_REGIONS, request)
    locations = [_location(request.name, region) for region in items]
    return locations_pb2.ListLocationsResponse(locations=locations, next_page_token=token)


def answer_path(match: re.Match[str], query: dict[str, str]) -> Any:
    """The REST form of both."""
    if match["location"]:
        name = f"{match['project']}/locations/{match['location']}"
        return get_location(locations_pb2.GetLocationRequest(name=name))
    request = locations_pb2.ListLocationsRequest(
        name=match["project"],
        filter=query.get("filter", ""),
        page_size=int(query.get("pageSize") or 0),
        page_token=query.get("pageToken", ""),
    )
    return list_locations(request)


def _location(project: str, region: str) -> Any:
    labels = {"cloud.googleapis.com/region": region}
    return locations_pb2.Location(name=f"{project}/locations/{region}", location_id=region, labels=labels)
