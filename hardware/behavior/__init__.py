"""What driver and emulator of the Harp Behavior board are made of."""
