/* What must hold of the board at every step, whatever is done to it; the program ends when something does not.
 *
 * The checks look at pins, bytes and limits. They share no code with the firmware, but ask it whether it is armed and
 * active, and what its limits are. */
#ifndef CHECKS_H
#define CHECKS_H

#include <stdint.h>

enum { EXIT_VIOLATION = 3 };

/* Whether to print every change of the outputs and every byte sent. */
void checks_trace(void);

/* Something has happened: look at everything. */
void checks_step(void);

/* The board received or sent a byte. */
void checks_received(void);
void checks_sent(uint8_t byte);

/* The board is about to reset itself, or has been left alone for six seconds: it must be safe. Ends the program. */
void checks_reset(void);
void checks_end(void);

/* End the program: this must not happen. */
void checks_fail(const char *what);

#endif
