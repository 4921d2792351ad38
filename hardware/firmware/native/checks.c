#include "checks.h"

#include <avr/io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chip.h"
#include "clock.h"
#include "config.h"
#include "host.h"
#include "inputs.h"
#include "outputs.h"
#include "settings.h"
#include "wire_checks.h"

enum {
    US_PER_STAMP_UNIT = 32,
    SLOTS = DUTY_SECONDS + 1,
    MAX_ON_TOLERANCE_US = US_PER_MS,
    DUTY_TOLERANCE_US = US_PER_MS,
    TIMEOUT_TOLERANCE_US = 2 * US_PER_MS,
    NEW_LIMIT_US = 100,
};

static const uint16_t ABSOLUTE_MAX_ON_MS[N_OUTPUTS] = {2000, 2000, 10000, 10000};

static uint8_t traces;
static uint64_t received_us, stepped_us;
static uint8_t outputs_before, inputs_before, muted_before;
static uint64_t edge_us[N_OUTPUTS];
static uint8_t has_been_on;
static uint16_t max_on_seen_ms[N_OUTPUTS], duty_seen_ms[N_OUTPUTS];
static uint64_t limits_set_us[N_OUTPUTS];
static uint64_t on_us[SLOTS][N_OUTPUTS]; /* by second of the board's clock */
static uint32_t clock_offset;
static uint32_t edges[N_INPUTS], unmuted, chatter_limit;

void checks_trace(void)
{
    traces = 1;
}

void checks_fail(const char *what)
{
    fflush(stdout);
    fprintf(stderr, "violation at %llu us: %s\n", (unsigned long long)chip_us(), what);
    exit(EXIT_VIOLATION);
}

static void check(int holds, const char *otherwise)
{
    if (!holds)
        checks_fail(otherwise);
}

static void check_lasers(void)
{
    uint8_t is_closed = (chip_pins() & INTERLOCK_BIT) != 0;

    check(!(PORTB & LASERS) || outputs_are_armed(), "a laser is on while the board is disarmed");
    check(!(PORTB & LASERS) || is_closed, "a laser is on while the interlock is open");
    check(is_closed || !outputs_are_armed(), "the board is armed while the interlock is open");
}

static void check_silence(void)
{
    uint64_t timeout_us = settings[SET_HOST_TIMEOUT_MS] * (uint64_t)US_PER_MS;

    check(timeout_us >= 50 * US_PER_MS && timeout_us <= 5 * US_PER_SECOND, "the host's timeout is out of its range");
    if (chip_us() - received_us <= timeout_us + TIMEOUT_TOLERANCE_US)
        return;
    check(!(PORTB & ALL_OUTPUTS), "an output is on though the host is silent");
    check(!outputs_are_armed(), "the board is armed though the host is silent");
    check(!host_is_active(), "the board is active though the host is silent");
}

static void check_edge(uint8_t output, uint8_t is_on)
{
    uint64_t gap_us = settings[SET_MIN_GAP_MS + output] * (uint64_t)US_PER_MS;

    if (is_on && has_been_on & 1 << output)
        check(chip_us() - edge_us[output] >= gap_us, "an output went on again before its gap was over");
    has_been_on |= (uint8_t)(1 << output);
    edge_us[output] = chip_us();
}

/* A limit that has just been lowered below what is used already is heeded at the next tick. */
static uint8_t limits_are_new(uint8_t output)
{
    uint16_t max_on_ms = settings[SET_MAX_ON_MS + output], duty_ms = settings[SET_DUTY_MS + output];

    if (max_on_ms != max_on_seen_ms[output] || duty_ms != duty_seen_ms[output])
        limits_set_us[output] = chip_us();
    max_on_seen_ms[output] = max_on_ms;
    duty_seen_ms[output] = duty_ms;
    return chip_us() - limits_set_us[output] <= NEW_LIMIT_US;
}

