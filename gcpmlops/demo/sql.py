"""What BigQuery is told: the months' schema, the codes of the categories, the table that the model learns from."""

from __future__ import annotations

DATASET = "flights"
HISTORY = f"{DATASET}.history"
CODES = f"{DATASET}.codes"
TRAINING = f"{DATASET}.training"

SCHEMA = {
    "year": "INT64",
    "month": "INT64",
    "day": "INT64",
    "dep_time": "INT64",
    "sched_dep_time": "INT64",
    "dep_delay": "INT64",
    "arr_time": "INT64",
    "sched_arr_time": "INT64",
    "arr_delay": "INT64",
    "carrier": "STRING",
    "flight": "INT64",
    "tailnum": "STRING",
    "origin": "STRING",
    "dest": "STRING",
    "air_time": "INT64",
    "distance": "INT64",
    "hour": "INT64",
    "minute": "INT64",
    "time_hour": "TIMESTAMP",
}

CATEGORIES = ("carrier", "origin", "dest")
# All known before the flight departs; in this order they go to the model. The prebuilt prediction image takes numbers.
FEATURES = ("month", "weekday", "hour", "minute", "distance", *CATEGORIES)

CODES_QUERY = " UNION ALL ".join(
    f"SELECT '{name}' AS feature, {name} AS value, ROW_NUMBER() OVER (ORDER BY {name}) - 1 AS code"
    f" FROM (SELECT DISTINCT {name} FROM {HISTORY})"
    for name in CATEGORIES
)


def training_query(late: int) -> str:
    """Features and label of each flight that arrived; `late` in minutes."""
    codes = ", ".join(f"{name}_codes.code AS {name}" for name in CATEGORIES)
    joins = "\n".join(
        f"JOIN {CODES} AS {name}_codes ON {name}_codes.feature = '{name}' AND {name}_codes.value = flight.{name}"
        for name in CATEGORIES
    )
    return f"""
        SELECT
          flight.month,
          EXTRACT(DAYOFWEEK FROM DATE(flight.year, flight.month, flight.day)) AS weekday,
          flight.hour, flight.minute, flight.distance,
          {codes},
          IF(flight.arr_delay > {late}, 1, 0) AS late
        FROM {HISTORY} AS flight
        {joins}
        WHERE flight.arr_delay IS NOT NULL"""
