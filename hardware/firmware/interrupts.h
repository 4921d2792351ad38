/* The timers' and pins' interrupts: what is done in each, and in which order. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

#include <stdint.h>

/* Start the timer that counts milliseconds. */
void interrupts_start(void);

/* Whether a millisecond has passed since the last call. */
uint8_t interrupts_millisecond_passed(void);

#endif
