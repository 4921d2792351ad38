"""What the laser heads' drivers share: lines of text, states, polling, faults in words."""
