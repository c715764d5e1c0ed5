"""Chapters, pages and command lines: rows of book/reliability.md."""

from __future__ import annotations

from cases import Case, Value

PAGES: list[Case | Value] = []
