"""The window: a viewer with buttons, in a process of its own. A session does not notice whether it is open."""
