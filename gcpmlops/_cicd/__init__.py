"""The parts of `client.cicd`: the definition, its steps, its renderings."""
