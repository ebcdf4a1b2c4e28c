"""TorchServe model archives (`model.mar`), as the prebuilt PyTorch images serve them: with the JSON envelope.

The handler gets the list of instances (`{"b64": TEXT}` as bytes) and the context, and returns a prediction for each.
It is the archive's own file, one of TorchServe's (where the `torchserve` package is installed), or, for a TorchScript
file whose handler is not there, ours: the instances as one tensor.
"""

from __future__ import annotations

import atexit
import importlib
import json
import shutil
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .models import ContractError, PredictionError
from .savedmodel import decoded

MANIFEST = "MAR-INF/MANIFEST.json"


class ArchivedModel:
    """The handler of an unpacked archive."""

    row_wise = False

    def __init__(self, path: Path) -> None:
        self.file_name = path.name
        folder = unpacked(path)
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        self._context = context_of(folder, manifest)
        self._handle, handler = handler_of(folder, manifest["model"], self._context)
        self.kind = f"TorchServe archive of {manifest['model'].get('modelName', 'model')} with the handler {handler}"
        self._lock = threading.Lock()  # TorchServe's workers take one request at a time

    def predict(self, instances: list[Any], options: dict[str, Any]) -> list[Any]:
        if not instances:
            return []
        data = [unwrapped(instance) for instance in instances]
        try:
            with self._lock:
                begin(self._context, len(data))
                predictions = self._handle(data, self._context)
                refuse(self._context)
        except PredictionError:
            raise
        except Exception as error:
            raise PredictionError(f"{type(error).__name__}: {error}") from error
        if hasattr(predictions, "tolist"):
            predictions = predictions.tolist()
        if not isinstance(predictions, (list, tuple)):
            raise ContractError(f"the handler returned a {type(predictions).__name__}, not a list of predictions.")
        return [item.tolist() if hasattr(item, "tolist") else item for item in predictions]

    def rows(self, instances: list[Any]) -> Any:
        raise NotImplementedError("archives are not predicted row by row")

    def predict_rows(self, rows: Any, options: dict[str, Any]) -> list[Any]:
        raise NotImplementedError("archives are not predicted row by row")


def unwrapped(instance: Any) -> Any:
    """An instance with its base64 as bytes, itself or in its fields."""
    if isinstance(instance, dict) and list(instance) != ["b64"]:
        return {name: decoded(value) for name, value in instance.items()}
    return decoded(instance)


def unpacked(path: Path) -> Path:
    """The archive's files, in a new folder. Raises ValueError for a file that would leave it."""
    folder = Path(tempfile.mkdtemp(prefix="archive-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if folder not in (folder / name).resolve().parents:
                    raise ValueError(f"{path.name}: the entry {name!r} lies outside the archive")
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path.name} is not an archive of torch-model-archiver: {error}") from error
    if not (folder / MANIFEST).exists():
        raise ValueError(f"{path.name} has no {MANIFEST}: make it with torch-model-archiver")
    return folder


class NoMetrics:
    """Takes what handlers measure of themselves, in place of TorchServe's metrics log."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_args, **_options: self


def context_of(folder: Path, manifest: dict[str, Any]) -> Any:
    """What TorchServe tells a handler: its own Context class where it is installed."""
    name, settings = manifest["model"].get("modelName"), settings_of(folder, manifest["model"])
    try:
        from ts.context import Context
    except ImportError:
        properties = {"model_dir": str(folder), "gpu_id": None, "batch_size": 1}
        context = SimpleNamespace(system_properties=properties, manifest=manifest, model_name=name)
        context.get_request_header = lambda _index, _key: None
    else:
        context = Context(name, str(folder), manifest, 1, None, None)
    context.model_yaml_config, context.metrics = settings, NoMetrics()
    return context


def begin(context: Any, count: int) -> None:
    """A request of so many instances, without headers, for handlers that ask TorchServe's Context about it."""
    if hasattr(context, "request_processor"):
        from ts.context import RequestProcessor

        context.request_ids = {number: str(number) for number in range(count)}
        context.request_processor = [RequestProcessor({}) for _ in range(count)]


def refuse(context: Any) -> None:
    """Raises PredictionError where the handler has set the status of an error."""
    for processor in getattr(context, "request_processor", None) or ():
        status = processor.get_response_status_code()
        if status >= 400:
            raise PredictionError(f"{status} {processor.get_response_status_phrase() or ''}".strip())


def settings_of(folder: Path, model: dict[str, Any]) -> dict[str, Any]:
    """The archive's own configuration file, where it has one."""
    path = folder / str(model.get("configFile", ""))
    if not path.is_file():
        return {}
    import yaml

    return yaml.safe_load(path.read_text("utf-8")) or {}


def handler_of(folder: Path, model: dict[str, Any], context: Any) -> tuple[Any, str]:
    """The function `(data, context)` that predicts, and its name. Raises ImportError for a handler that is not here."""
    sys.path.insert(0, str(folder))
    name = str(model.get("handler", ""))
    file_name, _, function = name.partition(":")
    if (folder / file_name).is_file() and file_name.endswith(".py"):
        return entry_point(importlib.import_module(file_name[:-3].replace("/", ".")), function, context), name
    try:
        module = importlib.import_module(f"ts.torch_handler.{file_name}")
    except ImportError as error:
        serialized = folder / str(model.get("serializedFile", ""))
        if model.get("modelFile") or not serialized.is_file():
            raise ImportError(
                f"the handler {name!r} is one of TorchServe's, which is not installed ({error}): put a handler file "
                "into the archive"
            ) from error
        return scripted(serialized), f"{file_name} (TorchScript, without TorchServe)"
    return entry_point(module, function, context), name


def entry_point(module: Any, function: str, context: Any) -> Any:
    """A module's function (`handle` unless named), or the `handle` of its one handler class, initialised."""
    if callable(getattr(module, function or "handle", None)):
        return getattr(module, function or "handle")
    classes = [
        value for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and callable(getattr(value, "handle", None))
    ]  # fmt: skip
    if len(classes) != 1:
        raise ImportError(f"the handler {module.__name__} needs one class with a handle method, it has {len(classes)}")
    handler = classes[0]()
    handler.initialize(context)
    return handler.handle


def scripted(path: Path) -> Any:
    """A TorchScript module over one tensor of the instances."""
    import torch

    module = torch.jit.load(str(path), map_location="cpu").eval()

    def handle(data: list[Any], _context: Any) -> Any:
        with torch.inference_mode():
            return module(torch.as_tensor(data)).cpu()

    return handle
