"""One XGBoost model, learnt by several processes from a part of the data each. Nothing in it knows about gcpmlops.

Vertex AI tells each replica who the others are: CLUSTER_SPEC. The first one starts XGBoost's tracker, all of them join
it, and at every split they add up their histograms, so that all end with the same trees.
"""

import argparse
import hashlib
import io
import json
import os
import socket
import time
from typing import NamedTuple

import numpy as np
import pandas as pd
import xgboost as xgb
from google.cloud import storage
from xgboost import collective
from xgboost.tracker import RabitTracker

FEATURES = ["month", "day", "hour", "distance", "sched_dep_time", "sched_arr_time"]
LATE = 15  # minutes


class Cluster(NamedTuple):
    """The chief's address, which replica this is, and how many there are."""

    host: str
    port: int
    rank: int
    size: int


def cluster() -> Cluster:
    """From CLUSTER_SPEC: the chief is the first pool's one replica."""
    spec = json.loads(os.environ["CLUSTER_SPEC"])
    replicas = [(pool, n, host) for pool, hosts in sorted(spec["cluster"].items()) for n, host in enumerate(hosts)]
    task = (spec["task"]["type"], spec["task"]["index"])
    host, port = replicas[0][2].rsplit(":", 1)
    rank = [(pool, n) for pool, n, _ in replicas].index(task)
    return Cluster(socket.gethostbyname(host), int(port), rank, len(replicas))


def shard(uri: str, me: Cluster) -> pd.DataFrame:
    """This replica's files of those in a gs:// folder."""
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    names = sorted(
        blob.name for blob in storage.Client().list_blobs(bucket, prefix=prefix) if blob.name.endswith(".csv")
    )
    mine = [storage.Client().bucket(bucket).blob(name).download_as_bytes() for name in names[me.rank :: me.size]]
    return pd.concat(pd.read_csv(io.BytesIO(content)) for content in mine).dropna(subset=["arr_delay"])


def joined(me: Cluster, tracker: RabitTracker | None) -> dict[str, str | int]:
    """What every replica joins the tracker with: the chief tells the others at the address in CLUSTER_SPEC.

    (XGBoost 2.1 gives its tracker a port of its own choice.)
    """
    if tracker is not None:
        found = tracker.worker_args()
        with socket.create_server(("", me.port)) as server:
            for _ in range(me.size - 1):
                with server.accept()[0] as other:
                    other.sendall(json.dumps(found).encode())
    else:
        with connected(me) as chief, chief.makefile("rb") as told:
            found = json.load(told)
    return {**found, "dmlc_task_id": str(me.rank)}


def connected(me: Cluster, patience: float = 120.0) -> socket.socket:
    """A connection to the chief, which may start later than this replica."""
    end = time.monotonic() + patience
    while True:
        try:
            return socket.create_connection((me.host, me.port), timeout=patience)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def learn(flights: pd.DataFrame, rounds: int) -> xgb.Booster:
    """The same call as with one process: the communicator makes it one of several."""
    matrix = xgb.DMatrix(flights[FEATURES], (flights["arr_delay"] > LATE).astype(int))
    params = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": 6, "nthread": 1}
    return xgb.train(params, matrix, num_boost_round=rounds)


def main() -> None:
    """Join, learn, compare, and save once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="gs:// folder of CSV files, at least one for each replica")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()

    me = cluster()
    flights = shard(options.data, me)
    tracker = RabitTracker(host_ip=me.host, n_workers=me.size, sortby="task") if me.rank == 0 else None
    if tracker is not None:
        tracker.start()
    with collective.CommunicatorContext(**joined(me, tracker)):
        booster = learn(flights, options.rounds)
        digest = hashlib.sha256(booster.save_raw("json")).hexdigest()[:16]
        print(f"replica {me.rank} of {me.size}: {len(flights):,} flights, model {digest}", flush=True)
        if collective.broadcast(digest, 0) != digest:
            raise RuntimeError("the replicas have learnt different models")
        total = int(collective.allreduce(np.array([len(flights)]), collective.Op.SUM)[0])
    if tracker is not None:
        tracker.wait_for()
        print(f"one model from {total:,} flights", flush=True)
        booster.save_model("model.bst")
        folder = os.environ["AIP_MODEL_DIR"].rstrip("/")
        storage.Blob.from_string(f"{folder}/model.bst", client=storage.Client()).upload_from_filename("model.bst")


if __name__ == "__main__":
    main()
