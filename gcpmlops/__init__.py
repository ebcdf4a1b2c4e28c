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
    from gcpmlops._job_settings import WorkerPool as WorkerPool
    from gcpmlops._strategies import BlueGreen as BlueGreen
    from gcpmlops._strategies import Canary as Canary
    from gcpmlops._strategies import Quality as Quality
    from gcpmlops._tuning_space import Categorical as Categorical
    from gcpmlops._tuning_space import Discrete as Discrete
    from gcpmlops._tuning_space import Double as Double
    from gcpmlops._tuning_space import Integer as Integer
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
    "BlueGreen": "_strategies",
    "Canary": "_strategies",
    "Quality": "_strategies",
    "Categorical": "_tuning_space",
    "Discrete": "_tuning_space",
    "Double": "_tuning_space",
    "Integer": "_tuning_space",
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
