#include "clock.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

enum { TICKS_PER_STAMP_UNIT = 2 };

/* Of the running second. They change in the timer's interrupt, and are read with interrupts off. */
static uint32_t seconds;
static uint32_t began;

void clock_start(void)
{
    OCR1A = TICKS_PER_SECOND - 1;
    TCCR1A = 0;
    TCCR1B = 1 << WGM12 | 1 << CS12; /* clear on OCR1A; a tick is 256 cycles */
    TIMSK1 = 1 << OCIE1A;
}

uint32_t clock_now(void)
{
    uint16_t count = TCNT1;

    /* The second may have passed while interrupts were off. A large count was read before it did. */
    if ((TIFR1 & 1 << OCF1A) && count < TICKS_PER_SECOND / 2)
        return began + TICKS_PER_SECOND + count;
    return began + count;
}

void clock_stamp(uint32_t moment, stamp_t *stamp)
{
    uint16_t ticks = (uint16_t)(moment - began);

    stamp->seconds = seconds;
    if (ticks >= TICKS_PER_SECOND) {
        ticks -= TICKS_PER_SECOND;
        stamp->seconds++;
    }
    stamp->fraction = ticks / TICKS_PER_STAMP_UNIT;
}

void clock_wake_at(uint32_t moment)
{
    uint32_t ticks = moment - began;

    TIMSK1 &= (uint8_t) ~(1 << OCIE1B);
    if ((int32_t)ticks >= (int32_t)TICKS_PER_SECOND)
        return;
    /* The match comes at the end of its tick. */
    OCR1B = (int32_t)ticks > 1 ? (uint16_t)(ticks - 1) : 1;
    TIFR1 = 1 << OCF1B;
    TIMSK1 |= 1 << OCIE1B;
    if (TCNT1 >= OCR1B)
        OCR1B = TCNT1 + 2; /* it has passed: two ticks ahead cannot */
}

uint32_t clock_second_passed(void)
{
    seconds++;
    began += TICKS_PER_SECOND;
    return began;
}

void clock_set_seconds(uint32_t wanted)
{
    stamp_t now;

    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        clock_stamp(clock_now(), &now);
        seconds += wanted - now.seconds; /* a step, not a value: a second may be about to be counted */
    }
}
