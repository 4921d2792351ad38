"""Layer 3: the window, a viewer with buttons in its own process. Talks to a session over ZeroMQ only."""
