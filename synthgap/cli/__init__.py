"""The command line: `synthgap`, or `python -m synthgap.cli`."""

from .commands import app, main

__all__ = ["app", "main"]
