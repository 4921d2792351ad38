#include "host.h"

#include <util/atomic.h>

#include "outputs.h"
#include "report.h"
#include "rules.h"
#include "settings.h"

static volatile uint8_t control;
static uint16_t silent_ms;

uint8_t host_is_active(void)
{
    return (control & CONTROL_MODE) == CONTROL_ACTIVE;
}

static void lost(void)
{
    rules_clear();
    if (!outputs_state() && !outputs_are_armed() && !host_is_active())
        return;
    outputs_switch_off(ALL_OUTPUTS);
    outputs_disarm();
    control &= (uint8_t)~CONTROL_MODE;
    report_fault(FAULT_WATCHDOG);
}

void host_heard(void)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        silent_ms = 0;
    }
}

void host_millisecond(void)
{
    uint16_t timeout_ms = settings[SET_HOST_TIMEOUT_MS];

    if (silent_ms <= timeout_ms)
        silent_ms++;
    if (silent_ms > timeout_ms) { /* the first millisecond was a part of one */
        lost(); /* SAFETY: watchdog */
    }
}

void host_second(uint32_t now)
{
    if (control & CONTROL_HEARTBEAT)
        report_event(HEARTBEAT, host_is_active(), now);
    else if (control & CONTROL_ALIVE)
        report_event(TIMESTAMP_SECONDS, 0, now);
}

uint8_t host_control(void)
{
    return control;
}

void host_set_control(uint8_t wanted)
{
    control = wanted & (uint8_t)~CONTROL_DUMP;
    if (!host_is_active())
        rules_clear();
}

uint8_t host_wants_events(void)
{
    return host_is_active() && (settings[SET_EVENT_ENABLE] & 1);
}
