"""The command ``geomlat``: train, evaluate, sample, plot, data."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from geomlat.cli.parser import make_parser

__all__ = ["main"]

EXTRAS = {"matplotlib", "pooch", "safetensors", "sklearn", "tabulate", "threadpoolctl", "tqdm"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 2 for an error in what was asked, 130 after Ctrl-C.

    What the user can put right is one line on standard error; anything else is a defect and shows its traceback.
    """
    args = make_parser().parse_args(argv)
    try:
        from geomlat.cli.commands import COMMANDS

        COMMANDS[args.command](args)
    except KeyboardInterrupt as stop:
        return _complain(str(stop) or "interrupted", 130)
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        return _complain(f"`geomlat {args.command}` needs {package}; run: pip install 'geomlat[train]'", 2)
    except Exception as failure:
        if not isinstance(failure, _expected()):
            raise
        return _complain(str(failure), 2)
    return 0


def _expected() -> tuple[type[Exception], ...]:
    from geomlat.train import CheckpointError, TrainingDiverged

    return (CheckpointError, TrainingDiverged, ValueError, OSError)


def _complain(message: str, status: int) -> int:
    print(f"geomlat: {' '.join(message.split())}", file=sys.stderr)
    return status
