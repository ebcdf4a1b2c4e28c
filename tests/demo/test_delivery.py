"""examples/delivery: to the end by `cicd run` and by Cloud Build; a better model takes over, a worse one is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .conftest import Place

EXAMPLE = Path(__file__).parents[2] / "examples" / "delivery"
STEPS = ("lint", "test", "train", "evaluate", "gate", "register", "deploy", "promote")
PROGRAM = """
import json, shutil, subprocess
from pathlib import Path
from gcpmlops import Client
from gcpmlops.exceptions import DeliveryFailed

definition, client, seen = Path("delivery.yaml"), Client(), []

def learns(trees, depth):
    text = (definition.parent / "original.yaml").read_text()
    text = text.replace("--trees=200", f"--trees={trees}").replace("--depth=4", f"--depth={depth}")
    definition.write_text(text.replace("bake: 1,", "bake: 0.2,"))

def now(what, said):
    endpoint = client.endpoints.get("penguins")
    serving = [name.rpartition("@")[2] for key, name in endpoint.deployed.items() if endpoint.traffic.get(key)]
    versions = {each.version_id: sorted(each.stages) for each in client.models.versions("penguins")}
    seen.append({"what": what, "said": said, "serving": serving, "versions": versions})

shutil.copy(definition, "original.yaml")
learns(5, 2)
first = client.cicd.run()
now("first", [(step.name, step.state, step.note) for step in first.steps])

learns(40, 4)
submit = ["gcloud", "builds", "submit", ".", "--region=us-central1"]
if not shutil.which("gcloud"):
    submit = ["gcpmlops", "builds", "submit", "."]
done = subprocess.run(submit, capture_output=True, text=True)
(build,) = client.builds.list()
log = [line.text for line in build.logs()]
now("better", [done.returncode, build.state.name, *log])

learns(1, 1)
try:
    client.cicd.run(first="train")
except DeliveryFailed as error:
    now("worse", [error.step, error.delivery.steps[4].state, str(error)])
print(json.dumps(seen))
"""


@pytest.mark.timeout(400)
def test_a_better_model_takes_over_and_a_worse_one_is_refused(place: Place) -> None:
    project = place.folder / "project"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns(".gcpmlops", "__pycache__", ".ruff_cache"))
    (place.folder / "program.py").write_text(PROGRAM)
    inside = 'cd project && exec "$@"'
    code, output = place.run_command(
        "sh", "-c", inside, "sh", "gcpmlops", "emulator", "exec", "--ephemeral", "--", "python", "../program.py"
    )
    assert code == 0, output
    first, better, worse = json.loads(output.splitlines()[-1])

    assert [(name, state) for name, state, _ in first["said"]] == [(name, "PASSED") for name in STEPS]
    assert "no champion" in first["said"][4][2]
    assert "the first deployment" in first["said"][6][2]
    assert (first["serving"], set(first["versions"])) == (["1"], {"1"})

    assert better["said"][:2] == [0, "SUCCESS"], "\n".join(map(str, better["said"]))
    log = "\n".join(better["said"][2:])
    positions = [log.index(f'"{name}": {name}: passed') for name in STEPS]
    assert positions == sorted(positions)
    assert "20 %: " in log
    assert "penguins@2 on penguins: canary" in log
    assert better["serving"] == ["2"]
    assert better["versions"] == {"1": [], "2": ["champion", "production"]}

    step, state, said = worse["said"]
    assert (step, state) == ("gate", "REFUSED")
    assert "roc_auc at most 0.005 worse than the champion" in said
    assert {key: worse[key] for key in ("serving", "versions")} == {key: better[key] for key in ("serving", "versions")}
    assert place.left() == []
