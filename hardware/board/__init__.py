"""What driver and emulator of the reference board are made of: registers, requests, reports, limits."""
