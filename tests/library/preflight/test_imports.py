"""Imports that the image and the requirements lack. What can't be told is no problem."""

# ruff: noqa: E501 - programs are given in one line

from pathlib import Path

import pytest

from gcpmlops._jobs import packaging
from gcpmlops._preflight import imports

SKLEARN, XGBOOST, TORCH, TF, PYTHON = (
    "sklearn-cpu.1-6", "xgboost-cpu.2-1", "pytorch-gpu.2-4.py310", "tf-cpu.2-15.py310:latest", "python:3.11",
)  # fmt: skip

LACKING = [  # code, image, requirements, what is missing
    ("import lightgbm", SKLEARN, [], ["lightgbm"]),
    ("import lightgbm.sklearn as s, catboost", SKLEARN, ["lightgbm"], ["catboost"]),
    ("import matplotlib.pyplot as plt", SKLEARN, ["lightgbm"], ["matplotlib.pyplot"]),
    ("import xgboost", SKLEARN, [], ["xgboost"]),
    ("import torch", SKLEARN, [], ["torch"]),
    ("import pandas as pd", PYTHON, [], ["pandas"]),
    ("import sklearn", PYTHON, ["pandas"], ["sklearn"]),
    ("import yaml, cv2, PIL", PYTHON, ["pandas"], ["yaml", "cv2", "PIL"]),
    ("from google.cloud import storage, pubsub_v1", SKLEARN, [], ["google.cloud.pubsub_v1"]),
    ("from google.cloud import aiplatform", SKLEARN, [], ["google.cloud.aiplatform"]),
    ("from google.cloud.secretmanager import x", SKLEARN, [], ["google.cloud.secretmanager"]),
    ("import vertexai", SKLEARN, [], ["vertexai"]),
    ("import our_company_lib", SKLEARN, [], ["our_company_lib"]),
    ("with open('x') as f:\n    import shap", SKLEARN, [], ["shap"]),
    ("try:\n    import shap\nfinally:\n    pass", SKLEARN, [], ["shap"]),
    ("try:\n    import shap\nexcept ValueError:\n    pass", SKLEARN, [], ["shap"]),
    ("class A:\n    import shap", SKLEARN, [], ["shap"]),
    ("def main():\n    import shap\nif __name__ == '__main__':\n    main()", SKLEARN, [], ["shap"]),
    ("import asyncio\nasync def main():\n    import shap\nasyncio.run(main())", SKLEARN, [], ["shap"]),
    ("def f():\n    g()\ndef g():\n    import shap\nx = [f()]", SKLEARN, [], ["shap"]),
    ("import shap\nimport shap.plots", SKLEARN, [], ["shap"]),
]

