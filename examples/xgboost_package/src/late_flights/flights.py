"""The months of flights in a gs:// folder, as features and label."""

import io

import pandas as pd
from google.cloud import storage

FEATURES = ["month", "day", "hour", "distance", "sched_dep_time", "sched_arr_time", "carrier", "origin"]
LATE = 15  # minutes


def read(uri: str) -> pd.DataFrame:
    """All CSV files below a gs:// folder; flights that never arrived are left out."""
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    blobs = [blob for blob in storage.Client().list_blobs(bucket, prefix=prefix) if blob.name.endswith(".csv")]
    months = [pd.read_csv(io.BytesIO(blob.download_as_bytes())) for blob in blobs]
    return pd.concat(months).dropna(subset=["arr_delay"])


def features(flights: pd.DataFrame) -> pd.DataFrame:
    """What is known before take-off; names as categories."""
    return flights[FEATURES].astype({"carrier": "category", "origin": "category"})


def label(flights: pd.DataFrame) -> pd.Series:
    """1 for a flight that arrived late."""
    return (flights["arr_delay"] > LATE).astype(int)
