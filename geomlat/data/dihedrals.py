"""Dihedral angles of molecules from coordinates alone: one for each rotatable bond, in an order that no one chose.

Everything is decided by geometry, so nothing depends on how the atoms are numbered, turned or moved, and a mirror image
has the opposite angles, except where rule 4 has to choose between an angle and its opposite:

1. Two atoms are bonded where their distance is below 1.3 times the sum of their covalent radii (Cordero et al. 2008).
2. A bond b-c of two heavy atoms is rotatable if it is single (longer than 0.905 times that sum, which lies between the
   double and the single bonds of C, N and O), in no ring, and either end has another heavy neighbour that is not within
   10 degrees of the bond's line. Amide and conjugated bonds count.
3. Atoms are ranked by atomic number, then by their number of heavy neighbours, then by a hash of their surroundings
   that is refined until it has seen the whole molecule (Weisfeiler, Lehman 1968). Equivalent atoms rank alike.
4. The dihedral of b-c is that of a-b-c-d with the neighbours of highest rank. Among equivalent neighbours the angle
   nearest to half a turn counts (nearest to anti; the positive one of two that are equally near).
5. Angles of a molecule are in the order of the ranks of b and c, the higher end first; equivalent bonds in the order
   of the angle's size.

An angle is in (-pi, pi], 0 where a and d eclipse each other, positive where d is clockwise from a along the bond
(IUPAC; Klyne, Prelog 1960).
"""

from __future__ import annotations

import math

import numpy as np
from numpy import ndarray

RADII = {1: 0.31, 6: 0.76, 7: 0.71, 8: 0.66, 9: 0.57}
BOND, SINGLE = 1.3, 0.905
STRAIGHT = math.sin(math.radians(10.0))
# Angles closer than this to the same distance from half a turn are equally near: below it is rounding of coordinates.
EQUAL = 1e-5
ATOMS = 64


def molecule_dihedrals(
    n_atoms: ndarray, atomic_number: ndarray, xyz: ndarray, *, block: int = 2000
) -> tuple[ndarray, ndarray]:
    """The dihedral angles ``(molecules, most)`` of many molecules in radians, and which of them are there.

    Parameters
    ----------
    n_atoms
        ``(molecules,)`` atoms of each.
    atomic_number, xyz
        Of all atoms in turn, ``(atoms,)`` and ``(atoms, 3)`` in angstrom.
    block
        Molecules at a time, which bounds the memory: some 100 MB for 2000 molecules of 29 atoms.

    Raises
    ------
    ValueError
        For shapes that do not match, an element without a radius, or more than 64 heavy atoms in a molecule.
    """
    n_atoms, atomic_number, xyz = np.asarray(n_atoms, np.intp), np.asarray(atomic_number), np.asarray(xyz, np.float64)
    total = int(n_atoms.sum())
    if atomic_number.shape != (total,) or xyz.shape != (total, 3):
        msg = f"n_atoms add up to {total}, but there are numbers {atomic_number.shape} and positions {xyz.shape}"
        raise ValueError(msg)
    strange = sorted(set(np.unique(atomic_number).tolist()) - set(RADII))
    if strange:
        msg = f"no covalent radius for the atomic numbers {strange}; there are {sorted(RADII)}"
        raise ValueError(msg)
    rows, values = [np.empty(0, np.intp)], [np.empty(0)]
    starts = np.concatenate([[0], np.cumsum(n_atoms)])
    for i in range(0, len(n_atoms), block):
        counts, span = n_atoms[i : i + block], slice(starts[i], starts[min(i + block, len(n_atoms))])
        row, value = _block(*_padded(counts, atomic_number[span], xyz[span]))
        rows.append(row + i)
        values.append(value)
    return _table(np.concatenate(rows), np.concatenate(values), len(n_atoms))


def _table(row: ndarray, value: ndarray, n: int) -> tuple[ndarray, ndarray]:
    counts = np.bincount(row, minlength=n)
    column = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    angles = np.zeros((n, counts.max(initial=0)))
    angles[row, column] = value
    return angles, np.arange(angles.shape[1]) < counts[:, None]


def _padded(counts: ndarray, numbers: ndarray, xyz: ndarray) -> tuple[ndarray, ndarray]:
    # Absent atoms have the number 0.
    there = np.arange(counts.max(initial=0)) < counts[:, None]
    z, x = np.zeros(there.shape, np.intp), np.zeros((*there.shape, 3))
    z[there], x[there] = numbers, xyz
    return z, x


def _block(z: ndarray, x: ndarray) -> tuple[ndarray, ndarray]:
    # The angles of padded molecules, in order, with the molecule of each.
    radius = np.zeros(max(RADII) + 1)
    radius[list(RADII)] = list(RADII.values())
    length, reach = _distances(x), radius[z][:, :, None] + radius[z][:, None, :]
    bonded = (length < BOND * reach) & (z > 0)[:, :, None] & (z > 0)[:, None, :] & ~np.eye(z.shape[1], dtype=bool)
    hydrogens = (bonded & (z == 1)[:, None, :]).sum(axis=-1)
    k = int((z > 1).sum(axis=1).max(initial=0))
    if k > ATOMS:
        msg = f"a molecule has {k} heavy atoms; at most {ATOMS} are supported"
        raise ValueError(msg)
    heavy = np.argsort(z <= 1, axis=1, kind="stable")[:, :k]
    m = np.arange(len(z))[:, None]
    adjacent = bonded[m[:, :, None], heavy[:, :, None], heavy[:, None, :]] & (z[m, heavy] > 1)[:, None, :]
    adjacent &= (z[m, heavy] > 1)[:, :, None]
    single = (length > SINGLE * reach)[m[:, :, None], heavy[:, :, None], heavy[:, None, :]]
    rank = _ranks(z[m, heavy], hydrogens[m, heavy], adjacent)
    many = adjacent.sum(axis=-1) > 1
    found = np.nonzero(np.triu(adjacent & single & many[:, :, None] & many[:, None, :]))
    edge = tuple(i[~_in_ring(adjacent, *found)] for i in found)
    return _angles(x[m, heavy], adjacent, rank, *edge)


