/* The registers that merely hold a number: their defaults and ranges. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdint.h>

#include "config.h"

enum {
    SET_PULSE_ENABLE,
    SET_PULSE_MS,
    SET_EVENT_ENABLE = SET_PULSE_MS + N_OUTPUTS,
    SET_HOST_TIMEOUT_MS,
    SET_MAX_ON_MS,
    SET_MIN_GAP_MS = SET_MAX_ON_MS + N_OUTPUTS,
    SET_DUTY_MS = SET_MIN_GAP_MS + N_OUTPUTS,
    SET_CHATTER_LIMIT = SET_DUTY_MS + N_OUTPUTS,
    N_SETTINGS,
};

/* Read anywhere. Interrupts read it too: only settings_write changes it. */
extern uint16_t settings[N_SETTINGS];

void settings_start(void);

/* Take a number if it is in its range; return whether it was. */
uint8_t settings_write(uint8_t which, uint16_t value);

#endif
