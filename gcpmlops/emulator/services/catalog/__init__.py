"""Every service and the runtimes behind it. Heavy ones are imported when their host is first asked for.

Each class adds its services to those below it: parts, metrics, messages, watching, vertex, functions, services.
"""

from gcpmlops.emulator.services.catalog.packages import PACKAGES
from gcpmlops.emulator.services.catalog.services import Services

__all__ = ["PACKAGES", "Services"]
