"""The shape of the package: one-way imports, file lengths, docstrings, names."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import geomlat

ROOT = Path(geomlat.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
ORDER = [
    {"backends", "grad"},
    {"special", "random"},
    {"manifolds"},
    {"distributions", "optim"},
    {"nn"},
    {"train", "evaluate"},
    {"flows"},
    {"models", "data"},
    {"plot", "interop", "testing"},
    {"", "__version__"},
    {"reproduce"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
# Compiled code for one target each; loaded by the first kernel call.
TARGETS = {"geomlat.backends.cpu", "geomlat.backends.cuda"}


def imported(tree: ast.AST, package: list[str]) -> Iterator[str]:
    """The dotted geomlat names a module imports anywhere in it, functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join(base + (node.module.split(".") if node.module else []))
            names = [f"{origin}.{alias.name}" for alias in node.names] if origin == "geomlat" else [origin]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "geomlat")


def wrong_imports(source: str, dotted: str) -> list[str]:
    """The imports of a module that point the wrong way in the order of packages."""
    here = dotted.split(".")[1]
    found = imported(ast.parse(source), dotted.split(".")[:-1])
    targets = (f"{name}.".split(".")[1] for name in found)
    return [t for t in targets if t != here and RANK.get(t, len(ORDER)) >= RANK[here]]


def dotted_name(path: Path) -> str:
    return ".".join(("geomlat", *path.relative_to(ROOT).with_suffix("").parts))


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != ROOT or p.name != "__init__.py"], ids=dotted_name)
def test_imports_point_one_way(path: Path) -> None:
    assert not wrong_imports(path.read_text(), dotted_name(path))


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("import geomlat.manifolds", []),
        ("from geomlat.distributions import kl", []),
        ("from . import kl", []),
        ("from geomlat import optim", ["optim"]),
        ("def f():\n    from geomlat.models.vae import VAE", ["models"]),
        ("from ..nn import mlp", ["nn"]),
        ("import geomlat", [""]),
    ],
)
def test_the_import_check_can_fail(source: str, wrong: list[str]) -> None:
    assert wrong_imports(source, "geomlat.distributions.normal") == wrong


@pytest.mark.parametrize("path", FILES, ids=dotted_name)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def modules() -> list[str]:
    return sorted(m.name for m in pkgutil.walk_packages([str(ROOT)], "geomlat.") if m.name not in TARGETS)


def public(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The public functions and classes defined in a module, and the public methods of the latter."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield name, value
            yield from ((f"{name}.{k}", v) for k, v in vars(value).items() if not k.startswith("_") and callable(v))
        elif callable(value) and hasattr(value, "__name__"):
            yield name, value


@pytest.mark.parametrize("name", modules())
def test_every_public_function_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert not [n for n, value in public(module) if not (inspect.getdoc(value) or "").strip()]


@pytest.mark.parametrize("name", ["geomlat", *modules()])
def test_all_names_exist(name: str) -> None:
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert not [n for n in names if not hasattr(module, n)]
