"""What would make a training job fail, found before it is started. Nothing of the user's code is executed.

A finding is certain as far as it can be; what can't be told (unknown images, imports within `try` or `if`, parsers
that are not made of literals) is no problem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcpmlops._preflight.problems import Problem, require

if TYPE_CHECKING:
    from gcpmlops._job_plan import Plan
    from gcpmlops.clients import Clients

__all__ = ["Problem", "problems", "require"]


def problems(planned: Plan, clients: Clients) -> list[Problem]:
    """All that is found in a job's code, arguments and variables."""
    return []
