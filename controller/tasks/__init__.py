"""One file per task, each reading like its protocol; found by walking this folder."""
