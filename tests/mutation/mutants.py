"""Every sign flip, dropped factor and dropped term of the rules, made from the syntax tree.

A mutant is one change of one operator in a file of `PACKAGES`. It is named by its file, function, the text of its
statement, which operator of that statement it is and what becomes of it, so that its name survives edits elsewhere.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).parents[2]
SOURCE = Path(str(find_spec("geomlat").origin)).parents[1]  # not ROOT where an installed package is tested
PACKAGES = ("grad", "manifolds", "distributions", "flows", "nn")
SKIPPED = (ast.Raise, ast.JoinedStr, ast.Assert)
OPTIMIZED = 1  # inspect.CO_OPTIMIZED: the code of a function, not of a class
FLIPS = {ast.Add: ast.Sub, ast.Sub: ast.Add}


@dataclass(frozen=True)
class Mutant:
    """A change at ``place``, the number of the operator in the file's walk; ``becomes`` says what it turns into.

    ``of`` is a hash of the outermost function or class body around it: a result belongs to that text.
    """

    file: str
    function: str
    line: int
    text: str
    place: int
    becomes: str
    of: str

    @property
    def key(self) -> str:
        """The name under which results are kept."""
        return hashlib.sha256(f"{self.file}|{self.function}|{self.text}".encode()).hexdigest()[:16]

    @property
    def name(self) -> tuple[str, str]:
        """File and function."""
        return self.file, self.function

    def tree(self) -> ast.Module:
        """The syntax tree of the file with the change, every line where it was."""
        tree = ast.parse((SOURCE / self.file).read_text())
        for number, (node, _, _) in enumerate(operators(tree)):
            if number == self.place:
                new = ast.copy_location(changed(node, self.becomes), node)
                return ast.fix_missing_locations(_Replace(node, new).visit(tree))
        msg = f"{self.file} has no operator {self.place}"
        raise LookupError(msg)

    def source(self) -> str:
        """The text of the file with the change."""
        return ast.unparse(self.tree())

    def code(self) -> tuple[CodeType, CodeType]:
        """The code of the function of a module or of a class around the change: as it stands, and changed."""
        path = str(SOURCE / self.file)
        before = functions(compile((SOURCE / self.file).read_text(), path, "exec"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # a number that is indexed: the tests will tell
            after = functions(compile(self.tree(), path, "exec"))
        return next((before[k], after[k]) for k in before if before[k] != after[k])


def functions(module: CodeType) -> dict[tuple[str, int], CodeType]:
    """The code of the functions that stand in a module or in its classes, by qualified name and line."""
    return {(c.co_qualname, c.co_firstlineno): c for c in _functions(module)}


def _functions(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & OPTIMIZED:
                yield inner
            else:
                yield from _functions(inner)


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        """The tree with the one node exchanged."""
        return self.new if node is self.old else self.generic_visit(node)


def changed(node: ast.AST, becomes: str) -> ast.AST:
    """The node after the change."""
    if becomes == "left":
        return node.left  # type: ignore[attr-defined]
    if becomes == "right":
        return node.right  # type: ignore[attr-defined]
    if becomes == "operand":
        return node.operand  # type: ignore[attr-defined]
    if becomes == "nothing":
        return ast.Pass()
    flipped = copy.copy(node)
    flipped.op = FLIPS[type(node.op)]()  # type: ignore[attr-defined]
    return flipped


def operators(tree: ast.AST) -> list[tuple[ast.AST, str, ast.stmt]]:
    """The operators of the functions of a file, each with its function's name and its statement, in a fixed order."""
    found: list[tuple[ast.AST, str, ast.stmt]] = []

    def walk(node: ast.AST, function: str, statement: ast.stmt | None) -> None:
        if isinstance(node, SKIPPED):
            return
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            function = f"{function}.{node.name}".lstrip(".")
            fields = (ast.AnnAssign,) if isinstance(node, ast.ClassDef) else ()
            for child in node.body:
                if not isinstance(child, fields):
                    walk(child, function, None)
            return
        if isinstance(node, ast.stmt) and not isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try):
            statement = node
        if statement is not None and function and becoming(node):
            found.append((node, function, statement))
        for name, child in ast.iter_fields(node):
            if isinstance(node, ast.Subscript) and name == "slice":
                continue
            for part in child if isinstance(child, list) else [child]:
                if isinstance(part, ast.AST):
                    walk(part, function, statement)

    walk(tree, "", None)
    return found


def becoming(node: ast.AST) -> tuple[str, ...]:
    """What an operator is turned into."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return () if _is_axis(node.operand) else ("operand",)
    if isinstance(node, ast.AugAssign):
        dropped = ("nothing",) if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div) else ()
        return ("flip", *dropped) if type(node.op) in FLIPS else dropped
    if not isinstance(node, ast.BinOp) or _is_text(node.left) or _is_text(node.right):
        return ()
    if type(node.op) in FLIPS:
        return ("flip", "left", "right")
    if isinstance(node.op, ast.Mult):
        return ("left",) if ast.dump(node.left) == ast.dump(node.right) else ("left", "right")
    return ("left",) if isinstance(node.op, ast.Div) else ()


def _is_axis(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value == 1


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Tuple | ast.List) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def mutants_of(file: Path) -> list[Mutant]:
    """All mutants of a file."""
    name, made, seen = str(file.relative_to(SOURCE)), [], {}
    tree = ast.parse(file.read_text())
    bodies = _bodies(tree)
    for place, (node, function, statement) in enumerate(operators(tree)):
        before = ast.unparse(node)
        for becomes in becoming(node):
            after = ast.unparse(changed(node, becomes))
            text = f"{ast.unparse(statement)} | {before} -> {after}"
            seen[function, text] = seen.get((function, text), 0) + 1
            text += f" ({seen[function, text]})" if seen[function, text] > 1 else ""
            made.append(Mutant(name, function, node.lineno, text, place, becomes, bodies[id(statement)]))
    return made


def _bodies(tree: ast.Module) -> dict[int, str]:
    """For each statement, the hash of the function of a module or of a class that it stands in."""
    found = {}
    for outer in tree.body:
        for body in outer.body if isinstance(outer, ast.ClassDef) else [outer]:
            of = hashlib.sha256(ast.unparse(body).encode()).hexdigest()[:8]
            found |= {id(node): of for node in ast.walk(body) if isinstance(node, ast.stmt)}
    return found


def all_mutants() -> list[Mutant]:
    """The mutants of every file of the packages."""
    return [
        mutant
        for package in PACKAGES
        for file in sorted((SOURCE / "geomlat" / package).glob("*.py"))
        for mutant in mutants_of(file)
    ]
