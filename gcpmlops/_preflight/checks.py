"""All checks of a job before it starts. Nothing of the user's code is executed.

A finding is certain as far as it can be; what can't be told (unknown images, imports within `try` or `if`, parsers
that are not made of literals) is no problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gcpmlops._preflight import arguments, click_options, imports, inputs
from gcpmlops._preflight.problems import Problem
from gcpmlops.types import GsUri

if TYPE_CHECKING:
    from gcpmlops._jobs.packaging import SourcePackage
    from gcpmlops._jobs.plan import Plan
    from gcpmlops._jobs.spec import Pool
    from gcpmlops.clients import Clients


def problems(planned: Plan, clients: Clients) -> list[Problem]:
    """All that is found in a job's code, arguments and variables, each once."""
    package = next((each for each in planned.packages.values() if each.module), None)
    found: list[Problem] = []
    mentioned = [inputs.Mention(uri, "package", "source") for uri in _foreign_packages(planned)]
    several = sum(pool is not None for pool in planned.pools) > 1
    for index, pool in enumerate(planned.pools):
        if pool is None:
            continue
        code = None if package is None or pool.program.command else _Code(package, pool)
        found += code.problems(planned) if code else []
        prefix = f"worker_pools[{index}] " * several
        mentioned += inputs.mentions(
            pool.program.args, pool.program.env, pool=prefix, names=code.positionals() if code else {}
        )
    found += inputs.check([*mentioned, *_output(planned)], clients)
    return list(dict.fromkeys(found))


class _Code:
    """One pool's module in its image, with its arguments."""

    def __init__(self, package: SourcePackage, pool: Pool) -> None:
        self._package = package
        self._program = pool.program
        self._imports = imports.Imports(replace(package, module=pool.program.module))
        self._modules: Sequence[imports.Module] = list(self._imports.reached.values())

    def problems(self, planned: Plan) -> list[Problem]:
        """With its imports and its arguments."""
        declared = self._package.requirements
        requirements = None if declared is None else (*declared, *planned.requirements)
        found = list(imports.check(self._imports, self._program.image, requirements))
        if self._modules:
            found += arguments.check(self._modules, self._program.args)
            found += click_options.check(self._modules[0], self._program.args)
        return found

    def positionals(self) -> dict[str, str]:
        """Names of words without an option."""
        return arguments.positionals(self._modules, self._program.args) if self._modules else {}


def _foreign_packages(planned: Plan) -> list[str]:
    """Packages that are in Cloud Storage already, or should be."""
    uris = (uri for pool in planned.pools if pool for uri in pool.program.package_uris)
    return [uri for uri in uris if uri not in planned.packages]


def _output(planned: Plan) -> list[inputs.Mention]:
    """The output folder, where it is not in the staging bucket, which is made if need be."""
    uri = planned.job.job_spec.base_output_directory.output_uri_prefix
    elsewhere = GsUri.parse(uri).bucket != planned.staging.bucket
    return [inputs.Mention(uri, "output", "base_output_dir")] if elsewhere else []
