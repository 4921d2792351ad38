#include "inputs.h"

#include <avr/interrupt.h>
#include <string.h>
#include <util/atomic.h>

#include "clock.h"
#include "host.h"
#include "outputs.h"
#include "pins.h"
#include "report.h"
#include "rules.h"
#include "settings.h"
#include "uart.h"

static volatile uint8_t state; /* as told: without what is muted */
static volatile uint8_t muted;
static uint8_t loop_was_closed;
static uint16_t edges[N_INPUTS]; /* in the running second */

/* A muted input interrupts no more: noise on it must not take the processor's time. */
static void mask_interrupts(void)
{
    uint8_t heard = ALL_INPUTS & (uint8_t)~muted;

    BEAM_MASK = (heard & BEAMS) | INTERLOCK_PIN;
    LICK_MASK = (heard >> LICK_SHIFT) & LICK_PINS;
}

void inputs_start(void)
{
    loop_was_closed = interlock_is_closed();
    state = input_pins();
    mask_interrupts();
    PCICR = 1 << PCIE1 | 1 << PCIE2;
}

uint8_t inputs_state(void)
{
    return state;
}

uint8_t inputs_muted(void)
{
    return muted;
}

void inputs_check_interlock(void)
{
    uint8_t is_closed = interlock_is_closed();

    if (!is_closed)
        outputs_interlock_open();
    if (loop_was_closed && !is_closed) {
        rules_clear();
        report_fault(FAULT_INTERLOCK);
    }
    loop_was_closed = is_closed;
}

/* Count edges; return the inputs that have had too many in this second. */
static uint8_t count_edges(uint8_t changed)
{
    uint16_t limit = settings[SET_CHATTER_LIMIT];
    uint8_t over = 0, bit = 1;

    for (uint16_t *edge = edges; changed; edge++, bit <<= 1, changed >>= 1)
        if ((changed & 1) && ++*edge > limit)
            over |= bit;
    return over;
}

static void tell(uint8_t before, uint32_t now)
{
    if (state != before && host_wants_events())
        report_event(DIGITAL_INPUT_STATE, state, now);
}

void inputs_check(uint32_t now)
{
    uint8_t before = state;
    uint8_t pins = input_pins();
    uint8_t over = count_edges((pins ^ before) & (uint8_t)~muted);

    muted |= over; /* SAFETY: chatter */
    state = pins & (uint8_t)~muted;
    tell(before, now);
    uart_catch_up();
    rules_fire(state & (uint8_t)~before & BEAMS, now);
    if (over) {
        mask_interrupts();
        report_fault(FAULT_CHATTER);
    }
}

void inputs_listen(uint8_t inputs)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        uint8_t before = state;

        inputs &= muted;
        muted &= (uint8_t)~inputs;
        mask_interrupts();
        state |= input_pins() & inputs; /* those only: another's edge waits for its interrupt */
        tell(before, clock_now());
    }
}

void inputs_second(void)
{
    memset(edges, 0, sizeof edges);
}
