"""Layer 2: rig files, sessions, supervision, log, replay and the command line."""
