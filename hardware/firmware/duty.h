/* How long each output was on in the running second and the 60 before it. Interrupts must be off in all of this. */
#ifndef DUTY_H
#define DUTY_H

#include <stdint.h>

#include "clock.h"
#include "config.h"

typedef struct {
    int32_t left;        /* ticks: the limit, less what all seconds hold */
    uint32_t limit;      /* ticks */
    uint32_t counted_to; /* while it is on: so far its time is in the seconds */
    uint8_t is_on;
} account_t;

extern account_t duty_accounts[N_OUTPUTS];

/* Ticks that an output may still be on. Not above 0: it has used up its time. */
static inline int32_t duty_left(uint8_t output, uint32_t now)
{
    const account_t *account = &duty_accounts[output];

    if (!account->is_on)
        return account->left;
    return account->left - (int32_t)(now - account->counted_to);
}

/* Set how many ticks an output may be on in that time. */
void duty_set_limit(uint8_t output, uint32_t ticks);

/* A second has begun: forget the one that has become too old. */
void duty_second(uint32_t began);

/* An output went on, or off. */
void duty_start(uint8_t output, uint32_t now);
void duty_stop(uint8_t output, uint32_t now);

#endif
