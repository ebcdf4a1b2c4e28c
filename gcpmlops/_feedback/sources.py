"""Where predictions and outcomes stand, and the SQL that reads them in one form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gcpmlops.exceptions import InvalidArgument

_PATH = re.compile(r"\$(\.[A-Za-z_]\w*|\.\"[^\"'\\]+\"|\[\d+\])*")
_NAME = re.compile(r"[^\"'`\\\n]+")


class Predictions(Protocol):
    """Gives rows of key, predicted_at, version, p (number), label (text), and the slices."""

    @property
    def table(self) -> str:
        """Its name."""
        ...

    def select(self, table: str, columns: Mapping[str, str], slices: Sequence[str]) -> str:
        """SQL over a table of these columns. Raises InvalidArgument."""
        ...


@dataclass(frozen=True, kw_only=True)
class RequestLog:
    """The request-response log of an endpoint: one row a request, JSON texts of its instances and predictions.

    Attributes:
        table: DATASET.TABLE.
        key: the field of an instance that identifies it; of instances that are lists its place: "[0]".
        prediction: the JSON path of the score or label in a prediction: "$", "$[1]", "$.scores[1]".
        versions: id of a deployed model → version.
        features: names of an instance's places, where instances are lists: for slices.
    """

    table: str
    key: str
    prediction: str = "$"
    versions: Mapping[str, str] = field(default_factory=dict)
    features: Sequence[str] = ()

    def select(self, table: str, columns: Mapping[str, str], slices: Sequence[str]) -> str:
        instance = "instance"
        found = "".join(
            f", {_value(instance, self._place(name))} AS {column(number)}" for number, name in enumerate(slices)
        )
        prediction = f"JSON_VALUE(response_payload[SAFE_OFFSET(place)], {text(path(self.prediction))})"
        known = " ".join(f"WHEN {text(key)} THEN {text(version)}" for key, version in self.versions.items())
        version = f"CASE deployed_model_id {known} ELSE deployed_model_id END" if known else "deployed_model_id"
        return f"""SELECT {_value(instance, self.key)} AS key, logging_time AS predicted_at, {version} AS version,
  SAFE_CAST({prediction} AS FLOAT64) AS p, {prediction} AS label{found}
FROM `{table}`, UNNEST(request_payload) AS instance WITH OFFSET AS place"""

    def _place(self, name: str) -> str:
        return f"[{list(self.features).index(name)}]" if name in self.features else name


@dataclass(frozen=True, kw_only=True)
class PredictionTable:
    """A table with a row a prediction, such as those of `record_predictions`.

    Attributes:
        table: DATASET.TABLE.
        key: column of what identifies the instance.
        score: column of the number; empty: there is none.
        label: column of the predicted class; empty: there is none.
        time: column of the time of the prediction.
        version: column of the model's version; empty: all are one.
        instance: column with the instance as JSON, where slices are looked for that are no columns; empty: none.
    """

    table: str
    key: str = "key"
    score: str = "score"
    label: str = ""
    time: str = "predicted_at"
    version: str = "version"
    instance: str = ""

    def select(self, table: str, columns: Mapping[str, str], slices: Sequence[str]) -> str:
        for name in filter(None, (self.key, self.score, self.label, self.time, self.version, self.instance)):
            check_column(name, columns, self.table)
        score = f"SAFE_CAST({quoted(self.score)} AS FLOAT64)" if self.score else "CAST(NULL AS FLOAT64)"
        label = f"CAST({quoted(self.label or self.score)} AS STRING)" if self.label or self.score else "NULL"
        version = f"CAST({quoted(self.version)} AS STRING)" if self.version else "''"
        found = "".join(f", {self._slice(name, columns)} AS {column(number)}" for number, name in enumerate(slices))
        return f"""SELECT CAST({quoted(self.key)} AS STRING) AS key,
  CAST({quoted(self.time)} AS TIMESTAMP) AS predicted_at, {version} AS version, {score} AS p, {label} AS label{found}
FROM `{table}`"""

    def _slice(self, name: str, columns: Mapping[str, str]) -> str:
        if name in columns:
            return f"CAST({quoted(name)} AS STRING)"
        return _value(quoted(self.instance), name) if self.instance else "CAST(NULL AS STRING)"


@dataclass(frozen=True, kw_only=True)
class OutcomeTable:
    """A table with a row an outcome; the last one of a key counts.

    Attributes:
        table: DATASET.TABLE.
        key: column of what identifies the instance.
        outcome: column of what happened.
        time: column of when it was known.
    """

    table: str
    key: str = "key"
    outcome: str = "outcome"
    time: str = "observed_at"

    def select(self, table: str, columns: Mapping[str, str], slices: Sequence[str]) -> str:
        """Rows of key, outcome (text), observed_at, and the slices that it has."""
        for name in (self.key, self.outcome, self.time):
            check_column(name, columns, self.table)
        found = "".join(
            f", CAST({quoted(name)} AS STRING) AS {column(number)}"
            for number, name in enumerate(slices)
            if name in columns
        )
        return f"""SELECT CAST({quoted(self.key)} AS STRING) AS key, CAST({quoted(self.outcome)} AS STRING) AS outcome,
  CAST({quoted(self.time)} AS TIMESTAMP) AS observed_at{found}
FROM `{table}` WHERE {quoted(self.key)} IS NOT NULL AND {quoted(self.outcome)} IS NOT NULL"""


def check_column(name: str, columns: Mapping[str, str], table: str) -> None:
    """Raises InvalidArgument for a column that isn't there."""
    if name not in columns:
        raise InvalidArgument(
            f"{table} has no column {name!r}", field="column", value=name, allowed=", ".join(columns) or "none"
        )


def column(number: int) -> str:
    """What a slice is called within the query: its own name could be one of ours."""
    return f"s{number}"


def path(given: str) -> str:
    """A JSON path. Raises InvalidArgument."""
    if not _PATH.fullmatch(given):
        raise InvalidArgument(
            f"{given!r} is no JSON path", field="prediction", value=given, allowed="$, $[1], $.score, $.scores[1]"
        )
    return given


def quoted(name: str) -> str:
    """A column's name in SQL. Raises InvalidArgument."""
    if not _NAME.fullmatch(name):
        raise InvalidArgument(f"{name!r} is no name", field="by", value=name, allowed="a column or a feature")
    return f"`{name}`"


def text(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _value(json: str, name: str) -> str:
    """A field, or a place of a list, of a JSON text."""
    if re.fullmatch(r"\[\d+\]", name):
        return f"JSON_VALUE({json}, '${name}')"
    quoted(name)
    plain = re.fullmatch(r"[A-Za-z_]\w*", name)
    return f"JSON_VALUE({json}, {text(f'$.{name}' if plain else f'$.{chr(34)}{name}{chr(34)}')})"
