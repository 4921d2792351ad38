#include "outputs.h"

#include "clock.h"
#include "duty.h"
#include "pins.h"
#include "report.h"
#include "settings.h"
#include "uart.h"

typedef struct {
    uint32_t edge_at;  /* moment of its last edge: since when it is on, or off */
    uint32_t ends_at;  /* moment at which its pulse ends */
    uint32_t deadline; /* moment at which it goes off: then, or at a limit before */
    uint32_t max_on;   /* ticks */
    uint32_t gap;      /* ticks */
} output_t;

static output_t outputs[N_OUTPUTS];
static uint32_t next_deadline; /* of those that are on; it may stay behind when one of them goes off before */
static uint8_t rests;          /* outputs whose last OFF edge may be less than their gap ago */
static volatile uint8_t armed;

void outputs_start(void)
{
    OUTPUT_PORT = 0;
    OUTPUT_DIRECTION = ALL_OUTPUTS;
}

uint8_t outputs_state(void)
{
    return OUTPUT_PORT & ALL_OUTPUTS;
}

uint8_t outputs_are_armed(void)
{
    return armed;
}

/* Pins. */

/* Keep the books after the port was written. */
static void note_edges(uint8_t before, uint32_t now)
{
    uint8_t after = outputs_state();
    uint8_t changed = before ^ after;
    uint8_t bit = 1;

    if (!changed)
        return;
    report_event(OUTPUT_EVENT, after, now);
    uart_catch_up();
    for (uint8_t number = 0; changed; number++, bit <<= 1, changed >>= 1) {
        if (!(changed & 1))
            continue;
        outputs[number].edge_at = now;
        if (after & bit) {
            duty_start(number, now);
        } else {
            duty_stop(number, now);
            rests |= bit;
        }
    }
}

static void drive(uint8_t on, uint8_t off, uint32_t now)
{
    uint8_t before = outputs_state();
    uint8_t after = (before | on) & (uint8_t)~off;

    OUTPUT_PORT = (OUTPUT_PORT & (uint8_t)~ALL_OUTPUTS) | after;
    note_edges(before, now);
    uart_catch_up();
}

/* Who may go on. */

static uint8_t lasers_may_be_on(void)
{
    return armed && interlock_is_closed();
}

/* Return those of `mask` that may be on now; set the faults of the others, each by the first thing that forbids it. */
static uint8_t admitted(uint8_t mask, uint32_t now, uint16_t *faults)
{
    uint8_t dark = 0, early = 0, spent = 0, bit = 1;
    uint8_t off = (uint8_t)~outputs_state();

    dark = lasers_may_be_on() ? 0 : mask & LASERS; /* SAFETY: arm check */
    mask &= (uint8_t)~dark;
    off &= mask;
    for (uint8_t number = 0; off; number++, bit <<= 1, off >>= 1) {
        if (!(off & 1))
            continue;
        if ((rests & bit) && now - outputs[number].edge_at < outputs[number].gap) {
            early |= bit; /* SAFETY: min gap */
        } else if (duty_left(number, now) <= 0) {
            spent |= bit;
        }
    }
    if (dark | early | spent)
        *faults = (dark ? FAULT_DISARMED : 0) | (early ? FAULT_GAP : 0) | (spent ? FAULT_DUTY : 0);
    return mask & (uint8_t) ~(early | spent);
}

/* When it goes off. */

/* Find the deadline of an output that is on. */
static void plan(uint8_t number, uint32_t now)
{
    output_t *output = &outputs[number];
    int32_t left = (int32_t)(output->ends_at - now);
    int32_t left_of_max_on = (int32_t)(output->edge_at + output->max_on - now);
    int32_t left_of_duty = duty_left(number, now);

    if (left_of_max_on < left) {
        left = left_of_max_on; /* SAFETY: max-on */
    }
    if (left_of_duty < left)
        left = left_of_duty;
    output->deadline = now + (uint32_t)left;
}

/* Have the next deadline of all that are on kept by the clock. A new second asks again. */
static void schedule(uint32_t now)
{
    uint8_t on = outputs_state();

    uart_catch_up();
    if (!on)
        return;
    next_deadline = now + OUTPUTS_NO_END;
    for (const output_t *output = outputs; on; output++, on >>= 1)
        if ((on & 1) && !is_past(next_deadline, output->deadline))
            next_deadline = output->deadline;
    clock_wake_at(next_deadline);
}