def _distances(x: ndarray) -> ndarray:
    d = x[:, :, None] - x[:, None]
    length: ndarray = np.sqrt(np.einsum("bijk,bijk->bij", d, d))
    return length


def _ranks(z: ndarray, hydrogens: ndarray, adjacent: ndarray) -> ndarray:
    # Atomic number, heavy neighbours and a hash in one word, so that words sort as atoms rank.
    degree = adjacent.sum(axis=-1)
    colour = _mixed((z * 64 + degree) * 8 + hydrogens)
    for _ in range(adjacent.shape[1]):
        around = np.where(adjacent, _mixed(colour)[:, None, :], np.uint64(0)).sum(axis=-1, dtype=np.uint64)
        colour = _mixed(colour * np.uint64(3) + around)
    word = (z.astype(np.uint64) << np.uint64(56)) | (degree.astype(np.uint64) << np.uint64(48))
    ranked: ndarray = word | (colour >> np.uint64(16))
    return ranked


def _mixed(word: ndarray) -> ndarray:
    # The finaliser of splitmix64 (Steele, Lea, Flood 2014).
    w = word.astype(np.uint64)
    w = (w ^ (w >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    w = (w ^ (w >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: ndarray = w ^ (w >> np.uint64(31))
    return mixed


def _in_ring(adjacent: ndarray, m: ndarray, i: ndarray, j: ndarray) -> ndarray:
    # Whether j is reached from i without their bond; sets of atoms are the bits of a word.
    bits = np.uint64(1) << np.arange(adjacent.shape[1], dtype=np.uint64)
    around = np.where(adjacent, bits, np.uint64(0)).sum(axis=-1, dtype=np.uint64)[m]
    e = np.arange(len(m))
    around[e, i] &= ~bits[j]
    around[e, j] &= ~bits[i]
    reached, before = bits[i], np.zeros(len(m), np.uint64)
    while (reached != before).any():
        before = reached
        for v in range(len(bits)):
            reached = reached | np.where(reached & bits[v], around[:, v], np.uint64(0))
    closed: ndarray = (reached & bits[j]) != 0
    return closed


def _angles(
    x: ndarray, adjacent: ndarray, rank: ndarray, m: ndarray, i: ndarray, j: ndarray
) -> tuple[ndarray, ndarray]:
    axis = x[m, j] - x[m, i]
    axis /= np.sqrt((axis * axis).sum(axis=-1, keepdims=True))
    ends = [_neighbours(x, adjacent, rank, axis, m, here, other) for here, other in ((i, j), (j, i))]
    (front, may_front), (back, may_back) = ends
    e = np.nonzero(may_front.any(axis=-1) & may_back.any(axis=-1))[0]
    angle = math.pi - np.mod(math.pi - (back[e, None, :] - front[e, :, None]), 2.0 * math.pi)
    nearness = np.abs(angle) + EQUAL * (angle > 0)
    nearness = np.where(may_front[e, :, None] & may_back[e, None, :], nearness, -1.0)
    nearness, angle = (a.reshape(len(e), x.shape[1] ** 2) for a in (nearness, angle))
    best = angle[np.arange(len(e)), nearness.argmax(axis=-1)]
    high, low = np.maximum(rank[m, i], rank[m, j])[e], np.minimum(rank[m, i], rank[m, j])[e]
    order = np.lexsort((-nearness.max(axis=-1), ~low, ~high, m[e]))
    return m[e][order], best[order]


def _neighbours(
    x: ndarray, adjacent: ndarray, rank: ndarray, axis: ndarray, m: ndarray, here: ndarray, other: ndarray
) -> tuple[ndarray, ndarray]:
    # The azimuth about the axis of all neighbours of `here`, and which of them may be the end of the dihedral.
    e = np.arange(len(m))
    across = x[m] - x[m, here][:, None]
    length = np.sqrt((across * across).sum(axis=-1))
    across = across - (across * axis[:, None]).sum(axis=-1, keepdims=True) * axis[:, None]
    may = adjacent[m, here] & (np.sqrt((across * across).sum(axis=-1)) > STRAIGHT * length)
    may[e, other] = False
    word = np.where(may, rank[m], np.uint64(0))
    may &= word == word.max(axis=-1, keepdims=True, initial=0)
    first = _frame(axis)
    second = np.cross(axis, first)
    azimuth = np.arctan2((across * second[:, None]).sum(axis=-1), (across * first[:, None]).sum(axis=-1))
    return azimuth, may


def _frame(axis: ndarray) -> ndarray:
    # A vector across each axis, from the coordinate direction that is farthest from it.
    unit = np.eye(3)[np.abs(axis).argmin(axis=-1)]
    across: ndarray = unit - (unit * axis).sum(axis=-1, keepdims=True) * axis
    return across
