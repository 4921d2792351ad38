/* What happens to the chip, read from standard input.
 *
 * Every byte goes to the serial line, one each 10 us, but for what begins with the escape 0x1B:
 *
 *     1B 1B          the byte 0x1B itself
 *     1B 'p' pins    inputs: bits 0 to 5 as in register 32, bit 6 the interlock (1: closed)
 *     1B 'w' lo hi   wait so many ms
 *     1B 'u' lo hi   wait so many us
 *     1B 'o'         the chip loses a byte before the next one
 *
 * Anything else after an escape is nothing. So every file is a script. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stdint.h>

void script_read(void);

/* When the next thing happens. */
uint64_t script_due_us(void);

/* Let everything happen that is due. */
void script_go_on(void);

#endif
