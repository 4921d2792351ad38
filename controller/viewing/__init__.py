"""What viewers of a session are shown, and how it gets to them, live and from a log."""
