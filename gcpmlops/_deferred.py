"""Import one service of a generated Google package without paying for all of them.

`google.cloud.aiplatform_v1/__init__.py` imports 34 services and their types: 0.9 s to make one client. While
`deferring()` is active, generated packages are imported as `DeferredPackage`: the real module object, with its real
spec and path, whose `__init__` has not run yet. Submodules import as always. The first name that only `__init__`
defines runs it, in the same module object, so `from google.cloud import aiplatform_v1; aiplatform_v1.CustomJob` works
afterwards as if nothing had been.
"""

import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_GENERATED = ("google.cloud.aiplatform_v1", "google.cloud.logging_v2", "google.cloud.monitoring_v3")
_running = threading.RLock()
_in_progress: set[str] = set()


def is_deferred(name: str) -> bool:
    """True for a generated package, its `types` and each `services.SERVICE`: the packages that only gather names."""
    for package in _GENERATED:
        if name in (package, f"{package}.types"):
            return True
        if name.startswith(f"{package}.services.") and name.count(".") == package.count(".") + 2:
            return True
    return False


class DeferredPackage(ModuleType):
    """A package whose `__init__` runs when a name is asked for that is not one of its submodules."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        submodule = f"{self.__name__}.{name}"
        if name != "__all__" and importlib.util.find_spec(submodule) is not None:
            return importlib.import_module(submodule)
        if not run_init(self):
            raise AttributeError(f"partially initialized module {self.__name__!r} has no attribute {name!r}")
        return getattr(self, name)

    def __dir__(self) -> list[str]:
        run_init(self)
        return sorted(vars(self))


def run_init(module: ModuleType) -> bool:
    """Run the package's own `__init__`, once; whether it is complete.

    Other threads wait here until it is: the module stays a `DeferredPackage` meanwhile, so that they come here. False
    for the thread that is running it, when it asks for a name that does not exist yet.
    """
    with _running:
        loader = module.__loader__
        if not isinstance(loader, _DeferringLoader):
            return True
        if module.__name__ in _in_progress:
            return False
        _in_progress.add(module.__name__)
        try:
            loader.real.exec_module(module)
        finally:
            _in_progress.discard(module.__name__)
        module.__class__ = ModuleType
        module.__loader__ = loader.real
        if module.__spec__ is not None:
            module.__spec__.loader = loader.real
        return True


class _DeferringLoader(Loader):
    def __init__(self, real: Loader) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return DeferredPackage(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing yet: `run_init` does it."""


class _DeferringFinder:
    """Stands first in sys.meta_path; answers only for packages in `is_deferred`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not is_deferred(name):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _DeferringLoader(spec.loader)
        return spec


@contextmanager
def deferring() -> Iterator[None]:
    """Within the block, generated packages that are not yet imported are imported deferred."""
    finder = _DeferringFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def load(path: str) -> Any:
    """Import "module" or "module:attribute", deferring the generated packages on the way."""
    module, _, attribute = path.partition(":")
    with deferring():
        loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded
