"""Sphinx: `sphinx-build -W -b html docs build/docs` writes the pages."""

import logging
import os
import re
import sys
from pathlib import Path

import geomlat

sys.path.insert(0, str(Path(__file__).parent))

from saved_pictures import Saved

ROOT = Path(__file__).parents[1]

project = "geomlat"
author = copyright = "The geomlat developers"
release = version = geomlat.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"navigation_with_keys": False, "show_toc_level": 2}
html_title = "geomlat"
templates_path = ["_templates"]
exclude_patterns = ["reproduction/results", "**/README.rst", "gallery/*.ipynb", "gallery/*.py"]

autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3


# sphinx-gallery wants a title in each script, and runs it where it stands: it gets copies.
COPIES = ROOT / "build" / "examples"
COPIES.mkdir(parents=True, exist_ok=True)
(COPIES / "README.rst").write_text(
    "Examples\n========\n\nOne script for each published system or idea; each writes its pictures below ``runs/``.\n"
)
for script in (ROOT / "examples").glob("*.py"):
    title = script.stem.replace("_", " ").capitalize()
    text = script.read_text().replace('"""', f'"""\n{title}\n{"=" * len(title)}\n\n', 1)
    if not (COPIES / script.name).exists() or (COPIES / script.name).read_text() != text:
        (COPIES / script.name).write_text(text)

# What takes more than a minute or needs more than the data at hand is shown without being run.
QUICK = "|".join(
    (
        "mean_rotation",
        "curved_surfaces",
        "circle_recovery",
        "vamp_on_the_sphere",
        "hyperspherical_vae",
        "mixed_curvature",
        "tree_vae",
        *(["frechet_means"] if "GEOMLAT_DATA" in os.environ else []),
    )
)
RUN = os.environ.get("GEOMLAT_GALLERY", QUICK)
sphinx_gallery_conf = {
    "examples_dirs": str(COPIES),
    "gallery_dirs": "gallery",
    "filename_pattern": rf"/({RUN})\.py$",
    "image_scrapers": (Saved(),),
    "reset_modules": (),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "copyfile_regex": "",
}
logging.getLogger("matplotlib").setLevel(logging.WARNING)


def plain_bars(app, what, name, obj, options, lines):
    """Bars of absolute values stay bars: reStructuredText takes |x| for a substitution."""
    for k, line in enumerate(lines):
        parts = re.split(r"(``.*?``)", line)
        lines[k] = "".join(part if part.startswith("``") else re.sub(r"(?<!\\)\|", r"\\|", part) for part in parts)


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", plain_bars, priority=100)
