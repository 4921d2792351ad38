"""Layer 2: statistics over logs."""
