#include "settings.h"

#include <avr/pgmspace.h>
#include <util/atomic.h>

#include "outputs.h"

uint16_t settings[N_SETTINGS];

typedef struct {
    uint16_t first, low, high;
} range_t;

static const range_t RANGES[N_SETTINGS] PROGMEM = {
    [SET_PULSE_ENABLE] = {ALL_OUTPUTS, 0, 0xFFFF},
    [SET_PULSE_MS + 0] = {15, 1, 0xFFFF},
    [SET_PULSE_MS + 1] = {15, 1, 0xFFFF},
    [SET_PULSE_MS + 2] = {10, 1, 0xFFFF},
    [SET_PULSE_MS + 3] = {10, 1, 0xFFFF},
    [SET_EVENT_ENABLE] = {1, 0, 0xFF},
    [SET_HOST_TIMEOUT_MS] = {500, HOST_TIMEOUT_LOW_MS, HOST_TIMEOUT_HIGH_MS},
    [SET_MAX_ON_MS + 0] = {200, 1, VALVE_MAX_ON_LIMIT_MS},
    [SET_MAX_ON_MS + 1] = {200, 1, VALVE_MAX_ON_LIMIT_MS},
    [SET_MAX_ON_MS + 2] = {1000, 1, LASER_MAX_ON_LIMIT_MS},
    [SET_MAX_ON_MS + 3] = {1000, 1, LASER_MAX_ON_LIMIT_MS},
    [SET_MIN_GAP_MS + 0] = {10, 0, MIN_GAP_LIMIT_MS},
    [SET_MIN_GAP_MS + 1] = {10, 0, MIN_GAP_LIMIT_MS},
    [SET_MIN_GAP_MS + 2] = {10, 0, MIN_GAP_LIMIT_MS},
    [SET_MIN_GAP_MS + 3] = {10, 0, MIN_GAP_LIMIT_MS},
    [SET_DUTY_MS + 0] = {10000, 1, DUTY_LIMIT_MS},
    [SET_DUTY_MS + 1] = {10000, 1, DUTY_LIMIT_MS},
    [SET_DUTY_MS + 2] = {40000, 1, DUTY_LIMIT_MS},
    [SET_DUTY_MS + 3] = {40000, 1, DUTY_LIMIT_MS},
    [SET_CHATTER_LIMIT] = {100, CHATTER_LOW_HZ, CHATTER_HIGH_HZ},
};

static void heed_limits(void)
{
    for (uint8_t output = 0; output < N_OUTPUTS; output++) {
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
        {
            outputs_heed_limits(output);
        }
    }
}

void settings_start(void)
{
    for (uint8_t which = 0; which < N_SETTINGS; which++)
        settings[which] = pgm_read_word(&RANGES[which].first);
    heed_limits();
}

uint8_t settings_write(uint8_t which, uint16_t value)
{
    if (value < pgm_read_word(&RANGES[which].low) || value > pgm_read_word(&RANGES[which].high))
        return 0;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        settings[which] = value;
    }
    heed_limits();
    return 1;
}
