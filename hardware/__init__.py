"""Layer 1: bytes to records and back. Codecs, transports, drivers, emulators and firmware."""
