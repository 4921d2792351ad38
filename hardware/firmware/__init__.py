"""The reference board's firmware (C, for an ATmega328P), what builds it, and what runs its machine code."""
