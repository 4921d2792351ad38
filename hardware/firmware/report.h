/* What the host has to be told: events, faults and errors, in the order in which they happened. */
#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>

#include "clock.h"

typedef struct {
    stamp_t when;
    uint16_t value;
    uint8_t address;
} event_t;

/* Errors of the link, as in the ErrorCounters register. */
enum { ERROR_CHECKSUM, ERROR_RECEIVE, ERROR_EVENT, ERROR_TRANSMIT, N_ERRORS };

/* Queue an event of a register. Interrupts must be off: events stand in the queue in the order of their stamps. */
void report_event(uint8_t address, uint16_t value, uint32_t when);

/* Set bits of the Fault register; if one of them is new, queue its event. Interrupts must be off. */
void report_fault(uint16_t bits);

/* Count errors of the link, and set their fault. */
void report_error(uint8_t which, uint8_t number);

/* Queue the Fault event that found the queue full, if there is one and now is room. */
void report_untold(void);

void report_clear_faults(uint16_t bits);
uint16_t report_faults(void);
uint16_t report_errors(uint8_t which);

/* Events of every register but Fault since boot, sent or lost. Interrupts must be off. */
uint16_t report_count(void);

/* Positions in the queue: where the next event will go, and which one is next to be taken. They wrap. */
uint8_t report_end(void);
uint8_t report_next(void);

/* Take the oldest event. There must be one. */
void report_take(event_t *event);

/* Whether there is nothing to tell. */
uint8_t report_is_empty(void);

#endif
