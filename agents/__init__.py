"""Layer 2: artificial animals. Virtual mice, environments and policies."""
