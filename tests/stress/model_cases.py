"""Files of models, released and hostile: rows of book/reliability.md."""

from __future__ import annotations

from cases import Case, Value

MODELS: list[Case | Value] = []