GOOD = [  # code, image, requirements
    ("import os, sys, json, distutils.util, asyncio.subprocess, xml.etree.ElementTree", SKLEARN, []),
    ("import numpy as np\nimport pandas as pd\nfrom sklearn.ensemble import RandomForestClassifier", SKLEARN, []),
    ("import joblib, scipy.stats, threadpoolctl, pyarrow.parquet, fsspec, gcsfs, hypertune, requests", SKLEARN, []),
    ("from google.cloud import bigquery, storage, bigquery_storage\nimport google.auth", SKLEARN, []),
    ("import google.protobuf, google.api_core.exceptions, google.oauth2.service_account", SKLEARN, []),
    ("from google import auth\nimport google", SKLEARN, []),
    ("import xgboost as xgb\nfrom sklearn.metrics import roc_auc_score", XGBOOST, []),
    ("import torch, torch.nn as nn\nimport torchvision\nimport numpy", TORCH, []),
    ("import tensorflow as tf\nfrom tensorflow import keras\nimport keras, h5py, tensorboard", TF, []),
    ("import tensorflow_datasets as tfds", TF, []),
    ("import yaml, cv2, PIL, bs4", PYTHON, ["PyYAML>=6", "opencv-python-headless", "Pillow", "beautifulsoup4==4.*"]),
    ("import dateutil, numpy, pytz", PYTHON, ["pandas"]),
    ("import sklearn", PYTHON, ["scikit_learn"]),
    ("import lightgbm, numpy", PYTHON, ["lightgbm[scikit-learn]==4.5"]),
    ("import acme_sdk, numpy", PYTHON, ["acme-sdk"]),
    ("import psycopg2", PYTHON, ["psycopg2"]),
    ("import dotenv", PYTHON, ["python-dotenv"]),
    ("import setuptools, pkg_resources", PYTHON, []),
    ("import acme", PYTHON, ["acme @ git+https://example.com/acme.git"]),
    ("import acme_sdk", PYTHON, ["some-internal-bundle"]),  # who knows what it has
    ("import numpy", PYTHON, ["some-internal-bundle"]),
    ("import some_internal_bundle, pandas", PYTHON, ["some-internal-bundle", "pandas"]),
    ("import anything.at.all", "gcr.io/mine/image:1", []),
    ("import anything", "us-docker.pkg.dev/mine/training/sklearn-cpu.1-6:latest", []),
    ("try:\n    import shap\nexcept ImportError:\n    shap = None", SKLEARN, []),
    ("try:\n    import shap\nexcept (ModuleNotFoundError, AttributeError):\n    shap = None", SKLEARN, []),
    ("try:\n    import shap\nexcept:\n    shap = None", SKLEARN, []),
    ("import contextlib\nwith contextlib.suppress(ImportError):\n    import shap", SKLEARN, []),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import shap", SKLEARN, []),
    ("import sys\nif '--explain' in sys.argv:\n    import shap", SKLEARN, []),
    ("def explain():\n    import shap", SKLEARN, []),
    ("def explain():\n    import shap\nx = explain", SKLEARN, []),
    ("def main(x=None):\n    if x is None:\n        return\n    import shap\nmain()", SKLEARN, []),
    ("def main():\n    import shap\nTrue and main()", SKLEARN, []),
    ("import sys\nsys.path.insert(0, '/gcs/mine/lib')\nimport our_lib", SKLEARN, []),
    ("import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'x'])\nimport our_lib", SKLEARN, []),
    ("for name in ():\n    import shap", SKLEARN, []),
    ("import __main__", SKLEARN, []),
]  # fmt: skip


@pytest.mark.parametrize(("code", "image", "requirements", "missing"), LACKING)
def test_lacking(found, code: str, image: str, requirements: list[str], missing: list[str]) -> None:
    problems = found(code, image=image, requirements=requirements)
    assert [problem.kind for problem in problems] == ["import"] * len(missing)
    assert [problem.what.rpartition(" ")[2] for problem in problems] == missing
    assert all("train.py:" in problem.where and "requirements" in problem.fix for problem in problems)


@pytest.mark.parametrize(("code", "image", "requirements"), GOOD)
def test_good(found, code: str, image: str, requirements: list[str]) -> None:
    assert found(code, image=image, requirements=requirements) == []


def test_the_line_and_the_distribution_are_named(found) -> None:
    (problem,) = found("import os\n\nfrom skimage.filters import sobel\n", image=SKLEARN)
    assert problem.where.endswith("train.py:3")
    assert problem.fix == 'Put "scikit-image" into requirements.'
    assert str(problem).startswith(problem.where)


def test_a_module_beside_the_script_is_not_packed(found, files) -> None:
    files(**{"helper.py": "X = 1"})
    (problem,) = found("import helper", image=SKLEARN)
    assert "is yours" in problem.what
    assert "Give the folder" in problem.fix


def test_modules_of_a_folder(nowhere, files) -> None:
    folder = files(**{
        "main.py": "import helper\nfrom part import one\nimport part.two\n",
        "helper.py": "import shap",
        "part/__init__.py": "from . import two\nfrom .two import Y",
        "part/one.py": "from part import two",
        "part/two.py": "Y = 1",
        "never_imported.py": "import catboost",
    })  # fmt: skip
    problems = nowhere.training.preflight(folder, image=SKLEARN)
    assert [(p.what.rpartition(" ")[2], Path(p.where).name) for p in problems] == [("shap", "helper.py:1")]


