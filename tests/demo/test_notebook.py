"""examples/notebook.ipynb, executed in a kernel against the emulator."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_notebook(tmp_path: Path, emulator_environment: dict[str, str]) -> None:
    import nbclient  # and its grammars take more than a second: not while tests are collected
    import nbformat

    for name in ("flights", "search"):
        shutil.copytree(EXAMPLES / name, tmp_path / name)
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)  # stored without
    path = f"{Path(sys.executable).parent}:{emulator_environment['PATH']}"
    environment = {**emulator_environment, "PATH": path, "PYTHONPATH": str(EXAMPLES.parent)}
    place = {"metadata": {"path": str(tmp_path)}}
    kernel = nbclient.NotebookClient(notebook, timeout=200, resources=place, shutdown_kernel="immediate")
    kernel.execute(env=environment)

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output["data"] for output in outputs if "data" in output]
    assert sum("application/vnd.plotly.v1+json" in each for each in data) == 3
    text = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    assert text.count(" SUCCEEDED: auc 0.") == 6
    assert any("trial-6" in each.get("text/html", "") for each in data)
    assert not [output for output in outputs if output["output_type"] == "stream" and output["name"] == "stderr"]
