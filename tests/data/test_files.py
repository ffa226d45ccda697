"""Finding, downloading and checking files, against a server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from geomlat.data.files import Source, fetch

CONTENT = b"some bytes of a data set" * 1000
GOOD = gzip.compress(CONTENT, mtime=1)
BAD = [None, b"<html>moved</html>", GOOD[:-9], gzip.compress(b"other bytes", mtime=1)]
BAD_IDS = ["broken off", "html", "short", "other"]


class Server:
    """Pages by path: bytes, or None for an answer that breaks off half-way."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | None] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                if self.path not in server.pages:
                    self.send_error(404)
                    return
                page = server.pages[self.path]
                self.send_response(200)
                self.send_header("Content-Length", str(len(page or GOOD)))
                self.end_headers()
                self.wfile.write(GOOD[: len(GOOD) // 2] if page is None else page)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("GEOMLAT_DATA", raising=False)
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


def source(*urls: str) -> Source:
    return Source("set/file", hashlib.sha256(CONTENT).hexdigest(), urls, "folder/file.gz")


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_a_download_is_decoded_kept_and_used_again(server: Server, tmp_path: Path) -> None:
    server.pages["/file.gz"] = GOOD
    wanted = source(f"{server.url}/file.gz")
    assert fetch(wanted, cache=tmp_path) == CONTENT
    assert fetch(wanted, cache=tmp_path) == CONTENT
    assert server.asked == ["/file.gz"]
    assert (tmp_path / "set" / "file").read_bytes() == CONTENT
    assert files(tmp_path) == ["file"]


def test_mirrors_that_compress_differently_are_equally_good(server: Server, tmp_path: Path) -> None:
    server.pages["/file.gz"] = gzip.compress(CONTENT, 1, mtime=2)
    assert server.pages["/file.gz"] != GOOD
    assert fetch(source(f"{server.url}/file.gz"), cache=tmp_path) == CONTENT


@pytest.mark.parametrize("bad", BAD, ids=BAD_IDS)
def test_a_bad_mirror_is_passed_over(server: Server, tmp_path: Path, bad: bytes | None) -> None:
    server.pages |= {"/bad": bad, "/good": GOOD}
    assert fetch(source(f"{server.url}/gone", f"{server.url}/bad", f"{server.url}/good"), cache=tmp_path) == CONTENT
    assert server.asked == ["/gone", "/bad", "/good"]


@pytest.mark.parametrize("bad", BAD, ids=BAD_IDS)
def test_when_all_mirrors_are_bad_nothing_is_written(server: Server, tmp_path: Path, bad: bytes | None) -> None:
    server.pages["/bad"] = bad
    with pytest.raises(OSError, match="cannot get the data file set/file") as caught:
        fetch(source(f"{server.url}/gone", f"{server.url}/bad"), cache=tmp_path)
    message = str(caught.value)
    for part in (f"{server.url}/gone: 404", f"{server.url}/bad: ", "GEOMLAT_DATA: not set", str(tmp_path), "file.gz"):
        assert part in message
    assert "\n" not in message
    assert files(tmp_path) == []


def test_offline_the_error_says_where_it_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEOMLAT_DATA", str(tmp_path / "mine"))
    with pytest.raises(OSError, match=r"set GEOMLAT_DATA to a folder that holds folder/file\.gz") as caught:
        fetch(source("http://127.0.0.1:9/file.gz"), cache=tmp_path / "cache")
    assert f"{tmp_path / 'mine' / 'folder' / 'file.gz'}: not there" in str(caught.value)
    assert "http://127.0.0.1:9/file.gz: " in str(caught.value)


def test_a_damaged_file_in_the_cache_is_downloaded_again(server: Server, tmp_path: Path) -> None:
    server.pages["/file.gz"] = GOOD
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file").write_bytes(CONTENT[:-1])
    assert fetch(source(f"{server.url}/file.gz"), cache=tmp_path) == CONTENT
    assert (tmp_path / "set" / "file").read_bytes() == CONTENT


def test_the_folder_comes_first(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEOMLAT_DATA", str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.gz").write_bytes(GOOD)
    assert fetch(source(f"{server.url}/file.gz"), cache=tmp_path / "cache") == CONTENT
    assert server.asked == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("bad", [b"", *BAD[1:]], ids=["empty", *BAD_IDS[1:]])
def test_a_damaged_file_in_the_folder_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bad: bytes
) -> None:
    monkeypatch.setenv("GEOMLAT_DATA", str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.gz").write_bytes(bad)
    with pytest.raises(ValueError, match=r"folder/file.gz is damaged \(.+\); replace it"):
        fetch(source(), cache=tmp_path / "cache")


def test_the_progress_bar_is_an_option(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.pages["/file.gz"] = GOOD
    fetch(source(f"{server.url}/file.gz"), cache=tmp_path / "a", progress=False)
    assert capsys.readouterr().err == ""
    fetch(source(f"{server.url}/file.gz"), cache=tmp_path / "b", progress=True)
    assert "100%" in capsys.readouterr().err


def test_an_unwritable_cache_is_an_error(server: Server, tmp_path: Path) -> None:
    server.pages["/file.gz"] = GOOD
    (tmp_path / "set").write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"cannot keep data files in .*set: "):
        fetch(source(f"{server.url}/file.gz"), cache=tmp_path)
