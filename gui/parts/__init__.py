"""What panels are made of: widgets and drawings that more than one of them uses."""
