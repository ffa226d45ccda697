import math

import pytest

from geomlat.optim import constant, cosine, growth, linear_warmup, step_decay, value_at, warmup


def test_values():
    assert [value_at(constant(0.5), t) for t in (0, 9)] == [0.5, 0.5]
    assert [warmup(4)(t) for t in (0, 1, 4, 9)] == [0.0, 0.25, 1.0, 1.0]
    assert [linear_warmup(2.0, 4)(t) for t in (0, 1, 3, 9)] == [0.5, 1.0, 2.0, 2.0]
    assert [step_decay(8.0, 3, factor=0.5)(t) for t in (0, 2, 3, 6)] == [8.0, 8.0, 4.0, 2.0]
    assert value_at(0.25, 3) == 0.25


def test_growth():
    f = growth(0.1, 0.5, ceiling=2.0)
    assert f(0) == pytest.approx(0.1, rel=1e-14, abs=0.0)
    assert f(3) == pytest.approx(0.1 * math.exp(1.5), rel=1e-14, abs=0.0)
    assert [f(t) for t in (6, 10**6)] == [2.0, 2.0]
    assert growth(0.1, 1e-3)(10**4) == 1.0
    for bad in (lambda: growth(0.0, 1.0), lambda: growth(2.0, 1.0), lambda: growth(0.5, 0.0)):
        with pytest.raises(ValueError, match="growth needs"):
            bad()


def test_cosine():
    f = cosine(3.0, 14, floor=1.0, warmup=4)
    assert [f(t) for t in (0, 1, 3)] == [0.75, 1.5, 3.0]
    assert f(4) == 3.0
    assert f(9) == pytest.approx(2.0, rel=1e-14, abs=0.0)
    assert f(5) == pytest.approx(2.0 + math.cos(0.1 * math.pi), rel=1e-14, abs=0.0)
    assert [f(t) for t in (14, 100)] == [1.0, 1.0]
    assert cosine(1.0, 10)(0) == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: warmup(0), "steps must be at least 1, got 0"),
        (lambda: linear_warmup(1.0, -1), "steps"),
        (lambda: cosine(1.0, 10, warmup=10), "warmup must lie between 0 and steps=10"),
        (lambda: step_decay(1.0, 0), "every must be at least 1"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
