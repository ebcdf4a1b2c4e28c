"""What lies in a model's folder: LightGBM, archives, SavedModels, pickles of other versions."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from google.api_core import exceptions
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gcpmlops.emulator.runtimes.artifacts import model_file, needs_lightgbm
from gcpmlops.emulator.runtimes.model_server import archives, pickles, savedmodel
from gcpmlops.emulator.runtimes.model_server.models import ContractError, PredictionError, load

from .conftest import Serve

lightgbm = pytest.importorskip("lightgbm")
ROWS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]] * 10)
TARGETS = ROWS[:, 0] * 2
HERE = sklearn.__version__


@pytest.fixture(scope="module")
def estimator() -> Any:
    return lightgbm.LGBMRegressor(n_estimators=5, min_child_samples=1, verbose=-1).fit(ROWS, TARGETS)


def test_lightgbm_boosters_and_estimators(estimator: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = estimator.predict(ROWS).tolist()
    for file_name in ("model.txt", "model.lgb"):
        folder = tmp_path / file_name
        folder.mkdir()
        estimator.booster_.save_model(folder / file_name)
        found = model_file(folder, "sklearn", "gs://b/m")
        assert (found.name, needs_lightgbm(found)) == (file_name, True)
        model = load(str(folder))
        assert (model.kind, model.row_wise) == ("lightgbm.basic.Booster", True)
        assert model.predict(ROWS.tolist(), {}) == pytest.approx(expected)
        with pytest.raises(PredictionError, match=r"Exception during lightgbm prediction: .*number of features"):
            model.predict([[1.0]], {})
        assert "prebuilt images have no LightGBM" in capsys.readouterr().err
    joblib.dump(make_pipeline(StandardScaler(), estimator), tmp_path / "model.joblib", compress=3)
    assert needs_lightgbm(model_file(tmp_path, "xgboost", "gs://b/m"))
    assert load(str(tmp_path)).row_wise


def test_which_file_is_the_model(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("notes about the model")
    with pytest.raises(
        exceptions.FailedPrecondition, match=r"has no model file.* model.joblib, model.pkl .* model.txt"
    ):
        model_file(tmp_path, "sklearn", "gs://b/m")
    joblib.dump(LinearRegression(), tmp_path / "model.joblib")
    assert model_file(tmp_path, "sklearn", "gs://b/m").name == "model.joblib"
    assert not needs_lightgbm(tmp_path / "model.joblib")
    for framework, name in (("tf", "saved_model.pb"), ("pytorch", "model.mar")):
        with pytest.raises(exceptions.FailedPrecondition, match=f"exactly one of {name}"):
            model_file(tmp_path, framework, "gs://b/m")


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_the_file_tells_its_version(tmp_path: Path, compress: Any) -> None:
    joblib.dump(LinearRegression().fit(ROWS, TARGETS), tmp_path / "model.joblib", compress=compress)
    assert pickles.saved_with(tmp_path / "model.joblib") == HERE


@pytest.mark.parametrize("protocol", range(2, 6))
def test_every_protocol_tells_its_version(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LinearRegression(), protocol))
    assert pickles.saved_with(tmp_path / "model.pkl") == HERE
    (tmp_path / "model.pkl").write_bytes(pickle.dumps([1], protocol))
    assert pickles.saved_with(tmp_path / "model.pkl") == ""


def older(data: bytes) -> bytes:
    """The pickle as another scikit-learn would have saved it."""
    version = re.sub(r"\d+$", lambda found: "0" * len(found[0]), HERE)
    assert version != HERE
    return data.replace(HERE.encode(), version.encode())


def test_a_pickle_of_another_version_says_so_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(ROWS, TARGETS)
    (tmp_path / "model.pkl").write_bytes(older(pickle.dumps(model)))
    assert load(str(tmp_path)).predict([[1.0, 0.0]], {}) == pytest.approx([2.0])
    saved = pickles.saved_with(tmp_path / "model.pkl")
    said = f"The model was saved with scikit-learn {saved}, this image has {HERE}: its predictions may differ.\n"
    assert capsys.readouterr().err == said


def test_a_pickle_that_does_not_load_names_both_versions(serve: Serve, tmp_path: Path) -> None:
    data = older(pickle.dumps(LinearRegression().fit(ROWS, TARGETS)))
    (tmp_path / "model.pkl").write_bytes(data.replace(b"sklearn.linear_model._base", b"sklearn.linear_model._gone"))
    log = serve(tmp_path, AIP_STORAGE_URI="gs://b/m").log()
    last = log.splitlines()[-1]
    saved = pickles.saved_with(tmp_path / "model.pkl")
    assert last.startswith(
        "The model in gs://b/m could not be loaded. model.pkl cannot be unpickled: ModuleNotFoundError"
    )
    assert f"saved with scikit-learn {saved}, this image has {HERE}: deploy it with the image of its version" in last


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not a pickle", "UnpicklingError"),
        (b"", "EOFError"),
        (pickle.dumps([1])[:-2], "cannot be unpickled"),
        (pickle.dumps({}).replace(b"}", b"cnumpy._core_of_tomorrow\nx\n"), "NumPy 2, this image has NumPy"),
        (pickle.dumps({}).replace(b"}", b"cnowhere\nx\n"), "This image has no module nowhere"),
    ],
)
def test_other_files_that_do_not_load(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "model.pkl").write_bytes(data)
    with pytest.raises(pickles.LoadError, match=words):
        load(str(tmp_path))


HANDLER = """
class Handler:
    def initialize(self, context):
        path = context.system_properties["model_dir"] + "/" + context.manifest["model"]["serializedFile"]
        self.factor = float(open(path).read())

    def handle(self, data, context):
        if data == ["fewer"]:
            return []
        return [{"n": self.factor * row["n"], "bytes": len(row.get("image", b""))} for row in data]
