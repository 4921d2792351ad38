/* The registers of this board. */
#include <util/atomic.h>

#include "bytes.h"
#include "config.h"
#include "handlers.h"
#include "inputs.h"
#include "outputs.h"
#include "report.h"
#include "rules.h"
#include "settings.h"

/* Words of PulseCmd; its CRC is over those before it. */
enum { MASK_AT = 0, LENGTH_AT = 2, NONCE_AT = 4, PULSE_CRC_AT = 6 };

static uint8_t boot_cause;
static uint16_t last_nonce;

void registers_set_boot_cause(uint8_t cause)
{
    boot_cause = cause;
}

static void pulse(uint8_t outputs, uint32_t length)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        outputs_pulse(outputs, length);
    }
}

static void switch_off(uint8_t outputs)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        outputs_switch_off(outputs);
    }
}

void read_inputs(reading_t *reading)
{
    reading->content[0] = reading->now.inputs;
}

void read_outputs(reading_t *reading)
{
    reading->content[0] = reading->now.outputs;
}

uint8_t write_output_set(const order_t *order)
{
    uint32_t lengths[N_OUTPUTS];
    uint8_t bit = 1;

    for (uint8_t output = 0; output < N_OUTPUTS; output++, bit <<= 1)
        lengths[output] =
            settings[SET_PULSE_ENABLE] & bit ? ticks_of_ms(settings[SET_PULSE_MS + output]) : OUTPUTS_NO_END;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        outputs_pulse_each(order->payload[0], lengths);
    }
    return 1;
}

uint8_t write_output_clear(const order_t *order)
{
    switch_off(order->payload[0]);
    return 1;
}

uint8_t write_output_state(const order_t *order)
{
    switch_off((uint8_t)~order->payload[0]);
    pulse(order->payload[0], OUTPUTS_NO_END);
    return 1;
}

void read_setting(reading_t *reading)
{
    put_word(reading->content, settings[reading->which]);
}

uint8_t write_setting(const order_t *order)
{
    return settings_write(order->which, order->which == SET_EVENT_ENABLE ? order->payload[0] : word_at(order->payload));
}

uint8_t write_keep_alive(const order_t *order)
{
    (void)order; /* its frame has fed the watchdog, and its answer says when */
    return 1;
}

void read_faults(reading_t *reading)
{
    put_word(reading->content, report_faults());
}

uint8_t write_faults(const order_t *order)
{
    report_clear_faults(word_at(order->payload));
    return 1;
}

uint8_t write_pulse(const order_t *order)
{
    uint16_t length_ms = word_at(order->payload + LENGTH_AT);

    if (crc16(order->payload, PULSE_CRC_AT) != word_at(order->payload + PULSE_CRC_AT) || !length_ms)
        return 0;
    if (word_at(order->payload + NONCE_AT) != last_nonce) {
        last_nonce = word_at(order->payload + NONCE_AT);
        pulse(order->payload[MASK_AT], ticks_of_ms(length_ms));
    }
    return 1;
}

void read_event_count(reading_t *reading)
{
    put_word(reading->content, reading->now.event_count);
}

void read_errors(reading_t *reading)
{
    for (uint8_t error = 0; error < N_ERRORS; error++)
        put_word(reading->content + 2 * error, report_errors(error));
}

void read_armed(reading_t *reading)
{
    reading->content[0] = outputs_are_armed();
}

/* Any other value than the key and 0 is acknowledged and does nothing. */
uint8_t write_arm(const order_t *order)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        if (order->payload[0] == ARM_KEY) {
            outputs_arm();
        } else if (order->payload[0] == 0) {
            rules_clear();
            outputs_disarm();
        }
    }
    return 1;
}

void read_boot_cause(reading_t *reading)
{
    reading->content[0] = boot_cause;
}

void read_muted(reading_t *reading)
{
    reading->content[0] = inputs_muted();
}

uint8_t write_muted(const order_t *order)
{
    inputs_listen(order->payload[0]);
    return 1;
}

void read_rule(reading_t *reading)
{
    rules_read(reading->which, reading->content);
}

uint8_t write_rule(const order_t *order)
{
    if (crc16(order->payload, RULE_CRC_AT) != word_at(order->payload + RULE_CRC_AT))
        return 0;
    return rules_write(order->which, order->payload);
}
