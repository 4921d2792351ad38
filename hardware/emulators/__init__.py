"""Stand-ins for missing physics, below the drivers: they speak the same bytes behind a pseudo-terminal."""
