"""`aiplatform.autolog()` with scikit-learn. Argument: the SDK's transport."""

import sys
import uuid
from pathlib import Path

import numpy as np
from google.cloud import aiplatform
from sklearn.linear_model import LinearRegression

transport = sys.argv[1]
name = f"auto-{uuid.uuid4().hex[:8]}"
features = np.array([[1, 1], [1, 2], [2, 2], [2, 3]])
target = np.dot(features, np.array([1, 2])) + 3

board = aiplatform.Tensorboard.create(display_name=name, location="us-central1")
aiplatform.init(
    location="us-central1", experiment=name, experiment_tensorboard=board, api_transport=transport
)  # fmt: skip
aiplatform.autolog()
LinearRegression().fit(features, target)
frame = aiplatform.get_experiment_df()
assert len(frame) == 1
assert frame["run_name"][0].startswith("sklearn-"), frame
assert frame["param.fit_intercept"][0] == "True"
assert frame["metric.training_mean_absolute_error"][0] < 1e-6
assert frame["state"][0] == "COMPLETE"

aiplatform.start_run("mine")
model = LinearRegression(fit_intercept=False).fit(features, target)
model.score(features, target)
aiplatform.end_run()
frame = aiplatform.get_experiment_df().set_index("run_name")
assert len(frame) == 2
assert frame.loc["mine", "param.fit_intercept"] == "False"
assert frame.loc["mine", "state"] == "COMPLETE"
assert any(column.startswith("metric.LinearRegression_score") for column in frame.columns), frame.columns

aiplatform.autolog(disable=True)
LinearRegression().fit(features, target)
assert len(aiplatform.get_experiment_df()) == 2
assert not Path("mlruns").is_dir()
print(f"autologged over {transport}")
