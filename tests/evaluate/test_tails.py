import numpy as np
import pytest
import scipy.stats

from geomlat.evaluate import bits_per_dimension, factorised_baseline, tails
from geomlat.models import DiscretisedLogistic
from geomlat.plot import likelihood_histogram, save


def test_tails_are_scipys_and_those_of_a_normal_sample():
    v = np.random.default_rng(0).standard_normal(20000) * 3 - 90
    found = tails(v)
    assert found.mean == pytest.approx(v.mean())
    assert found.sd == pytest.approx(v.std())
    assert found.skewness == pytest.approx(scipy.stats.skew(v))
    np.testing.assert_allclose(found.quantiles, np.quantile(v, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]))
    assert found.share_below == pytest.approx(0.0228, abs=0.005)


def test_tails_see_badly_explained_rows():
    v = np.r_[np.full(95, -80.0), np.full(5, -200.0)]
    found = tails(v)
    assert found.skewness < -3
    assert found.share_below == pytest.approx(0.05)
    assert tails([1.0, 1.0]).skewness == 0.0
    for wrong in (np.ones((2, 2)), np.ones(1)):
        with pytest.raises(ValueError, match="two numbers at least"):
            tails(wrong)


def test_bits_of_equal_chances_are_the_width_of_a_level():
    assert bits_per_dimension(-560 * np.log(256), 560) == pytest.approx(8.0)
    np.testing.assert_allclose(bits_per_dimension(np.array([-np.log(2), 0.0]), 2), [0.5, 0.0])


@pytest.mark.parametrize("top", [3.0, 1.0])
def test_the_baseline_of_levels_is_a_histogram_of_each_pixel(top):
    density = DiscretisedLogistic(4, top)
    train = np.array([[0, 1], [0, 2], [3, 1]]) * (top / 3)
    images = np.array([(i, j) for i in range(4) for j in range(4)]) * (top / 3)
    log_p = factorised_baseline(train, images, density)
    assert np.exp(log_p).sum() == pytest.approx(1.0)
    assert log_p[0 * 4 + 1] == pytest.approx(np.log(2.5 / 5) + np.log(2.5 / 5))
    assert log_p[2 * 4 + 0] == pytest.approx(2 * np.log(0.5 / 5))
    with pytest.raises(ValueError, match="test must lie"):
        factorised_baseline(train, images + 2 * top, density)


def test_the_histogram_shows_every_model_and_its_tail(tmp_path):
    gen = np.random.default_rng(0)
    models = {"one": gen.normal(-90, 5, 300), "two": np.r_[gen.normal(-85, 5, 280), np.full(20, -160.0)]}
    figure = likelihood_histogram(models, title="rows")
    rows, below = figure.axes
    assert {t.get_text() for t in rows.get_legend().get_texts()} == {"one", "two"}
    said = [t.get_text() for t in below.get_legend().get_texts()]
    assert said[1].startswith(f"two: {100 * tails(models['two']).share_below:.1f} % below")
    figure.canvas.draw()
    assert below.get_legend().get_window_extent().x0 >= below.get_window_extent().x1
    assert below.get_yscale() == "log"
    assert save(figure, tmp_path / "a.png").stat().st_size > 5000
    for wrong in ({}, {"a": np.array([1.0])}, {"a": np.array([0.0, -np.inf])}):
        with pytest.raises(ValueError, match="two finite log-likelihoods"):
            likelihood_histogram(wrong)