/* Switch off what has come to its end; raise the faults of what a limit has ended. */
static void end_what_is_over(uint32_t now)
{
    uint16_t faults = 0;
    uint8_t on = outputs_state();
    uint8_t due = 0, bit = 1;

    for (uint8_t number = 0; on; number++, bit <<= 1, on >>= 1) {
        const output_t *output = &outputs[number];

        if (!(on & 1) || !is_past(output->deadline, now))
            continue;
        if (!is_past(output->ends_at, now)) {
            /* What the duty allows may have moved on with an old second that has left its sum. */
            plan(number, now);
            if (!is_past(output->deadline, now))
                continue;
            faults |= is_past(output->edge_at + output->max_on, now) ? FAULT_MAX_ON : FAULT_DUTY;
        }
        due |= bit;
    }
    uart_catch_up();
    drive(0, due, now);
    if (faults)
        report_fault(faults);
}

void outputs_service(void)
{
    uint32_t now;

    if (!outputs_state())
        return;
    now = clock_now();
    if (!is_past(next_deadline, now))
        return;
    end_what_is_over(now);
    schedule(now);
}

/* What can be asked for. */

static void start(uint8_t mask, const uint32_t *length, uint8_t step)
{
    uint32_t now = clock_now();
    uint16_t faults = 0;

    if (!outputs_state())
        next_deadline = now + OUTPUTS_NO_END;
    mask = admitted(mask & ALL_OUTPUTS, now, &faults);
    uart_catch_up();
    drive(mask, 0, now);
    if (faults)
        report_fault(faults);
    for (uint8_t number = 0; mask; number++, mask >>= 1, length += step) {
        if (!(mask & 1))
            continue;
        outputs[number].ends_at = now + *length;
        plan(number, now);
        if (!is_past(next_deadline, outputs[number].deadline))
            next_deadline = outputs[number].deadline;
        uart_catch_up();
    }
    clock_wake_at(next_deadline);
}

void outputs_pulse(uint8_t mask, uint32_t length)
{
    start(mask, &length, 0);
}

void outputs_pulse_each(uint8_t mask, const uint32_t lengths[N_OUTPUTS])
{
    start(mask, lengths, 1);
}

void outputs_switch_off(uint8_t mask)
{
    drive(0, mask, clock_now());
}

void outputs_arm(void)
{
    armed = interlock_is_closed();
}

void outputs_disarm(void)
{
    armed = 0;
    outputs_switch_off(LASERS);
}

void outputs_interlock_open(void)
{
    uint8_t before = outputs_state();

    OUTPUT_PORT &= (uint8_t)~LASERS; /* SAFETY: interlock */
    armed = 0;
    if (outputs_state() != before)
        note_edges(before, clock_now());
}

void outputs_second(uint32_t began)
{
    uint8_t bit = 1;

    duty_second(began);
    uart_catch_up();
    outputs_service();
    schedule(began);
    /* Moments wrap: an OFF edge that is older than any gap must not seem young again. */
    for (uint8_t number = 0; number < N_OUTPUTS; number++, bit <<= 1)
        if ((rests & bit) && began - outputs[number].edge_at > ticks_of_ms(MIN_GAP_LIMIT_MS) + 1)
            rests &= (uint8_t)~bit;
}

void outputs_heed_limits(uint8_t number)
{
    output_t *output = &outputs[number];
    uint16_t gap_ms = settings[SET_MIN_GAP_MS + number];
    uint32_t now = clock_now();

    output->max_on = ticks_of_ms(settings[SET_MAX_ON_MS + number]);
    /* Both edges are known to a tick only, and the gap shall not come out short. */
    output->gap = gap_ms ? ticks_of_ms(gap_ms) + 2 : 0;
    duty_set_limit(number, ticks_of_ms(settings[SET_DUTY_MS + number]));
    uart_catch_up();
    if (outputs_state() & 1 << number) {
        plan(number, now);
        schedule(now);
        outputs_service();
    }
}
