#include "report.h"

#include <util/atomic.h>

#include "config.h"

enum { QUEUE_LENGTH = 32 }; /* a power of two: positions wrap at 256 */

static event_t queue[QUEUE_LENGTH];
static volatile uint8_t end;
static volatile uint8_t next;
static volatile uint8_t untold; /* a Fault event found the queue full */
static uint16_t count;
static uint16_t faults;
static uint16_t errors[N_ERRORS];

static inline uint8_t is_full(void)
{
    return (uint8_t)(end - next) == QUEUE_LENGTH;
}

static void put(uint8_t address, uint16_t value, uint32_t when)
{
    event_t *event = &queue[end % QUEUE_LENGTH];

    event->address = address;
    event->value = value;
    clock_stamp(when, &event->when);
    end++;
}

void report_event(uint8_t address, uint16_t value, uint32_t when)
{
    count++;
    if (is_full()) {
        errors[ERROR_EVENT]++;
        report_fault(FAULT_EVENT);
    } else {
        put(address, value, when);
    }
}

void report_fault(uint16_t bits)
{
    if (!(bits & ~faults))
        return;
    faults |= bits;
    if (is_full()) {
        untold = 1;
    } else {
        put(FAULT, faults, clock_now());
    }
}

void report_error(uint8_t which, uint8_t number)
{
    static const uint8_t BITS[N_ERRORS] = {FAULT_CHECKSUM, FAULT_RECEIVE, FAULT_EVENT, FAULT_TRANSMIT};

    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        errors[which] += number;
        report_fault(BITS[which]);
    }
}

void report_untold(void)
{
    if (!untold)
        return;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        if (!is_full()) {
            untold = 0;
            put(FAULT, faults, clock_now());
        }
    }
}

void report_clear_faults(uint16_t bits)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        faults &= ~bits;
    }
}

uint16_t report_faults(void)
{
    uint16_t copy = 0;

    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        copy = faults;
    }
    return copy;
}

uint16_t report_errors(uint8_t which)
{
    uint16_t copy = 0;

    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        copy = errors[which];
    }
    return copy;
}

uint16_t report_count(void)
{
    return count;
}

uint8_t report_end(void)
{
    return end;
}

uint8_t report_next(void)
{
    return next;
}

void report_take(event_t *event)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        *event = queue[next % QUEUE_LENGTH];
        next++;
    }
}

uint8_t report_is_empty(void)
{
    return next == end && !untold;
}
