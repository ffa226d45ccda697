"""Backbone torsions of proteins: the angles phi and psi of residues in well-resolved crystal structures."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np

from geomlat.data.earth import Points
from geomlat.data.files import Source, fetch, read_npz
from geomlat.manifolds import Torus

ROW = np.dtype([("protein", "S4"), ("degrees", "<f4", (2,))])
"""A residue in the decoded files: the PDB code of its protein, then phi and psi in degrees."""

_SUMS = {
    "cispro": "bfde5c3d2aa086b389238eb715f94dc6492da52e7e9b95120d473c15bdabfe90",
    "cys": "fecdac9e4b8da2454cd977f5319772bdcd83fb7f71720612db199a74798b93a7",
    "gln": "0acc40b536c6710433c0c25701ab5f31b0bf3984222a9ab66747a983aa603e72",
    "his": "66ee219a8d4a6f23ed68fff62b734e0a21c3c6e4b85fccc1052f3851f38a4853",
    "lys": "6e44aa5f1c5ca776315c699cfeb33515e5792040fe8c9da001699cc2c2b1813b",
    "met": "2758a2f6f02c863b00f3bdac385a608eda96f98b5fbdbeffeb6eb156b88f704a",
    "trp": "db470ae7e7be492c9f1870e278fdcda157f4f72d7286911e22fcc6c343b30426",
}
_FOLDER = "https://raw.githubusercontent.com/rlabduke/reference_data/"
_FILE = "Top8000/Top8000_filtered_residues_rotarama/srcdata/rota8000-"


def read_rows(text: bytes) -> bytes:
    """The `ROW` bytes of lines ``code chain number name ...,phi,psi,...``."""
    number = rb"(-?\d+\.\d+)"
    found = re.findall(rb"^([0-9a-z]{4}) [^,\n]*," + number + rb"," + number + rb",", text, re.MULTILINE)
    return np.array([(code, (float(phi), float(psi))) for code, phi, psi in found], dtype=ROW).tobytes()


def read_arrays(path: Path, *, key: str) -> bytes:
    """The `ROW` bytes of the arrays ``<key>_res`` of names and ``<key>_deg`` of angles in an npz file."""
    names = np.frombuffer(read_npz(path, key=f"{key}_res"), "S15")
    degrees = np.frombuffer(read_npz(path, key=f"{key}_deg"), "<f4").reshape(len(names), -1)
    rows = np.empty(len(names), dtype=ROW)
    rows["protein"], rows["degrees"] = names.astype("S4"), degrees[:, :2]
    return rows.tobytes()


TORSIONS = {
    residue: Source(
        f"protein_torus/{residue}.rows",
        digest,
        tuple(f"{_FOLDER}{at}/{_FILE}{residue}.csv" for at in ("master", "68f581ae12304a18e36e3efb8820a9c3d4433ebb")),
        "protein_torus/top8000_phi_psi_chi.npz",
        read_rows,
        partial(read_arrays, key=residue),
    )
    for residue, digest in _SUMS.items()
}


def protein_torsions(*residues: str) -> Points:
    """The angles (phi, psi) of residues as points of the torus: what a Ramachandran plot shows.

    Top8000: crystal structures at 2 Angstrom or better, without residues that are poorly placed (Hintze, Lewis,
    Richardson and Richardson 2016). All residues of one protein are in the same split, 80/10/10 by a checksum of its
    PDB code. CC BY 4.0.

    Parameters
    ----------
    residues
        Any of ``"cys"``, ``"gln"``, ``"his"``, ``"lys"``, ``"met"``, ``"trp"`` and ``"cispro"`` (proline with the
        rare cis peptide bond); none for the first six together, of which none is glycine or proline.
    """
    unknown = [r for r in residues if r not in TORSIONS]
    if unknown:
        msg = f"unknown residues {', '.join(unknown)}; there are {', '.join(TORSIONS)}"
        raise ValueError(msg)
    names = residues or tuple(r for r in TORSIONS if r != "cispro")
    rows = np.concatenate([np.frombuffer(fetch(TORSIONS[r]), ROW) for r in names])
    x = Torus(2).project(np.radians(rows["degrees"].astype(np.float64)))
    split = np.searchsorted([7, 8], [crc32(code) % 10 for code in rows["protein"]], side="left")
    train, validation, test = (x[split == i] for i in range(3))
    note = f"phi and psi in radians of {', '.join(names)} (Top8000); split 80/10/10 by protein"
    return Points("protein-torsions", train, validation, test, Torus(2), note)
