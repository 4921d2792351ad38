#ifndef NATIVE_UTIL_ATOMIC_H
#define NATIVE_UTIL_ATOMIC_H

#include <avr/interrupt.h>

#define ATOMIC_RESTORESTATE
#define ATOMIC_BLOCK(how) \
    for (uint8_t were_on = chip_interrupts_off(), once = 1; once; chip_interrupts_restore(were_on), once = 0)

#endif
