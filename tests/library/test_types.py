"""Names are checked before anything is sent, with the rule in the error."""

import pytest

from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import GsUri, check_bucket_name, check_labels, check_object_name, one_of


@pytest.mark.parametrize("name", ["abc", "a-b_c", "my.domain.com", "1" * 63, ".".join(["a" * 50] * 4)])
def test_bucket_names(name: str) -> None:
    assert check_bucket_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "Abc",
        "-abc",
        "abc-",
        "a..b",
        "a" * 64,
        "192.168.0.1",
        "goog-x",
        "my-google-data",
        "a b c",
        "a.-" + "b" * 64,
    ],
)
def test_not_bucket_names(name: str) -> None:
    with pytest.raises(InvalidArgument, match="3 to 63 characters"):
        check_bucket_name(name)


@pytest.mark.parametrize("name", ["a", "a/b", "dir/", "a//b", "..a", "../x", "ü" * 512])
def test_object_names(name: str) -> None:
    assert check_object_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb", "ü" * 513, ".well-known/acme-challenge/x"])
def test_not_object_names(name: str) -> None:
    with pytest.raises(InvalidArgument, match="1 to 1,024 bytes"):
        check_object_name(name)


def test_uri() -> None:
    assert GsUri.parse("gs://bucket/a/b") == GsUri("bucket", "a/b")
    assert str(GsUri.parse("bucket")) == "gs://bucket"
    assert str(GsUri("bucket", "a/") / "b") == "gs://bucket/a/b"
    assert str(GsUri("bucket") / "b") == "gs://bucket/b"
    with pytest.raises(InvalidArgument):
        GsUri.object("gs://bucket")


def test_labels() -> None:
    assert check_labels({"team": "risk", "x": ""}) == {"team": "risk", "x": ""}
    for bad in ({"Team": "x"}, {"1": "x"}, {"a": "X"}, {"a" * 64: "x"}):
        with pytest.raises(InvalidArgument, match="at most 63 characters"):
            check_labels(bad)


def test_one_of_suggests() -> None:
    assert one_of("nearline", ("NEARLINE",), field="storage_class") == "NEARLINE"
    with pytest.raises(InvalidArgument, match="Did you mean 'NEARLINE'"):
        one_of("neerline", ("STANDARD", "NEARLINE"), field="storage_class")
