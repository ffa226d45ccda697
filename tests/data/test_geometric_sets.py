"""Points on the Earth and WordNet's mammals: places, splits, pairs, and the files they come from."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from geomlat.cli import main
from geomlat.data import Points, Relations, earth, load, mammals, protein_torsions, wind
from geomlat.data.earth import EARTH, read_degrees
from geomlat.data.files import read_npz
from geomlat.data.proteins import ROW, TORSIONS, read_arrays, read_rows
from geomlat.data.wordnet import MAMMALS, closure_csv
from geomlat.manifolds import Sphere, Torus

SIZES = {"earthquake": 6120, "flood": 4875, "fire": 12809, "volcano": 827}


@pytest.mark.parametrize("kind", SIZES)
def test_no_place_is_in_two_splits(real_data: Path, kind: str) -> None:
    d = load(kind)
    assert isinstance(d, Points)
    assert d.manifold == Sphere(2)
    parts = d.train, d.validation, d.test
    assert sum(map(len, parts)) == SIZES[kind]
    np.testing.assert_allclose(np.array([len(x) for x in parts]) / SIZES[kind], [0.8, 0.1, 0.1], atol=0.025)
    places = [{tuple(p) for p in np.round(x, 9)} for x in parts]
    assert not places[0] & places[1]
    assert not places[0] & places[2]
    assert not places[1] & places[2]
    assert all(x.dtype == np.float64 and Sphere(2).contains(x).all() for x in parts)
    for x, y in zip(parts, (earth(kind).train, earth(kind).validation, earth(kind).test), strict=True):
        np.testing.assert_array_equal(x, y)


def test_volcanoes_have_few_places_and_keep_every_eruption(real_data: Path) -> None:
    d = load("volcano")
    x = np.concatenate([d.train, d.validation, d.test])
    assert len(np.unique(np.round(x, 9), axis=0)) == 267
    vesuvius = np.radians([40.821, 14.426])
    at = [np.cos(vesuvius[0]) * np.cos(vesuvius[1]), np.cos(vesuvius[0]) * np.sin(vesuvius[1]), np.sin(vesuvius[0])]
    eruptions = np.sum(np.abs(x - at).max(axis=1) < 1e-9)
    degrees = np.frombuffer(read_npz(real_data / "earth" / "earth_latlon_deg.npz", key="volcano")).reshape(-1, 2)
    assert eruptions == np.sum((degrees == [40.821, 14.426]).all(axis=1)) > 10


@pytest.mark.parametrize(
    ("kind", "head", "end", "form"),
    [
        ("volcano", "# source\nLatitude,Longitude\n", "\n", "{:.10g}"),
        ("earthquake", "# a\r\n# b\r\nLATITUDE,LONGITUDE\r\n", "\r\n", "{:.3f}"),
        ("fire", "# source\n", "\n", "{:.10g}"),
    ],
)
def test_the_published_text_gives_the_known_bytes(real_data: Path, kind: str, head: str, end: str, form: str) -> None:
    degrees = np.frombuffer(read_npz(real_data / "earth" / "earth_latlon_deg.npz", key=kind)).reshape(-1, 2)
    text = head + end.join(",".join(map(form.format, row)) for row in degrees)
    EARTH[kind].verified(read_degrees(text.encode()))
    with pytest.raises(ValueError, match="SHA-256"):
        EARTH[kind].verified(read_degrees(text.encode()[:-9]))


def test_other_splits_part_the_places_anew(real_data: Path) -> None:
    first, second = earth("volcano"), earth("volcano", split=1)
    every = [np.concatenate([d.train, d.validation, d.test]) for d in (first, second)]
    np.testing.assert_array_equal(*(np.unique(x, axis=0) for x in every))
    places = [{tuple(p) for p in np.round(x, 9)} for x in (first.test, second.test, second.train)]
    assert len(places[0] & places[1]) < 0.5 * len(places[0])
    assert not places[1] & places[2]


def test_places_stay_together_whatever_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    gen = np.random.default_rng(0)
    places = np.stack((gen.uniform(-80.0, 80.0, 300), gen.uniform(-180.0, 180.0, 300)), axis=-1)
    rows = np.repeat(places, np.where(np.arange(300) == 7, 500, gen.integers(1, 9, 300)), axis=0)
    rows[::2, 1] += 360.0  # the same place but for the rounding of its sines
    rows = rows[gen.permutation(len(rows))]
    monkeypatch.setattr(import_module("geomlat.data.earth"), "fetch", lambda source: rows.tobytes())
    found = []
    for split in range(3):
        d = earth("flood", split=split)
        parts = d.train, d.validation, d.test
        assert sum(map(len, parts)) == len(rows)
        assert 0.8 * len(rows) - 500 < len(d.train) <= 0.8 * len(rows)
        assert len(d.train) + len(d.validation) <= 0.9 * len(rows)
        seen = [{tuple(p) for p in np.round(x, 7)} for x in parts]
        assert sum(map(len, seen)) == len(seen[0] | seen[1] | seen[2]) == 300
        found.append(seen[2])
    assert len(found[0] & found[1]) < 0.5 * len(found[0])
    assert earth("flood", split=1).test.tobytes() == earth("flood", split=1).test.tobytes()


def test_a_protein_stays_together_whatever_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    gen, rows = np.random.default_rng(0), np.zeros(3000, ROW)
    rows["protein"] = np.array([f"{k:04d}" for k in range(200)], "S4")[gen.integers(0, 200, 3000)]
    rows["degrees"][:, 0] = rows["protein"].astype(int)  # in degrees below 180 the angle tells the protein
    rows["degrees"][:, 1] = gen.uniform(-180.0, 180.0, 3000)
    monkeypatch.setattr(import_module("geomlat.data.proteins"), "fetch", lambda source: rows.tobytes())
    d = protein_torsions("trp")
    seen = [set(np.round(np.degrees(x[:, 0])).astype(int)) for x in (d.train, d.validation, d.test)]
    assert all(seen)
    assert sum(map(len, seen)) == len(seen[0] | seen[1] | seen[2])
    assert len(d.train) > 0.7 * 3000
    assert len(protein_torsions("trp", "met").test) == 2 * len(d.test)


def test_torsions_are_angles_and_no_protein_is_in_two_splits(real_data: Path) -> None:
    d, path = load("protein-torsions"), real_data / "protein_torus" / "top8000_phi_psi_chi.npz"
    parts = d.train, d.validation, d.test
    assert d.manifold == Torus(2)
    assert sum(map(len, parts)) == 155781
    assert all((np.abs(x) <= np.pi).all() for x in parts)
    np.testing.assert_allclose(np.array([len(x) for x in parts]) / 155781, [0.8, 0.1, 0.1], atol=0.01)
    rows = np.frombuffer(read_arrays(path, key="trp"), ROW)
    assert rows[0]["protein"] == b"1a2p"
    np.testing.assert_allclose(rows[:2]["degrees"], [[-66.217, 131.012], [-118.071, 146.05]], rtol=1e-6)
    one = protein_torsions("trp")
    train, test = ({tuple(x) for x in np.round(part, 6)} for part in (one.train, one.test))
    at = np.round(np.radians(rows["degrees"].astype(np.float64)), 6)
    names = {tuple(x): code for x, code in zip(at, rows["protein"], strict=True)}
    assert not {names[x] for x in train & set(names)} & {names[x] for x in test & set(names)}
    assert len(test & set(names)) > 0.9 * len(one.test)
    with pytest.raises(ValueError, match="unknown residues gly; there are cispro, cys"):
        protein_torsions("gly")


@pytest.mark.parametrize("residue", ["cispro", "met"])
def test_the_published_torsions_give_the_known_bytes(real_data: Path, residue: str) -> None:
    rows = np.frombuffer(read_arrays(real_data / "protein_torus" / "top8000_phi_psi_chi.npz", key=residue), ROW)
    lines = (f"{c.decode()} A 7 MET B<15.7 wc<0.4 (1.90A MP=1.56),{x:.3f},{y:.3f},1.5,NULL,0.1\n" for c, (x, y) in rows)
    text = "".join(lines).encode()
    TORSIONS[residue].verified(read_rows(text))
    with pytest.raises(ValueError, match="SHA-256"):
        TORSIONS[residue].verified(read_rows(text[: len(text) // 2]))


def test_sources_have_checksums_and_addresses() -> None:
    for source in (*EARTH.values(), *TORSIONS.values(), MAMMALS):
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert len(source.urls) == 2
        assert all(url.startswith("https://") for url in source.urls)


def test_the_mammals_are_a_transitive_closure(real_data: Path) -> None:
    d = load("mammals")
    assert isinstance(d, Relations)
    assert (len(d.names), d.pairs.shape) == (1180, (6540, 2))
    assert list(d.names) == sorted(d.names)
    related = np.zeros((1180, 1180), dtype=np.float32)
    related[tuple(d.pairs.T)] = 1
    assert related.sum() == 6540
    assert not ((related @ related > 0) & (related == 0)).any()
    assert not np.diagonal(related).any()
    root = d.names.index("mammal.n.01")
    assert related[:, root].sum() == 1179
    assert related[d.names.index("seattle_slew.n.01"), d.names.index("horse.n.01")] == 1
    assert related[d.names.index("dog.n.01"), d.names.index("horse.n.01")] == 0


# Six synsets in the format of wndb(5): mammal, dog (also a tusker by this file), Rex the instance, tusker, and stone;
# "dog" has two senses, the second of which is ours; "Stone" is written with a capital.
DATA = """  1 a line of the licence
00000001 05 n 01 mammal 0 001 @ 00000009 n 0000 | milk | and hair
00000002 05 n 02 dog 0 hound 1 003 @ 00000001 n 0000 @ 00000004 n 0000 + 00000007 v 0101 | barks
00000003 05 n 01 Rex 0 001 @i 00000002 n 0000 | a dog
00000004 05 n 01 tusker 0 001 @ 00000001 n 0000 | with tusks
00000009 03 n 01 Stone 0 001 ~ 00000001 n 0000 | not alive
"""
INDEX = """  1 a line of the licence
dog n 2 3 @ ~ + 2 1 00000005 00000002
hound n 1 1 @ 1 0 00000002
mammal n 1 1 @ 1 0 00000001
rex n 1 1 @i 1 0 00000003
stone n 1 1 ~ 1 0 00000009
tusker n 1 1 @ 1 0 00000004
"""
PAIRS = "dog.n.02,mammal.n.01 dog.n.02,tusker.n.01 rex.n.01,dog.n.02 rex.n.01,mammal.n.01 rex.n.01,tusker.n.01"


def archives() -> dict[str, bytes]:
    files = {"dict/data.noun": DATA.encode(), "dict/index.noun": INDEX.encode(), "dict/data.verb": b"no"}
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as z, tarfile.open(fileobj=tarred, mode="w:gz") as t:
        for name, content in files.items():
            z.writestr(name, content)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
    return {"zip": zipped.getvalue(), "tar": tarred.getvalue()}


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_the_closure_is_read_from_wordnets_own_files(kind: str) -> None:
    assert closure_csv(archives()[kind]).decode().split() == ["id1,id2", *PAIRS.split()]


def test_wind_directions(real_data: Path) -> None:
    d = load("wind")
    assert [x.shape for x in (d.train, d.validation, d.test)] == [(248, 2), (31, 2), (31, 2)]
    assert d.manifold == Sphere(1)
    x = np.concatenate([d.train, d.validation, d.test])
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1.0, rtol=1e-15)
    angle = np.frombuffer(read_npz(real_data / "directional" / "r_circular_datasets.npz", key="wind"))
    np.testing.assert_allclose(np.sort(np.arctan2(x[:, 1], x[:, 0]) % (2 * np.pi)), np.sort(angle), rtol=1e-14)
    np.testing.assert_allclose(x.sum(axis=0), [np.cos(angle).sum(), np.sin(angle).sum()], rtol=1e-13)
    np.testing.assert_array_equal(d.train, wind().train)


def test_what_is_not_for_download_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOMLAT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(OSError, match="It is not for download; set GEOMLAT_DATA to a folder that holds directional/r_"):
        wind()


@pytest.mark.parametrize("content", [b"", b"<html>moved</html>", archives()["tar"][:60]], ids=["none", "page", "part"])
def test_another_file_is_no_archive(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"not an archive with data\.noun and index\.noun"):
        closure_csv(content)


def test_damaged_files_and_unknown_kinds_are_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOMLAT_DATA", str(tmp_path))
    for source in (MAMMALS, EARTH["fire"]):
        (tmp_path / source.local).parent.mkdir()
        (tmp_path / source.local).write_bytes(b"other")
    with pytest.raises(ValueError, match="damaged"):
        mammals()
    with pytest.raises(ValueError, match="damaged"):
        earth("fire")
    with pytest.raises(ValueError, match="unknown Earth data 'water'; there are earthquake, flood"):
        earth("water")


def test_the_command_line_describes_them_and_trains_on_none(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "volcano"]) == 0
    assert "points (train / validation / test) of Sphere(n=2)\n" in capsys.readouterr().out
    assert main(["data", "mammals"]) == 0
    assert "6540 pairs of 1180 names" in capsys.readouterr().out
    assert main(["train", "svae", "--data", "mammals"]) == 2
    assert "need rows of features, and mammals: 6540 pairs" in capsys.readouterr().err
