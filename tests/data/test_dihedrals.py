"""Dihedral angles from coordinates: hand-made molecules, invariances, and QM9 itself."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from geomlat import data
from geomlat.data import load, molecule_dihedrals
from geomlat.data.files import cache_folder
from geomlat.data.qm9 import ATOM, QM9, read_wheel
from geomlat.manifolds import SpecialOrthogonal
from geomlat.manifolds.angles import angles_from_pairs

H, C, N, O, F = 1, 6, 7, 8, 9
TETRAHEDRAL = np.degrees(np.arccos(-1 / 3))


def placed(a, b, c, length, angle, dihedral):
    """The atom d at a distance from c with the angle b-c-d and the dihedral a-b-c-d, in degrees (IUPAC's sign)."""
    angle, dihedral = np.radians([angle, dihedral])
    along = (c - b) / np.linalg.norm(c - b)
    back = (a - b) - ((a - b) @ along) * along
    back /= np.linalg.norm(back)
    out = np.cos(dihedral) * back + np.sin(dihedral) * np.cross(along, back)
    return c - length * np.cos(angle) * along + length * np.sin(angle) * out


def chain(elements, dihedrals, length=1.53, angle=TETRAHEDRAL):
    """Heavy atoms in a row with the given dihedral angles."""
    x = [np.zeros(3), np.array([length, 0.0, 0.0])]
    x.append(x[1] + length * np.array([-np.cos(np.radians(angle)), np.sin(np.radians(angle)), 0.0]))
    for d in dihedrals:
        x.append(placed(*x[-3:], length, angle, d))
    return np.array(elements), np.array(x)


def with_hydrogens(z, x, hydrogens):
    """Hydrogens at 1.09 angstrom, away from all heavy atoms, ``hydrogens[i]`` of them on the heavy atom i."""
    z, x = list(z), list(x)
    directions = np.random.default_rng(0).standard_normal((400, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    for i, count in enumerate(hydrogens):
        for _ in range(count):
            spots = x[i] + 1.09 * directions
            far = np.linalg.norm(spots[:, None] - np.array(x), axis=-1).min(axis=1)
            z.append(H)
            x.append(spots[far.argmax()])
    return np.array(z), np.array(x)


def degrees(*molecules, block=2000):
    counts = np.array([len(z) for z, _ in molecules])
    numbers, xyz = (np.concatenate([m[i] for m in molecules]) for i in (0, 1))
    angles, there = molecule_dihedrals(counts, numbers, xyz, block=block)
    return [np.degrees(a[t]) for a, t in zip(angles, there, strict=True)]


@pytest.mark.parametrize("torsion", [180.0, 65.0, -65.0, 0.0, 121.5])
def test_butane(torsion):
    butane = with_hydrogens(*chain([C] * 4, [torsion]), [3, 2, 2, 3])
    assert len(butane[0]) == 14
    (found,) = degrees(butane)
    np.testing.assert_allclose(found, [torsion], atol=1e-9)


def test_terminal_double_triple_and_ring_bonds_do_not_turn():
    propane = chain([C] * 3, [])
    double = chain([C] * 4, [0.0])
    double[1][2:] -= double[1][2] - double[1][1] - 1.34 * (double[1][2] - double[1][1]) / 1.53
    square = np.array([C] * 4), 1.53 * np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    linear = np.array([C] * 5), np.array([[0, 0, 0], [1.2, 0, 0], [2.66, 0, 0], [4.1, 0, 0], [4.6, 1.45, 0]], float)
    assert [len(f) for f in degrees(propane, double, square, linear)] == [0, 0, 0, 0]
    np.testing.assert_allclose(np.linalg.norm(double[1][2] - double[1][1]), 1.34, rtol=1e-12)


def test_a_bond_from_a_ring_turns_and_those_in_it_do_not():
    z, x = np.array([C] * 3), np.array([[0, 0, 0], [1.5, 0, 0], [0.75, 1.3, 0]], float)
    out = np.array([-1.3, -0.75, 0.0])
    z, x = np.append(z, [C, O]), np.vstack([x, out, placed(x[1], x[0], out, 1.43, 110.0, 80.0)])
    (found,) = degrees((z, x))
    assert len(found) == 1
    two = np.append(z, [C, C]), np.vstack([x, x[4] + [-1.0, -0.9, 0.3], x[4] + [-1.9, 0.2, 0.1]])
    assert [len(f) for f in degrees((z, x), two)] == [1, 3]


def test_the_atoms_of_highest_rank_are_chosen():
    """1-fluoropropan-2-ol's C-C bond is measured from F to O, wherever the methyl group is."""
    z, x = chain([F, C, C, O], [65.0])
    methyl = placed(x[0], x[1], x[2], 1.53, TETRAHEDRAL, -175.0)
    (found,) = degrees((np.append(z, C), np.vstack([x, methyl])))
    np.testing.assert_allclose(found, [65.0], atol=1e-9)
    (swapped,) = degrees((np.append(z[:3], [C, O]), np.vstack([x[:3], methyl, x[3]])))
    np.testing.assert_allclose(swapped, [65.0], atol=1e-9)


def test_among_equivalent_atoms_the_one_nearest_to_anti_counts():
    z, x = chain([C] * 4, [50.0])
    twin = placed(x[0], x[1], x[2], 1.53, TETRAHEDRAL, 170.0)
    (found,) = degrees((np.append(z, C), np.vstack([x, twin])))
    np.testing.assert_allclose(found, [170.0], atol=1e-9)
    even = np.vstack([chain([C] * 4, [-60.0])[1], placed(*chain([C] * 4, [60.0])[1][:3], 1.53, TETRAHEDRAL, 60.0)])
    (tie,) = degrees((np.append(z, C), even))
    np.testing.assert_allclose(tie, [60.0], atol=1e-9)


def test_surroundings_two_bonds_away_tell_atoms_apart():
    """Of two arms CH2-F and CH2-O the same one is chosen, whether it is anti or gauche to the other end."""
    gauche = []
    for first, second in ((60.0, 180.0), (180.0, -60.0)):
        z, x = chain([N, C, C, C], [first])
        other = placed(*x[:3], 1.53, TETRAHEDRAL, second)
        tips = [placed(x[1], x[2], arm, 1.43, TETRAHEDRAL, 180.0) for arm in (x[3], other)]
        (found,) = degrees((np.append(z, [C, F, O]), np.vstack([x, other, tips])))
        gauche.append(sum(abs(abs(a) - 60.0) < 1e-6 for a in found))
    assert sorted(gauche) == [0, 1]


def test_angles_come_in_the_order_of_their_bonds():
    hexane = chain([C] * 6, [60.0, 175.0, -80.0])
    ether = chain([C, C, O, C, C], [-170.0, 90.0])
    ends, found = degrees(hexane, ether)
    assert sorted(ends) == pytest.approx([-80.0, 60.0, 175.0])
    # The two C-O bonds are equivalent: the larger angle first.
    np.testing.assert_allclose(found, [-170.0, 90.0], atol=1e-9)
    np.testing.assert_allclose(degrees(chain([C, C, O, C, C], [90.0, -170.0]))[0], [-170.0, 90.0], atol=1e-9)
    mixed = chain([C, C, C, O, C], [100.0, 20.0])
    np.testing.assert_allclose(degrees(mixed)[0], [20.0, 100.0], atol=1e-9)


def molecule(seed):
    rng = np.random.default_rng(seed)
    elements = rng.choice([C, C, C, N, O], 7)
    return with_hydrogens(*chain(elements, rng.choice([-1, 1], 4) * rng.uniform(100, 175, 4)), [2] * 7)


@pytest.mark.parametrize("seed", range(4))
def test_invariance_under_motions_and_numbering_and_the_sign_of_mirror_images(seed):
    (z, x), rng = molecule(seed), np.random.default_rng(100 + seed)
    (before,) = degrees((z, x))
    assert len(before) == 4
    turned = x @ SpecialOrthogonal(3).random_point(rng=seed).T + rng.standard_normal(3)
    np.testing.assert_allclose(degrees((z, turned))[0], before, atol=1e-8)
    order = rng.permutation(len(z))
    np.testing.assert_allclose(degrees((z[order], x[order]))[0], before, atol=1e-8)
    np.testing.assert_allclose(degrees((z, x * [1, 1, -1]))[0], -before, atol=1e-8)


def test_blocks_and_batches_change_nothing():
    molecules = [molecule(s) for s in range(7)] + [chain([C] * 3, []), chain([O, C, C, O], [-40.0])]
    alone = [degrees(m)[0] for m in molecules]
    for block in (1, 2, 100):
        for a, b in zip(degrees(*molecules, block=block), alone, strict=True):
            np.testing.assert_array_equal(a, b)


def test_bad_molecules_are_refused():
    with pytest.raises(ValueError, match=r"numbers \[14\]"):
        degrees((np.array([C, 14]), np.zeros((2, 3))))
    with pytest.raises(ValueError, match="add up to 3"):
        molecule_dihedrals([3], np.array([C, C]), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="65 heavy atoms"):
        degrees(chain([C] * 65, [180.0] * 62))
    angles, there = molecule_dihedrals([], np.empty(0, int), np.empty((0, 3)))
    assert angles.shape == there.shape == (0, 0)


def test_the_tables_of_the_package_are_read():
    head = b"XYZ_file,Index,SMILES,InChi,N_atoms,Stoichiometry,Elements,XYZ_Ang,Mulliken_pop\n"
    line = b'"%06d.xyz",%d,"O","InChI=1S/H2O/h1H2",2,"[2,0]","[\'O\',\'H\']","[[0.5,-1.25,2.],[1.,2.,-3.]]"\n'
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        for k in (1, 2, 3):
            wheel.writestr(f"qm9pack/data/qm9_part{k}.csv", head + line % (k, k) + line % (k + 9, k + 9))
    atoms = np.frombuffer(read_wheel(content.getvalue()), ATOM)
    assert atoms["molecule"].tolist() == [1, 1, 10, 10, 2, 2, 11, 11, 3, 3, 12, 12]
    assert atoms["number"].tolist() == [O, H] * 6
    np.testing.assert_array_equal(atoms["xyz"][-2:], [[0.5, -1.25, 2.0], [1.0, 2.0, -3.0]])
    with pytest.raises(ValueError, match="wheel of qm9pack"):
        read_wheel(b"something else")


def some_atoms(real_data: Path, molecules: int) -> bytes:
    assert QM9.read_local is not None
    atoms = np.frombuffer(QM9.read_local(real_data / QM9.local), ATOM)
    return atoms[atoms["molecule"] <= molecules].tobytes()


def test_qm9_is_padded_pairs_and_the_cache_is_used(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = []

    def fetch(source):
        asked.append(source.name)
        return some_atoms(real_data, 3000)

    monkeypatch.setattr(data.qm9, "fetch", fetch)
    d = load("qm9-dihedrals")
    assert asked == ["qm9/atoms.rows"]
    assert d.likelihood == "von-mises"
    assert d.train.dtype == np.float32
    assert abs(len(d.train) / (len(d.train) + len(d.validation) + len(d.test)) - 0.8) < 2e-3
    _, there = angles_from_pairs(d.train)
    np.testing.assert_array_equal(there.sum(-1), d.train_labels)
    assert d.train_labels.min() == 1
    assert (there[:, :-1] >= there[:, 1:]).all()
    lengths = np.hypot(d.train[:, ::2], d.train[:, 1::2])
    np.testing.assert_allclose(lengths, there, atol=1e-6)
    again = load("qm9-dihedrals")
    assert len(asked) == 1
    np.testing.assert_array_equal(again.test, d.test)
    (kept,) = (cache_folder() / "qm9").glob("dihedrals-*.npz")
    kept.write_bytes(kept.read_bytes()[:1000])
    np.testing.assert_array_equal(load("qm9-dihedrals").test, d.test)
    assert len(asked) == 2


@pytest.mark.slow
def test_all_of_qm9(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    d = load("qm9-dihedrals")
    assert sum(len(x) for x in (d.train, d.validation, d.test)) == 71768
    assert d.n_features == 12
