"""The delivery as a declarative Jenkinsfile: credentials bound from Jenkins' store for the stages that need them."""

from __future__ import annotations

from pathlib import Path

from gcpmlops._cicd import shell
from gcpmlops._cicd.definition import Definition

_CREDENTIALS = "gcpmlops-delivery"


def render(definition: Definition, root: Path) -> str:
    """The file's text, without its header."""
    checks, deliveries = shell.checks(definition), shell.deliveries(definition)
    stages = [_stage("install", shell.install(definition, root, options="--user"))]
    stages += [_stage(name, shell.step(definition, root, name)) for name in checks]
    stages.append(_delivery(definition, root, deliveries))
    return (
        "pipeline {\n"
        f"{_indented(_agent(definition))}"
        "  options {\n"
        "    disableConcurrentBuilds()\n"
        "    timeout(time: 2, unit: 'HOURS')\n"
        "  }\n"
        "  environment {\n"
        f"{_indented(_variables(definition), 2)}"
        "  }\n"
        "  stages {\n"
        f"{_indented(''.join(stages), 2)}"
        "  }\n"
        "  post {\n"
        "    always {\n"
        f"      archiveArtifacts artifacts: {_quoted(shell.workspace(definition, root))}, allowEmptyArchive: true\n"
        "    }\n"
        "  }\n"
        "}\n"
    )


def _agent(definition: Definition) -> str:
    """A container; an agent of that label where there is one."""
    label = definition.jenkins.get("agent")
    image = definition.jenkins.get("image", f"python:{definition.python}")
    if label and "image" not in definition.jenkins:
        return f"agent {{ label {_quoted(label)} }}\n"
    lines = ["agent {", "  docker {", f"    image {_quoted(image)}"]
    lines += [f"    label {_quoted(label)}"] if label else []
    return "\n".join([*lines, "  }", "}"]) + "\n"


def _variables(definition: Definition) -> str:
    """A project that the definition does not name is an environment variable of Jenkins'."""
    found = {
        "GCPMLOPS_PROJECT": definition.project,
        "GCPMLOPS_LOCATION": definition.location,
        "GCPMLOPS_STAGING_BUCKET": definition.staging_bucket,
    }
    lines = [f"{name} = {_quoted(value)}" for name, value in found.items() if value]
    # what pip puts there is in this workspace, whoever the container runs as
    lines.append('HOME = "${env.WORKSPACE}/.home"')
    return "\n".join(lines) + "\n"


def _delivery(definition: Definition, root: Path, names: list[str]) -> str:
    stages = "".join(_stage(name, shell.step(definition, root, name)) for name in names)
    credentials = definition.jenkins.get("credentials", _CREDENTIALS)
    return (
        "stage('deliver') {\n"
        f"  when {{ branch {_quoted(definition.branch)} }}\n"
        "  environment {\n"
        "    // a file: the configuration of a workload identity federation\n"
        f"    GOOGLE_APPLICATION_CREDENTIALS = credentials({_quoted(credentials)})\n"
        "  }\n"
        "  stages {\n"
        f"{_indented(stages, 2)}"
        "  }\n"
        "}\n"
    )


def _stage(name: str, command: str) -> str:
    line = f'export PATH="$HOME/.local/bin:$PATH"; {command}'
    return f"stage({_quoted(name)}) {{\n  steps {{\n    sh {_quoted(line)}\n  }}\n}}\n"


def _quoted(text: str) -> str:
    """In Groovy's plain quotes, in which nothing is replaced."""
    for plain, escape in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, escape)
    return f"'{text}'"


def _indented(text: str, levels: int = 1) -> str:
    return "".join(f"{'  ' * levels}{line}\n" for line in text.removesuffix("\n").split("\n"))
