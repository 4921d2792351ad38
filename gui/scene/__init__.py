"""What there is to see: everything that the session has told this window. No Qt, no sockets, no clock."""

from gui.scene.scene import Scene

__all__ = ["Scene"]
