#include "registers.h"

#include <avr/pgmspace.h>
#include <util/atomic.h>

#include "config.h"
#include "handlers.h"
#include "harp.h"
#include "inputs.h"
#include "outputs.h"
#include "report.h"
#include "rules.h"
#include "settings.h"

enum { ECHO = 1 };

static const register_t TABLE[] PROGMEM = {
    /* address, how many, which, payload type, size, echoes, read, write */
    {WHO_AM_I, 1, 0, U16, 2, 0, read_who_am_i, 0},
    {HARDWARE_HIGH, 7, 0, U8, 1, 0, read_numbers, 0},
    {TIMESTAMP_SECONDS, 1, 0, U32, 4, 0, read_seconds, write_seconds},
    {TIMESTAMP_MICROSECONDS, 1, 0, U16, 2, 0, read_microseconds, 0},
    {OPERATION_CONTROL, 1, 0, U8, 1, 0, read_control, write_control},
    {RESET_DEVICE, 1, 0, U8, 1, 0, read_reset, write_reset},
    {DEVICE_NAME, 1, 0, U8, 25, 0, read_name, 0},
    {SERIAL_NUMBER, 1, 0, U16, 2, 0, 0, 0},
    {CLOCK_CONFIGURATION, 1, 0, U8, 1, 0, read_clock, 0},
    {TIMESTAMP_OFFSET, 1, 0, U8, 1, 0, 0, 0},
    {UID, 1, 0, U8, 16, 0, 0, 0},
    {TAG, 1, 0, U8, 8, 0, 0, 0},
    {HEARTBEAT, 1, 0, U16, 2, 0, read_heartbeat, 0},
    {VERSION, 1, 0, U8, LARGEST_REGISTER, 0, read_version, 0},
    {DIGITAL_INPUT_STATE, 1, 0, U8, 1, 0, read_inputs, 0},
    {OUTPUT_SET, 1, 0, U16, 2, ECHO, 0, write_output_set},
    {OUTPUT_CLEAR, 1, 0, U16, 2, ECHO, 0, write_output_clear},
    {OUTPUT_STATE, 1, 0, U16, 2, 0, read_outputs, write_output_state},
    {OUTPUT_PULSE_ENABLE, 1, SET_PULSE_ENABLE, U16, 2, 0, read_setting, write_setting},
    {PULSE_MS, N_OUTPUTS, SET_PULSE_MS, U16, 2, 0, read_setting, write_setting},
    {EVENT_ENABLE, 1, SET_EVENT_ENABLE, U8, 1, 0, read_setting, write_setting},
    {HOST_TIMEOUT_MS, 1, SET_HOST_TIMEOUT_MS, U16, 2, 0, read_setting, write_setting},
    {KEEP_ALIVE, 1, 0, U8, 1, ECHO, 0, write_keep_alive},
    {MAX_ON_MS, N_OUTPUTS, SET_MAX_ON_MS, U16, 2, 0, read_setting, write_setting},
    {FAULT, 1, 0, U16, 2, 0, read_faults, write_faults},
    {OUTPUT_EVENT, 1, 0, U8, 1, 0, read_outputs, 0},
    {PULSE_CMD, 1, 0, U16, 8, ECHO, 0, write_pulse},
    {EVENT_COUNT, 1, 0, U16, 2, 0, read_event_count, 0},
    {ERROR_COUNTERS, 1, 0, U16, 2 * N_ERRORS, 0, read_errors, 0},
    {ARM, 1, 0, U8, 1, 0, read_armed, write_arm},
    {BOOT_CAUSE, 1, 0, U8, 1, 0, read_boot_cause, 0},
    {MIN_GAP_MS, N_OUTPUTS, SET_MIN_GAP_MS, U16, 2, 0, read_setting, write_setting},
    {DUTY_MS, N_OUTPUTS, SET_DUTY_MS, U16, 2, 0, read_setting, write_setting},
    {CHATTER_LIMIT, 1, SET_CHATTER_LIMIT, U16, 2, 0, read_setting, write_setting},
    {MUTED_INPUTS, 1, 0, U8, 1, 0, read_muted, write_muted},
    {LOCAL_RULE, N_RULES, 0, U16, RULE_SIZE, 0, read_rule, write_rule},
};

uint8_t registers_find(uint8_t address, register_t *found)
{
    for (uint8_t row = 0; row < sizeof TABLE / sizeof TABLE[0]; row++) {
        uint8_t offset = address - pgm_read_byte(&TABLE[row].first);

        if (offset < pgm_read_byte(&TABLE[row].number)) {
            memcpy_P(found, &TABLE[row], sizeof *found);
            found->which += offset;
            return 1;
        }
    }
    return 0;
}

void registers_snapshot(snapshot_t *now)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        clock_stamp(clock_now(), &now->when);
        now->event_count = report_count();
        now->events_end = report_end();
        now->inputs = inputs_state();
        now->outputs = outputs_state();
    }
}
