import pytest

from gcpmlops.emulator.runtimes import images


@pytest.mark.parametrize(
    ("uri", "framework", "first_package", "python"),
    [
        ("us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6.py310:latest", "sklearn", "scikit-learn==1.6.*", 10),
        ("europe-docker.pkg.dev/vertex-ai/training/scikit-learn-cpu.0-23:latest", "sklearn", "scikit-learn==0.23.*", 8),
        ("asia-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest", "sklearn", "scikit-learn==1.5.*", 10),
        ("gcr.io/cloud-aiplatform/training/xgboost-cpu.1-7", "xgboost", "xgboost==1.7.*", 10),
        ("us-docker.pkg.dev/vertex-ai/prediction/xgboost-cpu.2-1:latest", "xgboost", "xgboost-cpu==2.1.*", 10),
        ("us-docker.pkg.dev/vertex-ai/training/pytorch-gpu.2-4.py310:latest", "pytorch", "torch==2.4.*", 10),
        ("us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest", "tf", "tensorflow-cpu==2.15.*", 10),
    ],
)
def test_prebuilt_images(uri: str, framework: str, first_package: str, python: int) -> None:
    image = images.parse(uri)
    assert image is not None
    assert (image.framework, image.packages[0], image.pythons[0]) == (framework, first_package, python)
    assert image.serving == ("/prediction/" in uri)


@pytest.mark.parametrize(
    ("uri", "pythons"),
    [
        ("python:3.11", (11,)),
        ("python:3.12-slim", (12,)),
        ("docker.io/library/python:3.10.4-slim-bookworm", (10,)),
    ],
)
def test_docker_python(uri: str, pythons: tuple[int, ...]) -> None:
    image = images.parse(uri)
    assert image is not None
    assert image.bare
    assert image.pythons == pythons


def test_newest_python_at_hand_stands_for_an_open_version() -> None:
    image = images.parse("python:3-slim")
    assert image is not None
    assert list(image.pythons) == sorted(image.pythons, reverse=True)


@pytest.mark.parametrize(
    "uri", ["nginx", "python:2.7", "us-docker.pkg.dev/my-project/repo/image:1", "", "xpython:3.11"]
)
def test_other_images_are_unknown(uri: str) -> None:
    assert images.parse(uri) is None


def test_an_unknown_framework_version_lists_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"sklearn-cpu\.1-6"):
        images.parse("us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.9-9.py310:latest")


def test_images_for_the_pythons_at_hand() -> None:
    working = images.images_for("sklearn", {13})
    assert "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6.py310:latest" in working
    assert not [uri for uri in working if "0-23" in uri]


def test_prediction_images_are_listed_by_their_own_names() -> None:
    with pytest.raises(LookupError, match=r"tf2-cpu\.2-15"):
        images.parse("us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.9-9:latest")
    working = images.images_for("tf", {11}, images.PREDICTION)
    assert working[-1] == "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"


def test_prediction_images_have_what_their_server_needs() -> None:
    for framework, handler in (("sklearn-cpu.1-6", False), ("pytorch-cpu.2-4", True)):
        image = images.parse(f"us-docker.pkg.dev/vertex-ai/prediction/{framework}:latest")
        assert image is not None
        assert {"httptools", "uvloop"} <= set(image.packages)
        assert ("torchserve" in image.packages) is handler
