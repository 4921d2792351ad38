/* Readers and writers of single registers, for the table in registers.c. */
#ifndef HANDLERS_H
#define HANDLERS_H

#include "registers.h"

/* core_registers.c */
read_t read_who_am_i, read_numbers, read_seconds, read_microseconds, read_control, read_reset, read_name, read_clock,
    read_heartbeat, read_version;
write_t write_seconds, write_control, write_reset;

/* board_registers.c */
read_t read_inputs, read_outputs, read_setting, read_faults, read_event_count, read_errors, read_armed, read_boot_cause,
    read_muted, read_rule;
write_t write_output_set, write_output_clear, write_output_state, write_setting, write_keep_alive, write_faults,
    write_pulse, write_arm, write_muted, write_rule;

#endif
