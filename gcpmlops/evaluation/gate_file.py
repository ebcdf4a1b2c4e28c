"""Gates in a YAML file; errors name the file and the line.

gates:
  - {metric: roc_auc, minimum: 0.7}
  - {metric: roc_auc, tolerance: 0.005, certain: true}         # against the champion
  - {metric: roc_auc, tolerance: 0.02, slices: [carrier]}
  - {fairness: demographic_parity_ratio, minimum: 0.8, sensitive: sex}
"""

from __future__ import annotations

import difflib
from dataclasses import fields
from pathlib import Path
from typing import Any

from gcpmlops._yaml_file import YamlFile, allowed
from gcpmlops.evaluation import gates
from gcpmlops.evaluation.gates import Gate, Verdict
from gcpmlops.evaluation.result import EvaluationResult
from gcpmlops.evaluation.values import metrics_of
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_

_KEYS = tuple(field.name for field in fields(Gate))


class _GateFile(YamlFile):
    keys = "gates: a list of gates"

    def gates(self) -> list[tuple[Gate, Any]]:
        """Each gate and its node."""
        found: list[tuple[Gate, Any]] = []
        for key, key_node, node in self._pairs(self._root(), "the file"):
            self._check_key(key, key_node, ("gates",))
            if node.id != "sequence" or not node.value:
                raise self._error(
                    "gates is not a list with a gate", node, allowed("gates", "- metric: ..., minimum: ...")
                )
            found += [(self._gate(each), each) for each in node.value]
        if not found:
            raise self._error("there are no gates", None, allowed("gates", "one or more"))
        return found

    def _gate(self, node: Any) -> Gate:
        given: dict[str, Any] = {}
        nodes: dict[str, Any] = {}
        for key, key_node, child in self._pairs(node, "a gate"):
            self._check_key(key, key_node, _KEYS)
            given[key], nodes[key] = self._plain(child), key_node
        try:
            return Gate(**given)
        except InvalidArgument as exc:
            raise self._error(exc.message, nodes.get(exc.field, node), exc) from exc

    def check_metric(self, gate: Gate, node: Any, task: str) -> None:
        """Before anything is evaluated. Raises InvalidArgument."""
        known, name = metrics_of(task), gate.metric.partition(":")[0]
        if gate.metric and name not in known:
            near = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(sorted(known))}"
            cause = InvalidArgument(field="metric", value=gate.metric, next_step=hint)
            raise self._error(f"{task} has no metric {gate.metric!r}", node, cause)

    def check(self, result: EvaluationResult, champion: EvaluationResult | None) -> Verdict:
        """One gate at a time, so that an error knows the gate's line."""
        verdicts = []
        for gate, node in self.gates():
            try:
                verdicts.append(gates.check(result, [gate], champion))
            except InvalidArgument as exc:
                raise self._error(exc.message, node, exc) from exc
        skipped = dict.fromkeys(each for verdict in verdicts for each in verdict.skipped)
        return Verdict(result.name, tuple(each for verdict in verdicts for each in verdict.results), tuple(skipped))


def read(path: Path_, *, task: str = "") -> list[Gate]:
    """The file's gates. Raises InvalidArgument, also for metrics that the task (classification, regression) has not."""
    file = _GateFile(Path(path))
    found = file.gates()
    for gate, node in found if task else ():
        file.check_metric(gate, node, task)
    return [gate for gate, _ in found]


def check(path: Path_, result: EvaluationResult, champion: EvaluationResult | None) -> Verdict:
    """Judge by the file's gates. Raises InvalidArgument."""
    return _GateFile(Path(path)).check(result, champion)
