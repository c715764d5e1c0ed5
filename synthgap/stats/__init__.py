"""Intervals, tests and verdicts, of arrays."""
