"""One step of a build as a supervised process: in an environment, by this machine's tools, or in Docker."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from gcpmlops.emulator.runtimes import build_docker
from gcpmlops.emulator.runtimes.build_images import BuildImages, Stand
from gcpmlops.emulator.runtimes.build_masking import MaskedStream, Masking
from gcpmlops.emulator.runtimes.build_spec import StepEnd, StepSpec, StepState
from gcpmlops.emulator.runtimes.build_workspace import HOME, OUTPUTS, WORKSPACE, BuildWorkspace, View
from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.layer import make_layer
from gcpmlops.emulator.runtimes.process import Exit, Processes, ProcessSpec

_LINE_LIMIT = 1 << 16
_SHEBANG = "#!/bin/sh\n"

OnLine = Callable[[StepSpec, str], None]


class StepProcess:
    """Runs the steps of one build.

    Args:
        processes: supervises them.
        images: what stands for their images.
        workspace: their folders.
        base: variables that lead their Google calls back to the emulator.
        masking: hides secrets in what they print.
        on_line: gets that, line by line.
        build_id: names containers.
    """

    def __init__(
        self,
        processes: Processes,
        images: BuildImages,
        workspace: BuildWorkspace,
        *,
        base: Mapping[str, str],
        masking: Masking,
        on_line: OnLine,
        build_id: str,
    ) -> None:
        self._processes = processes
        self._images = images
        self._workspace = workspace
        self._base = base
        self._masking = masking
        self._on_line = on_line
        self._build_id = build_id

    def __call__(self, step: StepSpec, cancellation: Cancellation) -> StepEnd:
        """Runs it to its end. Raises: InvalidArgument, FailedPrecondition where it can't be started; Cancelled."""
        with ExitStack() as cleanups:
            spec = self._prepared(step, cancellation, cleanups)
            printed = MaskedStream(self._masking, _LINE_LIMIT, lambda text: self._on_line(step, text))
            cancellation.check()
            process = self._processes.start(spec, lambda _, text: printed.line(text), _nothing)
            with cancellation.calls(process.cancel):
                end = process.wait()
            printed.close()
        return _end(end)

    def _prepared(self, step: StepSpec, cancellation: Cancellation, cleanups: ExitStack) -> ProcessSpec:
        stand = self._images.resolve(step.image)
        view = self._workspace.view(step.index, step.volumes)
        if stand.in_docker:
            return self._in_docker(step, view, cleanups)
        layered = self._environment(step, stand, cancellation)
        own = {key: view.rewrite(value) for key, value in step.env.items()}
        env = {
            **self._base,
            **self._workspace.variables(),
            **layered,
            "HOME": str(self._workspace.home),
            "BUILDER_OUTPUT": str(view.folders[OUTPUTS]),
            **own,
            **step.secrets,
        }
        if step.script:
            argv = [*stand.prefix, *self._script(step, view.rewrite)]
        else:
            argv = [view.rewrite(word) for word in stand.words(step.entrypoint, step.args)]
        cwd = view.directory(step.folder)
        return ProcessSpec(
            argv or ["true"],
            env,
            cwd,
            timeout_s=step.timeout_s,
            line_limit=_LINE_LIMIT,
            mounts=view.mounts(),
            one_stream=True,
        )

    def _environment(self, step: StepSpec, stand: Stand, cancellation: Cancellation) -> dict[str, str]:
        """The variables of the step's own layer on the environment of its image.

        A command that the user has mapped an image to finds, last of all, what is installed beside the emulator: it may
        have been started by its path.
        """
        if stand.prefix:
            return {"PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])}
        if stand.image is None:
            return {}
        environment = self._images.environments.ensure(
            stand.image, on_line=lambda _, text: self._on_line(step, text), cancellation=cancellation
        )
        layer = make_layer(
            environment, self._workspace.folder("layers") / str(step.index), self._workspace.home / ".local"
        )
        return layer.variables()

    def _script(self, step: StepSpec, rewrite: Callable[[str], str]) -> list[str]:
        path = self._workspace.folder("scripts") / f"step-{step.index}"
        path.write_text(rewrite(step.script if step.script.startswith("#!") else f"{_SHEBANG}{step.script}"), "utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return [str(path)]

    def _in_docker(self, step: StepSpec, view: View, cleanups: ExitStack) -> ProcessSpec:
        name = f"gcpmlops-{self._build_id}-{step.index}"
        cleanups.callback(build_docker.remove, name)
        words = self._script(step, lambda text: text) if step.script else []
        env = {**self._base, "HOME": HOME, "BUILDER_OUTPUT": OUTPUTS, **step.env, **step.secrets}
        argv = build_docker.command(name, step, view.folders, env, script=words[0] if words else "")
        everything = {**os.environ, **env}
        return ProcessSpec(
            argv, everything, view.folders[WORKSPACE], timeout_s=step.timeout_s, line_limit=_LINE_LIMIT, one_stream=True
        )


def _nothing(_: Exit) -> None:
    """Whoever started the process waits for it."""


def _end(end: Exit) -> StepEnd:
    if end.timed_out:
        return StepEnd(StepState.TIMEOUT, end.code, "step timed out")
    if end.cancelled:
        return StepEnd(StepState.CANCELLED, end.code)
    if end.code == 0:
        return StepEnd(StepState.SUCCESS, 0)
    if end.code is None and end.signal is None:
        return StepEnd(StepState.FAILURE, None, end.describe())
    code = end.code if end.code is not None else 128 + (end.signal or 0)  # as a container's
    return StepEnd(StepState.FAILURE, code, f"step exited with non-zero status: {code}")
