"""Short videos of a picture: MP4 through ffmpeg where it is installed, GIF through Pillow everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from geomlat.plot.picture import Picture
from geomlat.plot.style import GREY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FPS = 15
# The last frame stays for this many seconds.
PAUSE = 1.5


@dataclass(frozen=True, eq=False)
class Video:
    """A picture on which ``draw(picture, share)`` draws the state at each share, 0 to 1, of the time.

    ``draw`` returns the line of text under the picture. What it draws lies above what is there already.
    """

    picture: Picture
    draw: Callable[[Picture, float], str]
    seconds: float

    def still(self, share: float) -> Figure:
        """The figure with the state at one share of the time."""
        self._replace(share)
        return self._figure()

    def frames(self) -> Iterator[np.ndarray]:
        """All frames ``(height, width, 3)`` as bytes; the background is drawn once."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        ax, figure = self.picture.ax, self._figure()
        canvas = FigureCanvasAgg(figure)
        # The place of the axes, settled once with a line of text under them.
        self._replace(0.0)
        canvas.draw()
        figure.set_layout_engine("none")
        self._clear()
        canvas.draw()
        background = canvas.copy_from_bbox(figure.bbox)
        count = max(2, round(self.seconds * FPS))
        for share in np.linspace(0.0, 1.0, count):
            canvas.restore_region(background)
            for artist in sorted(self._replace(float(share)), key=lambda a: a.get_zorder()):
                ax.draw_artist(artist)
            frame = np.asarray(canvas.buffer_rgba())[..., :3].copy()
            yield frame
        for _ in range(round(PAUSE * FPS)):
            yield frame

    def _figure(self) -> Figure:
        figure: Any = self.picture.ax.figure
        return cast("Figure", figure)

    def _replace(self, share: float) -> list[Any]:
        """Draw the state at a share in the place of the one before; the new artists."""
        self._clear()
        ax = self.picture.ax
        before = set(ax.get_children())
        text = self.draw(self.picture, share)
        ax.text(0.5, 0.0, text, transform=ax.transAxes, ha="center", va="top", fontsize=8, color=GREY)
        new = [a for a in ax.get_children() if a not in before]
        for artist in new:
            artist.set_gid("geomlat-moving")
        return new

    def _clear(self) -> None:
        for artist in self.picture.ax.get_children():
            if artist.get_gid() == "geomlat-moving":
                artist.remove()


@dataclass(frozen=True, eq=False)
class Film:
    """Figures of one size, made anew for each share, 0 to 1, of the time; the last stays for ``pause`` seconds."""

    draw: Callable[[float], Figure]
    seconds: float
    pause: float = PAUSE

    def still(self, share: float) -> Figure:
        """The figure at one share of the time."""
        return self.draw(share)

    def frames(self) -> Iterator[np.ndarray]:
        """All frames ``(height, width, 3)`` as bytes."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        for share in np.linspace(0.0, 1.0, max(2, round(self.seconds * FPS))):
            canvas = FigureCanvasAgg(self.draw(float(share)))
            canvas.draw()
            frame = np.asarray(canvas.buffer_rgba())[..., :3].copy()
            yield frame
        for _ in range(round(self.pause * FPS)):
            yield frame


def save_video(video: Video | Film, path: str | os.PathLike[str]) -> Path:
    """Write a video as ``.gif`` (Pillow) or ``.mp4`` (ffmpeg), by the path's suffix; returns the path.

    A path without a suffix gets ``.mp4`` where ffmpeg is installed, else ``.gif``. The file appears whole or not at
    all.

    Raises
    ------
    ValueError
        If there is another suffix.
    FileNotFoundError
        If an MP4 is asked for and there is no ffmpeg, or the folder does not exist.
    """
    path = Path(path)
    path = path if path.suffix else path.with_suffix(".mp4" if shutil.which("ffmpeg") else ".gif")
    write = {".gif": _write_gif, ".mp4": _write_mp4}.get(path.suffix.lower())
    if write is None:
        msg = f"cannot write a video as {path.name!r}; end the name in .gif or .mp4"
        raise ValueError(msg)
    if not path.parent.is_dir():
        msg = f"there is no folder {path.parent}"
        raise FileNotFoundError(msg)
    partial = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        write(video.frames(), partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _write_gif(frames: Iterator[np.ndarray], path: Path) -> None:
    from PIL import Image
    from scipy.spatial import cKDTree

    # One palette for all, from the fullest picture, and no dithering: a still background then costs nothing. Pillow's
    # own search for the nearest colour is too coarse: white becomes grey.
    kept = list(frames)
    palette = Image.fromarray(kept[-1]).quantize(255).getpalette() or []
    tree = cKDTree(np.array(palette).reshape(-1, 3))
    known = np.full(1 << 24, -1, dtype=np.int16)
    images = []
    for frame in kept:
        red, green, blue = np.moveaxis(frame.astype(np.int32), -1, 0)
        codes = red << 16 | green << 8 | blue
        new = np.unique(codes[known[codes] < 0])
        known[new] = tree.query(np.stack([new >> 16, new >> 8 & 255, new & 255], axis=-1))[1]
        images.append(Image.fromarray(known[codes].astype(np.uint8)))
        images[-1].putpalette(palette)
    images[0].save(path, save_all=True, append_images=images[1:], duration=round(1000 / FPS), loop=0)


def _write_mp4(frames: Iterator[np.ndarray], path: Path) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        msg = "an MP4 needs the program ffmpeg, which is not installed; write a .gif instead"
        raise FileNotFoundError(msg)
    first = next(frames)
    size = f"{first.shape[1]}x{first.shape[0]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(FPS), "-i", "-"]
    # Players want even sides and 4:2:0 colours.
    target = ["-vf", "crop=trunc(iw/2)*2:trunc(ih/2)*2", "-pix_fmt", "yuv420p", "-crf", "18", str(path)]
    content = b"".join(f.tobytes() for f in (first, *frames))
    done = subprocess.run([program, "-loglevel", "error", "-y", *source, *target], input=content, capture_output=True)
    if done.returncode:
        msg = f"ffmpeg could not write the video: {done.stderr.decode().strip()}"
        raise OSError(msg)
