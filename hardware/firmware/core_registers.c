/* The registers that every Harp device has. */
#include <avr/pgmspace.h>
#include <util/atomic.h>

#include "bytes.h"
#include "config.h"
#include "handlers.h"
#include "host.h"
#include "outputs.h"
#include "rules.h"

enum {
    RESET_TO_DEFAULTS = 0x01,
    BOOTED_FROM_DEFAULTS = 0x40, /* there is no EEPROM to boot from */
    CLOCK_UNLOCKED = 0x40,
};

/* Registers 1 to 7: hardware, assembly, core, firmware. */
static const uint8_t NUMBERS[] PROGMEM = {1, 0, 0, 1, 13, 1, 0};
/* Protocol 1.13.0, firmware 1.0.0, hardware 1.0.0, core; no hash of the interface. */
static const uint8_t VERSIONS[] PROGMEM = {1, 13, 0, 1, 0, 0, 1, 0, 0, 'A', 'V', 'R'};
static const char NAME[] PROGMEM = "ReferenceBoard";

static volatile uint8_t dump_is_wanted;
static volatile uint8_t reset_is_wanted;

uint8_t registers_take_dump_wish(void)
{
    uint8_t wish = dump_is_wanted;

    dump_is_wanted = 0;
    return wish;
}

uint8_t registers_reset_is_wanted(void)
{
    return reset_is_wanted;
}

void read_who_am_i(reading_t *reading)
{
    put_word(reading->content, WHOAMI);
}

void read_numbers(reading_t *reading)
{
    reading->content[0] = pgm_read_byte(&NUMBERS[reading->which]);
}

void read_seconds(reading_t *reading)
{
    put_long(reading->content, reading->now.when.seconds);
}

uint8_t write_seconds(const order_t *order)
{
    clock_set_seconds(long_at(order->payload));
    return 1;
}

void read_microseconds(reading_t *reading)
{
    put_word(reading->content, reading->now.when.fraction);
}

void read_control(reading_t *reading)
{
    reading->content[0] = host_control();
}

uint8_t write_control(const order_t *order)
{
    host_set_control(order->payload[0]);
    dump_is_wanted = (order->payload[0] & CONTROL_DUMP) != 0;
    return 1;
}

void read_reset(reading_t *reading)
{
    reading->content[0] = BOOTED_FROM_DEFAULTS;
}

/* Everything goes off at once; the reset itself waits until the answer has gone out. */
uint8_t write_reset(const order_t *order)
{
    if (!(order->payload[0] & RESET_TO_DEFAULTS))
        return 0;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        rules_clear();
        outputs_switch_off(ALL_OUTPUTS);
        outputs_disarm();
    }
    reset_is_wanted = 1;
    return 1;
}

void read_name(reading_t *reading)
{
    memcpy_P(reading->content, NAME, sizeof NAME);
}

void read_clock(reading_t *reading)
{
    reading->content[0] = CLOCK_UNLOCKED;
}

void read_heartbeat(reading_t *reading)
{
    reading->content[0] = host_is_active();
}

void read_version(reading_t *reading)
{
    memcpy_P(reading->content, VERSIONS, sizeof VERSIONS);
}
