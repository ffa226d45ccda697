"""The examples in the docstrings of distributions run, and every public name has one."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import geomlat.distributions
import geomlat.interop
from geomlat.distributions import kl

PACKAGES = (geomlat.distributions, geomlat.interop)
MODULES = [m.name for package in PACKAGES for m in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
# Rules of the registry are reached through kl_divergence, which has the example.
NAMES = [
    (package, name)
    for package in PACKAGES
    for name in package.__all__
    if getattr(package, name) not in {rule for rule, _ in kl._rules.values()}
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    with np.printoptions(legacy=False):
        found = doctest.testmod(importlib.import_module(name))
    assert not found.failed


@pytest.fixture(autouse=True)
def _keep_the_registry(monkeypatch):
    monkeypatch.setattr(kl, "_rules", dict(kl._rules))


@pytest.mark.parametrize(("package", "name"), NAMES, ids=[name for _, name in NAMES])
def test_every_public_name_has_an_example(package, name):
    assert ">>> " in inspect.getdoc(getattr(package, name))