"""


def archive(folder: Path, handler: str = "handler.py", code: str = HANDLER, **files: str) -> Path:
    """A model.mar as torch-model-archiver lays it out."""
    path = folder / "model.mar"
    manifest = {"model": {"modelName": "model", "serializedFile": "weights.pt", "handler": handler}}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(archives.MANIFEST, json.dumps(manifest))
        file.writestr("weights.pt", "3")
        file.writestr("handler.py", code)
        for name, text in files.items():
            file.writestr(name, text)
    return path


def test_an_archive_with_a_handler_class_is_served(serve: Serve, tmp_path: Path) -> None:
    archive(tmp_path)
    server = serve(tmp_path).ready()
    body = {"instances": [{"n": 1}, {"n": 2, "image": {"b64": "aGVsbG8="}}]}
    assert server.predict(body) == (200, {"predictions": [{"n": 3, "bytes": 0}, {"n": 6, "bytes": 5}]})
    status, reply = server.predict({"instances": [1]})
    assert (status, reply["error"]) == (400, "Prediction failed: TypeError: 'int' object is not subscriptable")
    assert server.predict({"instances": ["fewer"]})[0] == 500
    assert server.lines[0] == "Loaded model.mar: TorchServe archive of model with the handler handler.py"


def test_handlers_of_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    code = "def predict(data, context):\n    return data if data != [0] else 5\n"
    model = load(str(archive(tmp_path, "entry.py:predict", "", **{"entry.py": code}).parent))
    assert model.predict(["a", {"b64": "YQ=="}], {}) == ["a", b"a"]
    with pytest.raises(ContractError, match="returned a int"):
        model.predict([0], {})
    with pytest.raises(ImportError, match="needs one class with a handle method, it has 0"):
        load(str(archive(tmp_path, "empty.py", "", **{"empty.py": ""}).parent))


@pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "a/../../outside.py"])
def test_archives_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="lies outside the archive"):
        load(str(archive(tmp_path, **{name: ""}).parent))


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "model.mar").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="not an archive of torch-model-archiver"):
        load(str(tmp_path))
    with zipfile.ZipFile(tmp_path / "model.mar", "w") as file:
        file.writestr("weights.pt", "")
    with pytest.raises(ValueError, match=r"has no MAR-INF/MANIFEST.json"):
        load(str(tmp_path))


def test_a_torchscript_module(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(2, 1)
    torch.jit.script(module).save(str(tmp_path / "weights.pt"))
    handle = archives.scripted(tmp_path / "weights.pt")
    assert handle([[1.0, 2.0]], None).tolist() == module(torch.tensor([[1.0, 2.0]])).tolist()


def test_rows_and_columns_of_saved_models() -> None:
    assert savedmodel.column("x", [[1, 2], {"x": [3, 4]}], 1) == [[1, 2], [3, 4]]
    assert savedmodel.column("x", [{"b64": "YQ=="}, {"x": {"b64": "Yg=="}}], 1) == [b"a", b"b"]
    assert savedmodel.rows({"y": [1, 2]}) == [1, 2]
    assert savedmodel.rows({"y": [1, 2], "z": ["a", "b"]}) == [{"y": 1, "z": "a"}, {"y": 2, "z": "b"}]
    assert savedmodel.listed("y", np.array([[b"a"], [b"b"]])) == [["a"], ["b"]]
    assert savedmodel.listed("y_bytes", np.array([b"a"])) == [{"b64": "YQ=="}]
    for instances, inputs, words in (
        ([{"z": 1}], 1, "no input"),
        ([1], 2, "object of 2"),
        ([{"b64": "?"}], 1, "base64"),
    ):
        with pytest.raises(PredictionError, match=words):
            savedmodel.column("x", instances, inputs)


def test_a_saved_model(tmp_path: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow")

    class Doubles(tensorflow.Module):  # type: ignore[misc]
        @tensorflow.function(input_signature=[tensorflow.TensorSpec([None, 2], tensorflow.float32, name="x")])
        def __call__(self, x: Any) -> Any:
            return {"y": x * 2}

    model = Doubles()
    tensorflow.saved_model.save(model, str(tmp_path), signatures=model.__call__)
    loaded = load(str(tmp_path))
    assert loaded.predict([[1, 2], {"x": [3, 4]}], {}) == [[2, 4], [6, 8]]
    with pytest.raises(PredictionError, match="not found in signature def"):
        loaded.predict([[1, 2]], {"signature_name": "other"})
