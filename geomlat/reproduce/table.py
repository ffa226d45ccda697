"""The table of all experiments. A family of systems is a module with a tuple ``EXPERIMENTS`` and its name here."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module

from geomlat.reproduce.experiment import Experiment

FAMILIES = (
    "vae",
    "neighbours",
    "blog",
    "vamp",
    "faces",
    "lfw_grid",
    "embedding",
    "shapes",
    "sphere",
    "planar",
    "mixtures",
    "directional",
)


@cache
def families() -> dict[str, tuple[Experiment, ...]]:
    """The experiments of each family by its title, the first line of its module's text."""
    modules = [import_module(f"geomlat.reproduce.{family}") for family in FAMILIES]
    return {str(m.__doc__).partition("\n")[0].rstrip("."): m.EXPERIMENTS for m in modules}


@cache
def experiments() -> dict[str, Experiment]:
    """All experiments by name, in the order of the reproduction table."""
    found: dict[str, Experiment] = {}
    for experiment in (e for members in families().values() for e in members):
        if experiment.name in found:
            msg = f"two experiments are called {experiment.name}"
            raise ValueError(msg)
        found[experiment.name] = experiment
    return found


def chosen(patterns: list[str], table: dict[str, Experiment]) -> list[str]:
    """The names that match any pattern such as ``svae-*``, in the order of the table; all without patterns.

    Raises
    ------
    ValueError
        If a pattern matches nothing.
    """
    empty = [p for p in patterns if not any(fnmatchcase(name, p) for name in table)]
    if empty:
        msg = f"no experiment is called {', '.join(empty)}; see `geomlat reproduce --list`"
        raise ValueError(msg)
    return [name for name in table if not patterns or any(fnmatchcase(name, p) for p in patterns)]
