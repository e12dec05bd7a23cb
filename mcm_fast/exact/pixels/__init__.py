"""Exact pixels: a synthesis as a list of integer layers (FORMAT.md, "Pixels"). Imports no torch."""
