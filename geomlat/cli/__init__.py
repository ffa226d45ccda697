"""The command ``geomlat``: train, evaluate, sample, plot, data, check, reproduce."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from geomlat.cli.parser import make_parser

__all__ = ["main"]

EXTRAS = {
    **dict.fromkeys(("matplotlib", "pooch", "safetensors", "sklearn", "tabulate", "threadpoolctl", "tqdm"), "train"),
    "hypothesis": "test",
}
"""The optional packages and the extra that brings each."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 if a check failed, 2 for an error in what was asked.

    After Ctrl-C it is 130.

    What the user can put right is one line on standard error; anything else is a defect and shows its traceback.
    """
    args = make_parser().parse_args(argv)
    try:
        from geomlat.cli.commands import COMMANDS

        return COMMANDS[args.command](args) or 0
    except KeyboardInterrupt as stop:
        return _complain(str(stop) or "interrupted", 130)
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        return _complain(f"`geomlat {args.command}` needs {package}; run: pip install 'geomlat[{EXTRAS[package]}]'", 2)
    except Exception as failure:
        if not isinstance(failure, _expected()):
            raise
        return _complain(str(failure), 2)


def _expected() -> tuple[type[Exception], ...]:
    from geomlat.train import CheckpointError, TrainingDiverged

    return (CheckpointError, TrainingDiverged, ValueError, OSError, MemoryError)


def _complain(message: str, status: int) -> int:
    print(f"geomlat: {' '.join(message.split())}", file=sys.stderr)
    return status
