/* What must hold of the bytes that the board sends: whole frames, in the order of their stamps, no event untold. */
#ifndef WIRE_CHECKS_H
#define WIRE_CHECKS_H

#include <stdint.h>

void wire_check_byte(uint8_t byte);

/* The host has set the clock: stamps may go back once. */
void wire_clock_was_set(void);

#endif
