"""WordNet's mammals: a small hierarchy of words, as all pairs of a kind and what it is a kind of."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray

from geomlat.data.files import Source, fetch

# Nickel and Kiela's filter leaves these two out, which have no other place among the mammals.
_LEFT_OUT = ("female_mammal.n.01", "tusker.n.01")


@dataclass(frozen=True, eq=False)
class Relations:
    """A relation between named things: ``pairs`` ``(m, 2)`` of indices into ``names``."""

    name: str
    names: tuple[str, ...]
    pairs: ndarray
    note: str

    def __str__(self) -> str:
        return f"{self.name}: {len(self.pairs)} pairs of {len(self.names)} names"


def mammals() -> Relations:
    """The transitive closure of "is a kind of" below ``mammal.n.01``: 1180 nouns, 6540 pairs (kind, of what).

    WordNet 3.0 with instances (famous horses and the like), names as in NLTK, ordered alphabetically. Nickel and Kiela
    (2017), figure 2 and the repository that goes with it.
    """
    rows = [line.split(",") for line in fetch(MAMMALS).decode().splitlines()[1:]]
    names = tuple(sorted({name for row in rows for name in row}))
    index = {name: i for i, name in enumerate(names)}
    pairs = np.array([[index[kind], index[of]] for kind, of in rows])
    return Relations("mammals", names, pairs, "WordNet 3.0: each noun below mammal.n.01 with all its hypernyms there")


def closure_csv(archive: bytes) -> bytes:
    """The sorted pairs as lines ``kind,of`` under a heading, from an archive with WordNet's noun files."""
    data, index = _members(archive, "data.noun", "index.noun")
    parents = _parents(data, _senses(index))
    children: dict[str, list[str]] = {}
    for kind, above in parents.items():
        for of in above:
            children.setdefault(of, []).append(kind)
    inside = _reachable("mammal.n.01", children) | {"mammal.n.01"}
    pairs = {(kind, of) for kind in inside for of in _reachable(kind, parents) & inside if kind not in _LEFT_OUT}
    return ("id1,id2\n" + "".join(f"{kind},{of}\n" for kind, of in sorted(pairs))).encode()


MAMMALS = Source(
    "wordnet/wn30_mammal_closure.csv",
    "b67cd89ae59715b7010af50236129b58df81111cb9e6a0cf8222f642310b4b32",
    (
        "https://wordnetcode.princeton.edu/3.0/WNdb-3.0.tar.gz",
        "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/wordnet.zip",
    ),
    "wordnet/wn30_mammal_closure.csv",
    closure_csv,
    Path.read_bytes,
)


def _members(archive: bytes, *names: str) -> list[str]:
    # The files of these names in any folder of a zip or a tar archive.
    try:
        if zipfile.is_zipfile(io.BytesIO(archive)):
            with zipfile.ZipFile(io.BytesIO(archive)) as z:
                files = {Path(n).name: z.read(n) for n in z.namelist() if Path(n).name in names}
        else:
            with tarfile.open(fileobj=io.BytesIO(archive)) as t:
                found = {Path(m.name).name: t.extractfile(m) for m in t if Path(m.name).name in names}
                files = {name: f.read() for name, f in found.items() if f is not None}
        return [files[name].decode("latin-1") for name in names]
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, KeyError) as failure:
        msg = f"not an archive with {' and '.join(names)} ({failure})"
        raise ValueError(msg) from failure


def _senses(index: str) -> dict[tuple[str, str], int]:
    # The number of a word's sense by word and synset offset: wndb(5), "index file format".
    senses: dict[tuple[str, str], int] = {}
    for line in index.splitlines():
        if not line.startswith(" "):
            fields = line.split()
            offsets = fields[-int(fields[2]) :]
            senses |= {(fields[0], offset): i for i, offset in enumerate(offsets, 1)}
    return senses


def _parents(data: str, senses: dict[tuple[str, str], int]) -> dict[str, list[str]]:
    # The hypernyms (also of instances) of each synset, all by name: wndb(5), "data file format".
    names, pointers = {}, {}
    for line in data.splitlines():
        if not line.startswith(" "):
            fields = line.partition(" | ")[0].split(" ")
            offset, word, after = fields[0], fields[4].lower(), 4 + 2 * int(fields[3], 16)
            names[offset] = f"{word}.n.{senses[word, offset]:02d}"
            each = [fields[i : i + 3] for i in range(after + 1, after + 1 + 4 * int(fields[after]), 4)]
            pointers[offset] = [to for symbol, to, part in each if symbol in ("@", "@i") and part == "n"]
    return {names[offset]: [names[to] for to in above] for offset, above in pointers.items()}


def _reachable(start: str, steps: dict[str, list[str]]) -> set[str]:
    seen: set[str] = set()
    todo = list(steps.get(start, ()))
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += steps.get(name, ())
    return seen
