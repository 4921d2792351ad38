/* What goes through the pipes: 16 bytes a record, in the machine's byte order, both ways. */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdint.h>

struct record {
    uint64_t cycle;
    uint8_t kind, a, b, c;
    uint8_t padding[4];
};
_Static_assert(sizeof(struct record) == 16, "the reader on the other side counts on 16 bytes");

enum kind {
    /* From the host. Cycles never go back; everything but ADVANCE comes at the cycle of the last ADVANCE or later. */
    ADVANCE = 'A', /* live until `cycle`; answered by all that happened, and END */
    BYTE = 'B',    /* a = byte for the board's receiver */
    PIN = 'P',     /* a = port's letter, b = bit, c = level */
    RESET = 'R',   /* a = bits to set in MCUSR */
    HANG = 'H',    /* the program stops making progress; a = 1: its interrupts go on, 0: they stop too */

    /* To the host. */
    SENT = 'S',    /* a = byte whose stop bit ended at `cycle` */
    OUTPUT = 'O',  /* a = port's letter, b = bit, c = level: an output pin changed */
    INPUT = 'I',   /* a = port's letter, b = bit, c = level: an input pin changed */
    BOOTED = 'M',  /* a = MCUSR: the chip was reset */
    LOST = 'L',    /* a = byte that the receiver had no room for */
    CRASHED = 'C', /* a = simavr's state: nothing will happen any more */
    END = 'E',     /* everything up to the asked cycle has been told */
};

void tell(uint64_t cycle, enum kind kind, uint8_t a, uint8_t b, uint8_t c);

#endif
