import numpy as np
import pytest

from geomlat.models import autoencoder, load, vae
from geomlat.optim import Adam
from geomlat.train import CheckpointError


@pytest.fixture(scope="module")
def rows():
    gen = np.random.default_rng(0)
    prototypes = gen.integers(0, 2, (4, 12))
    flips = gen.random((200, 12)) < 0.05
    return np.where(flips, 1 - prototypes[np.arange(200) % 4], prototypes[np.arange(200) % 4]).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(rows):
    return vae(12, latent="s2", hidden=(16,)).fit(
        rows, epochs=150, batch_size=32, optimizer=Adam(5e-3), rng=0, progress=False
    )


def test_fit_beats_the_untrained(rows, fitted):
    untrained = vae(12, latent="s2", hidden=(16,)).fitted(fitted.init(rng=1, dtype=np.float32))
    assert fitted.score(rows) > untrained.score(rows) + 1.0


def test_faces(rows, fitted):
    z = fitted.transform(rows)
    assert z.shape == (200, 3)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-6)
    means = fitted.inverse_transform(z)
    assert means.shape == rows.shape
    assert ((means > 0.5) == rows).mean() > 0.8
    assert fitted.score_samples(rows[:7], samples=20).shape == (7,)
    draws = fitted.sample(9, rng=1)
    assert set(np.unique(draws)) <= {0.0, 1.0}
    assert draws.shape == (9, 12)
    assert np.array_equal(draws, fitted.sample(9, rng=1))
    assert len(np.unique(fitted.sample(9, rng=1, mean=True))) > 20


def test_fit_is_repeatable(rows, fitted):
    again = vae(12, latent="s2", hidden=(16,)).fit(
        rows, epochs=150, batch_size=32, optimizer=Adam(5e-3), rng=0, progress=False
    )
    assert np.array_equal(again.theta, fitted.theta)


def test_fit_transform_and_autoencoder(rows):
    z = autoencoder(12, hidden=(16,)).fit_transform(rows, epochs=2, rng=0, progress=False)
    assert z.shape == (200, 2)


def test_a_run_folder_gives_the_model_back(rows, tmp_path):
    model = vae(12, latent="s2", hidden=(16,)).fit(rows, epochs=2, rng=0, progress=False, directory=tmp_path)
    again = load(tmp_path)
    assert np.array_equal(again.transform(rows), model.transform(rows))
    (tmp_path / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError):
        load(tmp_path)


def test_bad_input(rows):
    model = vae(12, latent="s2", hidden=(16,))
    with pytest.raises(AttributeError, match="not fitted"):
        model.transform(rows)
    with pytest.raises(ValueError, match="12"):
        model.fit(rows[:, :5], epochs=1)
    spoiled = rows.copy()
    spoiled[3, 4] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.fit(spoiled, epochs=1)
    with pytest.raises(ValueError, match="parameter vector"):
        model.fitted(np.zeros(3))


@pytest.mark.parametrize(
    ("likelihood", "spoil", "message"),
    [
        ("bernoulli", 3.0, "within"),
        ("bernoulli", -1.0, "within"),
        ("binomial:2", 3.0, "0 .. 2"),
        ("binomial:2", 0.5, "0 .. 2"),
    ],
)
def test_data_outside_the_likelihood_are_refused(rows, fitted, likelihood, spoil, message):
    spoiled = rows.copy()
    spoiled[3, 4] = spoil
    model = vae(12, hidden=(4,), likelihood=likelihood)
    with pytest.raises(ValueError, match=message):
        model.fit(spoiled, epochs=1)
    if likelihood == "bernoulli":
        with pytest.raises(ValueError, match=message):
            fitted.score_samples(spoiled, samples=2)


def test_codes_are_checked(rows, fitted):
    with pytest.raises(ValueError, match="Z has shape"):
        fitted.inverse_transform(np.ones((2, 9)))
    with pytest.raises(ValueError, match="Z holds NaN"):
        fitted.inverse_transform(np.full((2, 3), np.nan))


@pytest.mark.parametrize(
    "options",
    [
        {"kappa_shift": -1.0},
        {"kappa_shift": np.nan},
        {"free_bits": -1.0},
        {"estimator": "x"},
        {"hidden": (2.5,)},
        {"latent": 3},
    ],
)
def test_options_out_of_range_are_refused_at_once(options):
    with pytest.raises(ValueError, match=r"kappa_shift|free_bits|estimator|width|latent"):
        vae(12, **options)
