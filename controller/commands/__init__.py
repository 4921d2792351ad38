"""One file per command of the command line; found by walking this folder."""
