"""``python -m geomlat``, the same as the command ``geomlat``."""

from __future__ import annotations

import sys

from geomlat.cli import main

if __name__ == "__main__":
    sys.exit(main())