static void check_on(uint8_t output)
{
    uint64_t limit_us = settings[SET_MAX_ON_MS + output] * (uint64_t)US_PER_MS;
    uint64_t absolute_us = ABSOLUTE_MAX_ON_MS[output] * (uint64_t)US_PER_MS;
    uint64_t duty_us = settings[SET_DUTY_MS + output] * (uint64_t)US_PER_MS;
    uint64_t on_for_us = chip_us() - edge_us[output];
    uint64_t sum_us = 0;

    check(limit_us <= absolute_us, "a max-on is out of its range");
    check(on_for_us <= absolute_us + MAX_ON_TOLERANCE_US, "an output is on for longer than any max-on");
    if (limits_are_new(output))
        return;
    check(on_for_us <= limit_us + MAX_ON_TOLERANCE_US, "an output is on for longer than its max-on");
    for (int slot = 0; slot < SLOTS; slot++)
        sum_us += on_us[slot][output];
    check(sum_us <= duty_us + DUTY_TOLERANCE_US, "an output is on for longer than its duty");
}

static void check_outputs(void)
{
    uint8_t outputs = PORTB & ALL_OUTPUTS;

    check(PORTB == outputs && DDRB == ALL_OUTPUTS, "a pin that is no output is driven");
    if (traces && outputs != outputs_before)
        printf("%llu outputs %d\n", (unsigned long long)chip_us(), outputs);
    for (uint8_t output = 0; output < N_OUTPUTS; output++) {
        uint8_t bit = (uint8_t)(1 << output);

        if (outputs_before & bit)
            on_us[stepped_us / US_PER_SECOND % SLOTS][output] += chip_us() - stepped_us;
        if ((outputs ^ outputs_before) & bit)
            check_edge(output, outputs & bit);
        if (outputs & bit)
            check_on(output);
    }
    outputs_before = outputs;
}

/* Steps come every millisecond at least, and one with every whole second. */
static void begin_second(void)
{
    if (chip_us() / US_PER_SECOND == stepped_us / US_PER_SECOND)
        return;
    memset(on_us[chip_us() / US_PER_SECOND % SLOTS], 0, sizeof on_us[0]);
    memset(edges, 0, sizeof edges);
    unmuted = 0;
    chatter_limit = settings[SET_CHATTER_LIMIT];
}

static void check_inputs(void)
{
    uint8_t changed = inputs_state() ^ inputs_before;

    if (settings[SET_CHATTER_LIMIT] > chatter_limit)
        chatter_limit = settings[SET_CHATTER_LIMIT];
    unmuted += (muted_before & ~inputs_muted()) != 0;
    check(!(inputs_state() & inputs_muted()), "a muted input does not read 0");
    for (uint8_t input = 0; input < N_INPUTS; input++) {
        edges[input] += changed >> input & 1;
        /* The edge that mutes may be told; an input that is listened to again may rise, and be muted by its fall. */
        check(edges[input] <= chatter_limit + 1 + 2 * unmuted, "an input chatters and is not muted");
    }
    inputs_before = inputs_state();
    muted_before = inputs_muted();
}

static void check_clock(void)
{
    stamp_t now;
    uint32_t offset;

    clock_stamp(clock_now(), &now);
    offset = now.seconds - (uint32_t)(chip_us() / US_PER_SECOND);
    if (offset != clock_offset)
        wire_clock_was_set();
    clock_offset = offset;
    check(now.fraction == chip_us() % US_PER_SECOND / US_PER_STAMP_UNIT, "the clock is not at the chip's time");
}

void checks_step(void)
{
    check_clock();
    check_outputs(); /* counts the time since the last step first: it belongs to the second of that */
    begin_second();
    check_lasers();
    check_silence();
    check_inputs();
    stepped_us = chip_us();
}

void checks_received(void)
{
    received_us = chip_us();
}

void checks_sent(uint8_t byte)
{
    if (traces)
        printf("%llu sent %d\n", (unsigned long long)chip_us(), byte);
    wire_check_byte(byte);
}

void checks_reset(void)
{
    check(!(PORTB & ALL_OUTPUTS), "an output is on while the board resets");
    if (traces)
        printf("%llu reset\n", (unsigned long long)chip_us());
    exit(EXIT_SUCCESS);
}

void checks_end(void)
{
    check(!(PORTB & ALL_OUTPUTS) && !outputs_are_armed() && !host_is_active(), "the board is not safe at the end");
    exit(EXIT_SUCCESS);
}
