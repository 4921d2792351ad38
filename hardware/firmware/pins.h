/* Which wire is which pin (Uno's names in README.md). Reading is free to all; only outputs.c writes the output pins. */
#ifndef PINS_H
#define PINS_H

#include <avr/io.h>

#include "config.h"

/* Outputs are PB0 to PB3: output n is bit n of the port, so a port is read as a mask of outputs. */
#define OUTPUT_PORT PORTB
#define OUTPUT_DIRECTION DDRB

/* Beams are PC0 to PC3, bits 0 to 3 of register 32; the interlock loop is PC4; the licks, bits 4 and 5, PD2 and PD3. */
#define BEAM_MASK PCMSK1
#define LICK_MASK PCMSK2
enum {
    INTERLOCK_PIN = 1 << 4,
    LICK_PINS = 1 << 2 | 1 << 3,
    LICK_SHIFT = 2,
};

static inline uint8_t interlock_is_closed(void)
{
    return (PINC & INTERLOCK_PIN) != 0;
}

static inline uint8_t input_pins(void)
{
    return (uint8_t)((PINC & BEAMS) | (PIND & LICK_PINS) << LICK_SHIFT);
}

#endif
