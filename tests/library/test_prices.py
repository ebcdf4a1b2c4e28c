"""Prices per hour: the package's table, a file of one's own, and what neither knows."""

import json
from pathlib import Path

import pytest

from gcpmlops import exceptions
from gcpmlops._endpoints.prices import Prices, dollars, total


def test_replicas_and_accelerators_count() -> None:
    one = Prices().of("n1-standard-4", location="us-central1")
    assert one.per_hour == pytest.approx(0.2185, abs=0.001)  # the price on Google's page
    assert str(one).startswith("about $0.22/hour for 1 x n1-standard-4 (list prices of ")
    many = Prices().of(
        "n1-standard-4",
        location="us-central1",
        replicas=2,
        max_replicas=5,
        accelerator_type="NVIDIA_TESLA_T4",
        accelerator_count=1,
    )
    assert many.per_hour == pytest.approx(2 * (0.2185 + 0.4025), abs=0.01)
    assert many.max_per_hour == pytest.approx(2.5 * (many.per_hour or 0))
    assert many.what == "2 to 5 x n1-standard-4 with 1 x NVIDIA_TESLA_T4"


def test_location_and_size_by_name() -> None:
    prices = Prices()
    here, there = (prices.of("e2-standard-2", location=name).per_hour for name in ("us-central1", "europe-west4"))
    assert here == pytest.approx(0.0771, abs=0.001)
    assert there == pytest.approx((here or 0) * 1.101)


def test_built_in_accelerators_are_counted_once() -> None:
    named = Prices().of(
        "a2-highgpu-1g", location="us-central1", accelerator_type="NVIDIA_TESLA_A100", accelerator_count=1
    )
    assert named.per_hour == Prices().of("a2-highgpu-1g", location="us-central1").per_hour
    assert named.per_hour == pytest.approx(4.22, abs=0.02)
    assert Prices().of("g2-standard-8", location="us-central1").per_hour == pytest.approx(0.982, abs=0.001)
    assert Prices().of("a3-highgpu-8g", location="us-central1").per_hour == pytest.approx(101, abs=0.1)


@pytest.mark.parametrize(
    ("machine", "location", "accelerator"),
    [
        ("quantum-1", "us-central1", ""),
        ("n1-standard-x", "us-central1", ""),
        ("n1-standard-4", "moon-east1", ""),
        ("n1-standard-4", "us-central1", "NVIDIA_Z1"),
        ("", "us-central1", ""),
    ],
)
def test_what_is_unknown_is_said(machine: str, location: str, accelerator: str) -> None:
    price = Prices().of(
        machine, location=location, accelerator_type=accelerator, accelerator_count=1 if accelerator else 0
    )
    assert (price.per_hour, price.max_per_hour) == (None, None)
    assert str(price).startswith("unknown price for 1 x ")
    assert total([price, Prices().of("n1-standard-4", location="us-central1")]) == "$0.22/hour and 1 unknown"
    assert total([price]) == "unknown"


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"as_of": "2026-10", "machines": {"n1-standard-4": 0.1, "quantum-1": 9}}))
    prices = Prices(file)
    assert prices.of("n1-standard-4", location="moon-east1").per_hour == 0.1
    assert prices.of("quantum-1", location="europe-west4", replicas=2).per_hour == 18
    assert "2026-10" in str(prices.of("n1-standard-4", location="us-central1"))
    assert prices.of("n1-standard-2", location="us-central1").per_hour == pytest.approx(0.109, abs=0.001)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"machine": {}}', "unknown key 'machine'"),
        ('{"machines": {"n1-standard-4": "cheap"}}', "n1-standard-4 is 'cheap'"),
        ('{"families": {"n1": {"vcpu": 1}}}', "n1 is"),
    ],
)
def test_a_wrong_file(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(exceptions.InvalidArgument, match=why):
        Prices(file)
    with pytest.raises(exceptions.InvalidArgument, match="No such file"):
        Prices(tmp_path / "none.json")


def test_small_amounts() -> None:
    assert (dollars(0.0551), dollars(None), dollars(0.0), dollars(1234.5)) == (
        "$0.055/hour",
        "unknown",
        "$0.00/hour",
        "$1,234.50/hour",
    )
