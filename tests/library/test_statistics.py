"""Distances against scipy and naive code, on whatever hypothesis finds."""

import math
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import jensenshannon

from gcpmlops import statistics

few = settings(max_examples=60, deadline=None)
values = arrays.arrays(np.float64, st.integers(0, 60), elements=st.floats(allow_subnormal=False))
counts = st.integers(2, 12).flatmap(lambda n: st.tuples(*(st.lists(st.integers(0, 9), min_size=n, max_size=n),) * 2))
words = st.dictionaries(st.text(max_size=2), st.integers(1, 9), max_size=6)


@few
@given(counts)
def test_jensen_shannon_is_scipys_squared(pair):
    p, q = pair
    found = statistics.jensen_shannon(p, q)
    if not sum(p) or not sum(q):
        assert math.isnan(found)
    else:
        assert found == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-9)
        assert 0 <= found <= 1
        assert found == statistics.jensen_shannon(q, p)


@few
@given(words, words)
def test_l_infinity_is_the_largest_difference_of_shares(p, q):
    found = statistics.l_infinity(p, q)
    if not p or not q:
        assert math.isnan(found)
    else:
        naive = max(abs(p.get(w, 0) / sum(p.values()) - q.get(w, 0) / sum(q.values())) for w in {*p, *q})
        assert found == pytest.approx(naive)


@few
@given(values, values)
def test_histograms_count_every_value_once(p, q):
    ends = statistics.finite_range(p, q)
    if ends is None:
        assert not np.isfinite(np.concatenate((p, q))).any()
        return
    edges = statistics.equal_width_edges(*ends)
    for sample in (p, q):
        found = statistics.histogram(sample, edges)
        naive = Counter(_interval(value, edges) for value in sample if not math.isnan(value))
        assert found.tolist() == [naive[n] for n in range(len(edges) - 1)]


def _interval(value, edges):
    return min(max(sum(1 for edge in edges if edge <= value) - 1, 0), len(edges) - 2)


@few
@given(values)
def test_quantile_edges_span_the_sample(sample):
    finite = sample[np.isfinite(sample)]
    if not finite.size:
        with pytest.raises(ValueError, match="no quantiles"):
            statistics.quantile_edges(sample)
    else:
        edges = statistics.quantile_edges(sample)
        assert edges[0] <= finite.min()
        assert edges[-1] >= finite.max()
        assert (np.diff(edges) > 0).all()
        assert statistics.histogram(finite, edges).sum() == finite.size


@few
@given(values, values)
def test_kolmogorov_smirnov_is_the_largest_gap_of_cumulative_shares(p, q):
    found = statistics.kolmogorov_smirnov(p, q)
    first, second = p[~np.isnan(p)], q[~np.isnan(q)]
    if not first.size or not second.size:
        assert math.isnan(found)
    else:
        gaps = (abs((first <= x).mean() - (second <= x).mean()) for x in (*first, *second))
        assert found == pytest.approx(max(gaps))


def test_rebinning_keeps_the_sum_and_spreads_evenly():
    edges, to = np.array([0.0, 2.0, 4.0]), np.array([-1.0, 0.0, 1.0, 2.0, 4.0, 5.0])
    assert statistics.rebinned([4, 6], edges, to).tolist() == [0, 2, 2, 6, 0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, None, 3], [1, math.nan, 3]),
        ([True, False], [1, 0]),
        (np.array(["1970-01-01T00:00:01.5", "NaT"], dtype="datetime64[ns]"), [1.5, math.nan]),
        ([], []),
    ],
)
def test_numbers_of_every_kind(given, expected):
    assert statistics.numbers(given).tolist() == pytest.approx(expected, nan_ok=True)


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="could not convert"):
        statistics.numbers(["x"])
    with pytest.raises(ValueError, match="not numbers"):
        statistics.numbers([{}])


def test_constants_and_what_was_never_seen():
    edges = statistics.equal_width_edges(5.0, 5.0)
    assert statistics.histogram(np.array([5.0, 5.0]), edges).sum() == 2
    assert statistics.equal_width_edges(1e300, 1e300).size > 1
    assert statistics.l_infinity({"a": 1}, {"b": 1}) == 1
    assert statistics.population_stability([1, 1], [1, 1]) == 0
    assert statistics.population_stability([1, 0], [0, 1]) == pytest.approx(2 * (1 - 1e-4) * math.log(1e4))
    assert math.isnan(statistics.population_stability([0, 0], [0, 1]))


def test_other_lengths_are_refused():
    with pytest.raises(ValueError, match="2 intervals on one side, 1"):
        statistics.jensen_shannon([1, 2], [1])
