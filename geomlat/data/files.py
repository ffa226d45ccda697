"""Files with a checksum: from the folder GEOMLAT_DATA, from the cache, or downloaded into the cache.

The checksum is that of the decoded bytes, because mirrors compress the same file differently.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


def read_gzip(path: Path) -> bytes:
    """The decompressed bytes of a file."""
    return gzip.decompress(path.read_bytes())


def read_npz(path: Path, *, key: str) -> bytes:
    """The bytes of one array of an npz file."""
    try:
        with np.load(io.BytesIO(path.read_bytes())) as arrays:
            return bytes(arrays[key].tobytes())
    except zipfile.BadZipFile as failure:
        msg = "not an npz file"
        raise ValueError(msg) from failure


@dataclass(frozen=True)
class Source:
    """A file and everywhere it may be found.

    Parameters
    ----------
    name
        Its path below the cache, which keeps the decoded bytes.
    sha256
        Of the decoded bytes.
    urls
        Public addresses, tried in turn; none for data that may not be passed on.
    local
        Its path below GEOMLAT_DATA.
    decode
        From the bytes that the addresses serve to the decoded ones.
    read_local
        From the path below GEOMLAT_DATA to the decoded bytes.
    """

    name: str
    sha256: str
    urls: tuple[str, ...]
    local: str
    decode: Callable[[bytes], bytes] = gzip.decompress
    read_local: Callable[[Path], bytes] = read_gzip

    def verified(self, content: bytes) -> bytes:
        """The content itself if it has the right checksum, else ValueError."""
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            msg = f"SHA-256 is {found[:12]}..., expected {self.sha256[:12]}..."
            raise ValueError(msg)
        return content


def fetch(source: Source, *, cache: Path | None = None, progress: bool | None = None) -> bytes:
    """The decoded, verified bytes of a source.

    It is looked for below the folder GEOMLAT_DATA, then in the cache (``pooch.os_cache("geomlat")``; it follows
    XDG_CACHE_HOME on Linux), then downloaded; a damaged file in the cache is downloaded again. The cache only ever
    holds verified files.

    Parameters
    ----------
    source
        What to fetch.
    cache
        Another cache folder.
    progress
        Whether a download shows a progress bar; by default where standard error is a terminal.

    Raises
    ------
    OSError
        If no place has the file: the message says which file, where it was looked for and what to do.
    ValueError
        If the file below GEOMLAT_DATA is damaged.
    """
    folder = os.environ.get("GEOMLAT_DATA")
    local = Path(folder, source.local) if folder else None
    if local is not None and local.is_file():
        return _from_folder(source, local)
    cached = (cache_folder() if cache is None else cache) / source.name
    try:
        return source.verified(cached.read_bytes())
    except (OSError, ValueError) as failure:
        tried = [f"{local}: not there" if local else "GEOMLAT_DATA: not set", f"{cached}: {_reason(failure)}"]
    _make(cached.parent)
    for url in source.urls:
        try:
            content = _download(source, url, cached.parent, progress)
        except (OSError, ValueError, EOFError, zlib.error) as failure:
            tried.append(f"{url}: {_reason(failure)}")
        else:
            write_whole(cached, content)
            return content
    advice = "Connect to the network once, or set" if source.urls else "It is not for download; set"
    msg = (
        f"cannot get the data file {source.name}; looked at {'; '.join(tried)}. {advice} GEOMLAT_DATA to a folder that "
        f"holds {source.local}"
    )
    raise OSError(msg)


def cache_folder() -> Path:
    """Where files are kept: ``pooch.os_cache("geomlat")``, which follows XDG_CACHE_HOME on Linux."""
    import pooch

    return Path(pooch.os_cache("geomlat"))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file below the cache; it appears whole or not at all."""
    _make(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as scratch:
        whole = Path(scratch, "file")
        whole.write_bytes(content)
        whole.replace(path)


def _from_folder(source: Source, path: Path) -> bytes:
    try:
        return source.verified(source.read_local(path))
    except (OSError, ValueError, EOFError, KeyError, zlib.error) as failure:
        msg = f"the data file {path} is damaged ({_reason(failure)}); replace it, or unset GEOMLAT_DATA to download it"
        raise ValueError(msg) from failure


def _download(source: Source, url: str, folder: Path, progress: bool | None) -> bytes:
    import pooch

    bar = sys.stderr.isatty() if progress is None else progress
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        target = Path(scratch, "file")
        pooch.HTTPDownloader(progressbar=bar)(url, str(target), None)
        return source.verified(source.decode(target.read_bytes()))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        msg = f"cannot keep data files in {folder}: {failure.strerror}"
        raise OSError(msg) from failure


def _reason(failure: Exception) -> str:
    if isinstance(failure, FileNotFoundError):
        return "not there"
    return str(failure).split("\n")[0][:200] or type(failure).__name__