def test_modules_of_a_package(nowhere, files) -> None:
    folder = files(**{
        "trainer/__init__.py": "",
        "trainer/task.py": "from trainer import data\nfrom . import model\nimport trainer.gone\nimport data\n"
        "from .nothing import x\nfrom ... import far\n",
        "trainer/data.py": "",
        "trainer/model.py": "import this is not python",
    })  # fmt: skip
    found = {p.where.rpartition("/")[2]: p for p in nowhere.training.preflight(folder / "trainer", image=SKLEARN)}
    assert "no module trainer.gone" in found["task.py:3"].what
    assert found["task.py:4"].fix == "Import it as trainer.data: the code runs as a package."
    assert "no module trainer.nothing" in found["task.py:5"].what
    assert "goes beyond the package" in found["task.py:6"].what
    assert "can't read it" in found["model.py:1"].what


def test_a_project_declares_its_requirements(nowhere, files) -> None:
    project = {
        "src/mine/__init__.py": "",
        "src/mine/__main__.py": "import mine.core",
        "src/mine/core.py": "import shap, lightgbm",
    }
    folder = files(
        **project, **{"pyproject.toml": '[project]\nname = "mine"\nversion = "1"\ndependencies = ["shap"]\n'}
    )
    (problem,) = nowhere.training.preflight(folder, image=SKLEARN)
    assert (problem.what.rpartition(" ")[2], problem.where.endswith("src/mine/core.py:1")) == ("lightgbm", True)
    (folder / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\ndynamic = ["dependencies"]\n')
    assert nowhere.training.preflight(folder, image=SKLEARN) == []


@pytest.mark.parametrize(
    ("setup", "count"),
    [
        ("setup(name='mine', install_requires=['shap'])", 0),
        ("setup(name='mine')", 1),
        ("setup(**read())", 0),
        ("setup(name='mine', install_requires=open('requirements.txt').read().split())", 0),
    ],
)
def test_setup_py_is_read_and_not_run(nowhere, files, setup: str, count: int) -> None:
    code = f"from setuptools import setup\n1/0\n{setup}\n"
    folder = files(**{"setup.py": code, "mine/__init__.py": "", "mine/task.py": "import shap"})
    assert len(nowhere.training.preflight(folder, image=SKLEARN)) == count


def test_compiled_and_generated_modules_are_trusted(files) -> None:
    folder = files(**{"trainer/__init__.py": "", "trainer/task.py": "from . import fast", "trainer/fast.so": ""})
    assert imports.Imports(packaging.build(folder / "trainer")).problems == []


def test_each_pool_is_judged_in_its_image(nowhere, files) -> None:
    from gcpmlops.training import WorkerPool

    folder = files(**{"train.py": "import xgboost"})
    pools = [WorkerPool(image=XGBOOST), WorkerPool(image=SKLEARN, replica_count=2), None]
    (problem,) = nowhere.training.preflight(folder / "train.py", worker_pools=pools)
    assert problem.what.startswith("sklearn-cpu.1-6")


def test_nothing_of_the_code_is_run(found, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    assert found(f"open({str(mark)!r}, 'w')\nraise SystemExit(3)\n", image=SKLEARN) == []
    assert not mark.exists()


@pytest.mark.parametrize("image", ["sklearn-cpu.1-6", "xgboost-cpu.2-1", "pytorch-cpu.2-4", "tf-cpu.2-15"])
def test_the_emulators_images_have_what_preflight_says(image: str) -> None:
    import re

    from gcpmlops._preflight import distributions
    from gcpmlops.emulator.runtimes import images

    uri = f"us-docker.pkg.dev/vertex-ai/training/{image}:latest"
    known, local = distributions.available(uri, []), images.parse(uri)
    assert known is not None
    assert local is not None
    names = {re.split(r"[<=>!~]", package)[0].removesuffix("-cpu") for package in local.packages}
    assert names <= known.surely
    table = distributions._table()["images"][image.partition("-")[0]]["brings"]
    assert set(table) <= names
