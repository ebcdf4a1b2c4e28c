"""What would make a training job fail, found before it is started: `checks.problems`."""

from gcpmlops._preflight.problems import Problem as Problem
from gcpmlops._preflight.problems import require as require
