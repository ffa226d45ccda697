"""Maps of the sphere S^2: the equal-area Hammer projection and the orthographic globe.

Points are unit vectors ``(..., 3)``; longitude is ``atan2(y, x)``, latitude ``asin(z)``; the map is centred
at ``(1, 0, 0)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat.plot.style import GREY, LINE, SEQUENTIAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

Density = Callable[[np.ndarray], Any]

# Half axes of the Hammer ellipse; its area is 4 pi, that of the sphere.
HALF_WIDTH = 2.0 * math.sqrt(2.0)
HALF_HEIGHT = math.sqrt(2.0)
# Rows of pixels of a shaded map; the finer one shows what spans a degree.
COARSE, FINE = 240, 480
# The darkest of the blues on a map with a scale of its own.
DEEP = 0.9
NEARLY_NONE = 1e-300
# Where a globe is seen from unless told: longitude and latitude in degrees.
VIEW = (-35.0, 25.0)


def hammer(x: np.ndarray) -> np.ndarray:
    """Equal-area map coordinates ``(..., 2)`` of unit vectors ``(..., 3)``.

    ``(2 sqrt(2) cos(lat) sin(lon / 2), sqrt(2) sin(lat)) / sqrt(1 + cos(lat) cos(lon / 2))``; one unit of area on the
    map is one of the sphere. Reference: Snyder (1987), "Map Projections: A Working Manual", p. 182.
    """
    half, cos_lat = 0.5 * np.arctan2(x[..., 1], x[..., 0]), np.hypot(x[..., 0], x[..., 1])
    scale = np.sqrt(1.0 + cos_lat * np.cos(half))
    return np.stack([HALF_WIDTH * cos_lat * np.sin(half) / scale, HALF_HEIGHT * x[..., 2] / scale], axis=-1)


def hammer_inverse(p: np.ndarray) -> np.ndarray:
    """Unit vectors ``(..., 3)`` of Hammer map coordinates ``(..., 2)``; NaN outside the ellipse."""
    a, b = p[..., 0], p[..., 1]
    outside = (a / HALF_WIDTH) ** 2 + (b / HALF_HEIGHT) ** 2 > 1.0
    square = np.where(outside, np.nan, 1.0 - (a / 4) ** 2 - (b / 2) ** 2)
    root = np.sqrt(square)
    lon, sin_lat = 2.0 * np.arctan2(root * a, 2.0 * (2.0 * square - 1.0)), root * b
    cos_lat = np.sqrt(np.maximum((1.0 - sin_lat) * (1.0 + sin_lat), 0.0))
    return np.stack([cos_lat * np.cos(lon), cos_lat * np.sin(lon), sin_lat], axis=-1)


def from_degrees(lon: Any, lat: Any) -> np.ndarray:
    """Unit vectors ``(..., 3)`` of longitudes and latitudes in degrees."""
    lon, lat = np.radians(lon), np.radians(lat)
    lon, lat = np.broadcast_arrays(lon, lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def orthographic(x: np.ndarray, view: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates ``(..., 2)`` on the disc seen from ``view`` (degrees), and height ``(...,)`` towards the viewer."""
    seen = x @ camera(view)
    return seen[..., :2], seen[..., 2]


def behind(view: tuple[float, float]) -> tuple[float, float]:
    """The opposite point of view."""
    return view[0] + 180.0, -view[1]


