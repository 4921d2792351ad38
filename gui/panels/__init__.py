"""The window's panels: one file each, whose docstring is its manual."""
