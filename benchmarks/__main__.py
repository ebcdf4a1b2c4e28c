"""``python -m benchmarks [SUBJECT ...]``: measures and prints the table. ``--write`` puts it into README.md."""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path

from benchmarks import (
    access,
    alerting,
    batch,
    builds,
    calls,
    drift,
    emulator,
    evaluation,
    functions,
    jobs,
    monitoring,
    prediction,
    pubsub,
    search,
    serving,
    setup,
    startup,
    transfers,
)
from benchmarks._measure import Line

_SUBJECTS = {
    "startup": startup.lines,
    "emulator": emulator.lines,
    "calls": calls.lines,
    "access": access.lines,
    "transfers": transfers.lines,
    "jobs": jobs.lines,
    "builds": builds.lines,
    "serving": serving.lines,
    "prediction": prediction.lines,
    "batch": batch.lines,
    "evaluation": evaluation.lines,
    "search": search.lines,
    "drift": drift.lines,
    "pubsub": pubsub.lines,
    "monitoring": monitoring.lines,
    "alerting": alerting.lines,
    "functions": functions.lines,
    "setup": setup.lines,
}
_HEAD = ("name", "ours", "peer", "ratio", "target", "result")
_README = Path(__file__).with_name("README.md")
_MARK = "<!-- table -->\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(_SUBJECTS)}; default all")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    unknown = set(options.subjects) - set(_SUBJECTS)
    if unknown:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}; there are {', '.join(_SUBJECTS)}")
    started = time.monotonic()
    load = os.getloadavg()[0]
    print(_row(_HEAD) + "\n" + _row("-" * len(head) for head in _HEAD), flush=True)
    rows = []
    for subject in options.subjects or _SUBJECTS:
        for line in _SUBJECTS[subject]():
            rows.append(_row(_cells(line)))
            print(rows[-1], flush=True)
    note = (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{platform.system()}; load average {load:.1f} before, {os.getloadavg()[0]:.1f} after; "
        f"{time.monotonic() - started:.0f} s in all."
    )
    print(note)
    if options.write:
        _write(rows, note)


def _cells(line: Line) -> tuple[str, ...]:
    peer = f"{_number(line.peer)} ({line.peer_name})" if line.peer is not None else "-"
    ratio = f"{line.ratio:.3g}" if line.ratio is not None else "-"
    unit = f" {line.unit}" if line.absolute else ""
    target = f"{'≥' if line.at_least else '≤'} {line.target:g}{unit}" if line.target is not None else "-"
    return line.name, f"{_number(line.ours)} {line.unit}", peer, ratio, target, line.verdict


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _row(cells: object) -> str:
    return f"| {' | '.join(cells)} |"  # type: ignore[arg-type]  # an iterable of strings


def _write(rows: list[str], note: str) -> None:
    table = "\n".join([_row(_HEAD), _row("---" for _ in _HEAD), *rows])
    before, _, rest = _README.read_text("utf-8").partition(_MARK)
    after = rest.partition(_MARK)[2]
    _README.write_text(f"{before}{_MARK}{table}\n\n{note}\n{_MARK}{after}", "utf-8")


if __name__ == "__main__":
    main()
