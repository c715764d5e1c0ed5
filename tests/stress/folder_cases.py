"""Folders and arrays as people have them: rows of book/reliability.md."""

from __future__ import annotations

from cases import Case, Value

FOLDERS: list[Case | Value] = []