def turned(x: np.ndarray, degrees: float) -> np.ndarray:
    """Unit vectors ``(..., 3)`` moved east by so many degrees."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(x @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]], dtype=x.dtype))


def hammer_map(
    ax: Axes, *, density: Density | None = None, scale: Normalize | None = None, centre: float = 0.0
) -> None:
    """An empty Hammer map with its graticule every 30 degrees, shaded by ``density(x)`` (per unit area) if given.

    ``scale`` says which densities are light and dark; by default linear from 0 to the largest. ``centre`` is the
    longitude in the middle, in degrees.
    """
    from matplotlib.patches import Ellipse

    rim = ax.add_patch(Ellipse((0, 0), 2 * HALF_WIDTH, 2 * HALF_HEIGHT, fill=False, edgecolor=GREY, linewidth=0.8))
    if density is not None:
        grid = raster(HALF_WIDTH, HALF_HEIGHT, FINE if scale else COARSE)
        _shade(ax, turned(hammer_inverse(grid), centre), density, (HALF_WIDTH, HALF_HEIGHT), rim, scale)
    for line in graticule():
        ax.plot(*hammer(line).T, color=LINE, linewidth=0.5, zorder=1.5)
    _frame_limits(ax, HALF_WIDTH, HALF_HEIGHT)


def globe_map(
    ax: Axes, *, view: tuple[float, float] = VIEW, density: Density | None = None, scale: Normalize | None = None
) -> None:
    """An empty globe seen from ``view`` (degrees) with its graticule, shaded by ``density(x)`` as `hammer_map` is."""
    from matplotlib.patches import Circle

    rim = ax.add_patch(Circle((0, 0), 1.0, fill=False, edgecolor=GREY, linewidth=0.8))
    if density is not None:
        grid = raster(1.0, 1.0, COARSE)
        with np.errstate(invalid="ignore"):
            height = np.sqrt(1.0 - (grid**2).sum(-1, keepdims=True))
        _shade(ax, np.concatenate([grid, height], axis=-1) @ camera(view).T, density, (1.0, 1.0), rim, scale)
    for line in graticule():
        p, height = orthographic(line, view)
        ax.plot(*np.where(height[:, None] >= 0, p, np.nan).T, color=LINE, linewidth=0.5, zorder=1.5)
    _frame_limits(ax, 1.0, 1.0)


def camera(view: tuple[float, float]) -> np.ndarray:
    """Columns: the viewer's right, up and towards the viewer."""
    lon, lat = view
    return np.stack([from_degrees(lon + 90, 0), from_degrees(lon, lat + 90), from_degrees(lon, lat)], axis=-1)


def graticule() -> list[np.ndarray]:
    """Meridians and parallels every 30 degrees."""
    # The meridian at 180 degrees is the rim of the map; a hair's breadth on either side keeps lines in one piece.
    meridians = [from_degrees(lon, np.linspace(-90, 90, 91)) for lon in range(-150, 180, 30)]
    edge = 180 - 1e-9
    return meridians + [from_degrees(np.linspace(-edge, edge, 181), lat) for lat in range(-60, 90, 30)]


def raster(half_width: float, half_height: float, rows: int) -> np.ndarray:
    """Pixel centres ``(rows, columns, 2)`` of a box about the origin, the top row first."""
    columns = round(rows * half_width / half_height)
    a = half_width * ((2 * np.arange(columns) + 1) / columns - 1)
    b = half_height * (1 - (2 * np.arange(rows) + 1) / rows)
    return np.stack(np.meshgrid(a, b), axis=-1)


def shades(deepest: float) -> Colormap:
    """From paper white up to a share of the blues; half of them leave any colour on top visible."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", colormaps[SEQUENTIAL](np.linspace(0.0, deepest, 64)))


def _shade(
    ax: Axes, x: np.ndarray, density: Density, half: tuple[float, float], rim: Any, scale: Normalize | None
) -> None:
    from matplotlib.colors import Normalize

    inside = ~np.isnan(x).any(axis=-1)
    values = np.full(x.shape[:-1], np.nan)
    values[inside] = np.asarray(density(x[inside]), dtype=np.float64)
    cmap, norm = (shades(0.5), Normalize(0.0, np.nanmax(values))) if scale is None else (shades(DEEP), scale)
    box = (-half[0], half[0], -half[1], half[1])
    # On a logarithmic scale zeros would be holes in the map.
    image = ax.imshow(np.maximum(values, NEARLY_NONE), extent=box, cmap=cmap, norm=norm, interpolation="bilinear")
    image.set_clip_path(rim)


def _frame_limits(ax: Axes, half_width: float, half_height: float) -> None:
    ax.set_xlim(-1.02 * half_width, 1.02 * half_width)
    ax.set_ylim(-1.04 * half_height, 1.04 * half_height)
