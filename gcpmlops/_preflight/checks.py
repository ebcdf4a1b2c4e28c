"""All checks of a job before it starts. Nothing of the user's code is executed.

A finding is certain as far as it can be; what can't be told (unknown images, imports within `try` or `if`, parsers
that are not made of literals) is no problem.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gcpmlops._preflight import arguments, click_options, imports, inputs
from gcpmlops._preflight.problems import Problem
from gcpmlops.types import GsUri, is_gs_uri

if TYPE_CHECKING:
    from gcpmlops._job_plan import Plan
    from gcpmlops._job_spec import Pool
    from gcpmlops._packaging import SourcePackage
    from gcpmlops.clients import Clients


def problems(planned: Plan, clients: Clients) -> list[Problem]:
    """All that is found in a job's code, arguments and variables, each once."""
    found = [*_of_code(planned), *inputs.check(_mentions(planned), clients)]
    return list(dict.fromkeys(found))


def _of_code(planned: Plan) -> Iterator[Problem]:
    package = next((each for each in planned.packages.values() if each.module), None)
    if package is None:
        return
    for pool in planned.pools:
        if pool is not None and not pool.program.command:
            yield from _of_program(package, planned, pool)


def _of_program(package: SourcePackage, planned: Plan, pool: Pool) -> Iterator[Problem]:
    """One pool's module in its image, with its arguments."""
    found = imports.Imports(replace(package, module=pool.program.module))
    modules: Sequence[imports.Module] = list(found.reached.values())
    declared = package.requirements
    requirements = None if declared is None else (*declared, *planned.requirements)
    yield from imports.check(found, pool.program.image, requirements)
    if modules:
        yield from arguments.check(modules, pool.program.args)
        yield from click_options.check(modules[0], pool.program.args)


def _mentions(planned: Plan) -> list[inputs.Mention]:
    found: list[inputs.Mention] = []
    several = sum(pool is not None for pool in planned.pools) > 1
    for index, pool in enumerate(planned.pools):
        if pool is not None:
            program = pool.program
            found += inputs.mentions(program.args, program.env, pool=f"worker_pools[{index}] " * several)
            found += [
                inputs.Mention(uri, "package", "source")
                for uri in program.package_uris
                if is_gs_uri(uri) and uri not in planned.packages
            ]
    output = planned.job.job_spec.base_output_directory.output_uri_prefix
    if GsUri.parse(output).bucket != planned.staging.bucket:
        found.append(inputs.Mention(output, "output", "base_output_dir"))
    return found
