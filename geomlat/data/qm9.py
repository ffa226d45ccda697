"""QM9: the dihedral angles of 130 831 small organic molecules at their energy minima.

Ramakrishnan, Dral, Rupp, von Lilienfeld (2014), "Quantum chemistry structures and properties of 134 kilo molecules".
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path

import numpy as np
from numpy import ndarray

from geomlat.data import dihedrals
from geomlat.data.dataset import Dataset
from geomlat.data.files import Source, cache_folder, fetch, write_whole
from geomlat.manifolds.angles import pairs_from_angles
from geomlat.random import stream

ATOM = np.dtype([("molecule", "<i4"), ("number", "u1"), ("xyz", "<f4", (3,))])
"""An atom in the decoded file: its molecule's number in QM9 (from 1), atomic number and position in angstrom."""
_NUMBERS = {b"H": 1, b"C": 6, b"N": 7, b"O": 8, b"F": 9}
_ROW = re.compile(rb'^"[^"]*",(\d+),"[^"]*","[^"]*",\d+,"[^"]*","(\[[^"]*\])","(\[\[[^"]*\]\])"', re.MULTILINE)


def read_wheel(content: bytes) -> bytes:
    """The `ATOM` bytes of the tables in the Python package qm9pack."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as wheel:
            parts = [_read_table(wheel.read(f"qm9pack/data/qm9_part{k}.csv")) for k in (1, 2, 3)]
    except (zipfile.BadZipFile, KeyError) as failure:
        msg = "not the wheel of qm9pack"
        raise ValueError(msg) from failure
    return np.concatenate(parts).tobytes()


def _read_table(text: bytes) -> ndarray:
    rows = _ROW.findall(text)
    names = [re.findall(rb"[A-Z]", elements) for _, elements, _ in rows]
    atoms = np.empty(sum(map(len, names)), dtype=ATOM)
    atoms["molecule"] = np.repeat([int(index) for index, _, _ in rows], [len(n) for n in names])
    atoms["number"] = [_NUMBERS[name] for molecule in names for name in molecule]
    numbers = b",".join(xyz for _, _, xyz in rows).translate(None, b"[]")
    atoms["xyz"] = np.array(numbers.split(b","), dtype=np.float64).reshape(-1, 3)
    return atoms


def read_arrays(path: Path) -> bytes:
    """The `ATOM` bytes of an npz file with ``index``, ``n_atoms``, ``atomic_number`` and ``xyz_angstrom``."""
    try:
        with np.load(io.BytesIO(path.read_bytes())) as arrays:
            atoms = np.empty(len(arrays["atomic_number"]), dtype=ATOM)
            atoms["molecule"] = np.repeat(arrays["index"], arrays["n_atoms"])
            atoms["number"], atoms["xyz"] = arrays["atomic_number"], arrays["xyz_angstrom"]
    except zipfile.BadZipFile as failure:
        msg = "not an npz file"
        raise ValueError(msg) from failure
    return atoms.tobytes()


_HASH = "fd/8f/ce586cc7801ebd0880483904127b1e50a81d31d3af287379edfe1af10fc7"
QM9 = Source(
    "qm9/atoms.rows",
    "390e64c2e917cb8dee04a14b3c2bd9422aeb5ba828e2bf83513ad8b5b7a5d6a5",
    (f"https://files.pythonhosted.org/packages/{_HASH}/qm9pack-1.0.3-py3-none-any.whl",),
    "qm9/qm9_geometry.npz",
    read_wheel,
    read_arrays,
)


def qm9_dihedrals() -> Dataset:
    """The dihedral angles of QM9's molecules that have a rotatable bond, as padded pairs (cos, sin).

    A row has twelve features: six pairs, (0, 0) after its last angle. What a rotatable bond is, which four atoms make
    its angle and in which order angles come is written in `geomlat.data.dihedrals`. ``train_labels`` and the others
    count a row's angles; ``angles`` is None. 59 thousand of the 130 831 molecules have no rotatable bond and are left
    out; the rest is split 80/10/10 at random, the same for everyone.

    The angles are taken from the coordinates once (some seconds) and kept in the cache, under a name made of the
    checksum of the coordinates and of the code.
    """
    angles, there = _extracted()
    some = np.nonzero(there[:, 0])[0]
    order = some[stream(0).generator().permutation(len(some))]
    x = pairs_from_angles(angles, there).astype(np.float32)[order]
    ends = [len(x) * 8 // 10, len(x) * 9 // 10]
    (train, validation, test), counts = np.split(x, ends), np.split(there.sum(axis=1)[order], ends)
    return Dataset(
        name="qm9 dihedral angles (pairs, padded to six)",
        train=train,
        validation=validation,
        test=test,
        train_labels=counts[0],
        validation_labels=counts[1],
        test_labels=counts[2],
        likelihood="von-mises",
        note="one dihedral for each rotatable bond between heavy atoms, from the coordinates alone; split 80/10/10; "
        "classes are the numbers of angles",
    )


def _extracted() -> tuple[ndarray, ndarray]:
    # The angles of all molecules; the cache is trusted only if it can be read whole.
    code = Path(dihedrals.__file__).read_bytes()
    name = hashlib.sha256(code + QM9.sha256.encode()).hexdigest()[:16]
    path = cache_folder() / "qm9" / f"dihedrals-{name}.npz"
    try:
        with np.load(io.BytesIO(path.read_bytes())) as arrays:
            return arrays["angles"], arrays["there"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        atoms = np.frombuffer(fetch(QM9), ATOM)
    _, n_atoms = np.unique(atoms["molecule"], return_counts=True)
    angles, there = dihedrals.molecule_dihedrals(n_atoms, atoms["number"], atoms["xyz"])
    content = io.BytesIO()
    np.savez(content, angles=angles, there=there)
    write_whole(path, content.getvalue())
    return angles, there
