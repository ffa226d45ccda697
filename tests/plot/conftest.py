"""matplotlib, or no tests here."""

import pytest

pytest.importorskip("matplotlib")
