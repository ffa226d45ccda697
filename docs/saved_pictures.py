"""The gallery's scraper: examples save their pictures, where sphinx-gallery looks for open figures."""

import shutil
from pathlib import Path

from sphinx_gallery.scrapers import figure_rst


class Saved:
    """Takes the pictures that an example saves below runs/ into the gallery."""

    def __repr__(self):
        return "Saved"

    def __call__(self, block, block_vars, gallery_conf):
        """The RST of the pictures written since the last block; they leave the example's folder."""
        runs = Path(block_vars["src_file"]).parent / "runs"
        pictures = []
        for path in sorted(runs.rglob("*.png")) + sorted(runs.rglob("*.gif")):
            target = Path(next(block_vars["image_path_iterator"])).with_suffix(path.suffix)
            shutil.move(path, target)
            pictures.append(str(target))
        shutil.rmtree(runs, ignore_errors=True)
        return figure_rst(pictures, gallery_conf["src_dir"])
