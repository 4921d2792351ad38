"""Measurements against references of the same run; one file per benchmark, found by walking this folder."""
