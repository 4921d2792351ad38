/* The board's clock: Timer1 counts 62500 ticks of 16 us to a second, exactly. Moments are ticks since boot, in 32 bits:
 * they wrap after 19 h, so they are compared by their differences. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#define TICKS_PER_SECOND (F_CPU / 256)

/* A moment as the host is told: the host may set the seconds. */
typedef struct {
    uint32_t seconds;
    uint16_t fraction; /* in units of 32 us */
} stamp_t;

/* 62.5 ticks to the ms, rounded up: limits and pulses of one length in ms must be of one length in ticks. */
static inline uint32_t ticks_of_ms(uint16_t ms)
{
    return ((uint32_t)ms * 125 + 1) >> 1;
}

static inline uint8_t is_past(uint32_t moment, uint32_t now)
{
    return (int32_t)(now - moment) >= 0;
}

void clock_start(void);

/* The present moment. Interrupts must be off. */
uint32_t clock_now(void);

/* A moment's stamp. It must be of the running second, or of the one about to be counted. Interrupts must be off. */
void clock_stamp(uint32_t moment, stamp_t *stamp);

/* Call the compare interrupt at a moment, or at once if it is past. One that lies beyond the running second must be
 * asked for again in the next. Interrupts must be off. */
void clock_wake_at(uint32_t moment);

/* Timer1 began a new second: to be called in its interrupt, before anything else. Return when it began. */
uint32_t clock_second_passed(void);

/* Set the seconds that the host is told. Moments go on: nothing that runs gets longer. */
void clock_set_seconds(uint32_t seconds);

#endif
