"""One file per device: each is its own manual, found by walking this folder."""
