/* A chip in virtual time: the timers, pins and serial line that the firmware sees. All times are whole microseconds. */
#ifndef CHIP_H
#define CHIP_H

#include <stdint.h>

enum {
    US_PER_MS = 1000,
    US_PER_SECOND = 1000000,
    US_PER_TICK = 16,
    US_PER_BYTE = 10, /* 1 Mbaud, 8N1 */
    INTERLOCK_BIT = 1 << 6, /* in the pins of a script; bits 0 to 5 are those of register 32 */
};

/* Virtual time since power-on. */
uint64_t chip_us(void);

/* Inputs as they are, with INTERLOCK_BIT. */
uint8_t chip_pins(void);

/* What the script does to the chip. */
void chip_set_pins(uint8_t pins);
void chip_receive(uint8_t byte, uint8_t is_overrun);

#endif
