"""gcpmlops: the machine-learning life cycle on Google Cloud, from one typed client.

    from gcpmlops import Client
    client = Client(project="my-project", location="us-central1")
    client.storage.create_bucket("my-data")

Importing this package imports no Google client: public names are loaded when they are first used (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gcpmlops._version import __version__

if TYPE_CHECKING:
    from gcpmlops._endpoints.strategies import BlueGreen as BlueGreen
    from gcpmlops._endpoints.strategies import Canary as Canary
    from gcpmlops._endpoints.strategies import Quality as Quality
    from gcpmlops._jobs.settings import WorkerPool as WorkerPool
    from gcpmlops._tuning.space import Categorical as Categorical
    from gcpmlops._tuning.space import Discrete as Discrete
    from gcpmlops._tuning.space import Double as Double
    from gcpmlops._tuning.space import Integer as Integer
    from gcpmlops.checks import Accepted as Accepted
    from gcpmlops.checks import Fresh as Fresh
    from gcpmlops.checks import InRange as InRange
    from gcpmlops.checks import NotNull as NotNull
    from gcpmlops.checks import RowCount as RowCount
    from gcpmlops.checks import Unique as Unique
    from gcpmlops.client import Client as Client
    from gcpmlops.config import Config as Config
    from gcpmlops.exceptions import GcpMlopsError as GcpMlopsError

_HOMES = {
    "Client": "client",
    "Config": "config",
    "Accepted": "checks",
    "Fresh": "checks",
    "InRange": "checks",
    "NotNull": "checks",
    "RowCount": "checks",
    "Unique": "checks",
    "BlueGreen": "_endpoints.strategies",
    "Canary": "_endpoints.strategies",
    "Quality": "_endpoints.strategies",
    "Categorical": "_tuning.space",
    "Discrete": "_tuning.space",
    "Double": "_tuning.space",
    "Integer": "_tuning.space",
    "WorkerPool": "training",
    "GcpMlopsError": "exceptions",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gcpmlops' has no attribute {name!r}")
    value = getattr(import_module(f"gcpmlops.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
