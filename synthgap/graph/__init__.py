"""Specifications of artifacts, and the store that computes them."""
