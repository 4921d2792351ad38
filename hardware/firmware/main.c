/* Reference board: two poke beams, two licks, two valves and two lasers on one clock, with limits of its own.
 * ATmega328P at 16 MHz, Harp 8-bit protocol at 1 Mbaud. README.md: wiring, building, flashing. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>

#include "clock.h"
#include "inputs.h"
#include "interrupts.h"
#include "link.h"
#include "outputs.h"
#include "registers.h"
#include "settings.h"
#include "uart.h"

enum { BOOT_CAUSES = 1 << PORF | 1 << EXTRF | 1 << BORF | 1 << WDRF };

static void start(void)
{
    outputs_start();
    registers_set_boot_cause(MCUSR & BOOT_CAUSES);
    MCUSR = 0; /* or the chip's watchdog would keep its shortest time after it has bitten */
    wdt_enable(WDTO_120MS);
    settings_start();
    clock_start();
    inputs_start();
    uart_start();
    interrupts_start();
    set_sleep_mode(SLEEP_MODE_IDLE);
    sei();
}

static void reset(void)
{
    cli();
    outputs_start();
    wdt_enable(WDTO_15MS);
    for (;;) {
    }
}

/* Sleep until the next interrupt, at most for a millisecond. The instruction after sei comes before any interrupt: what
 * happens after the question wakes the processor again. */
static void sleep_if_idle(void)
{
    cli();
    if (link_is_idle()) {
        sleep_enable();
        sei();
        sleep_cpu();
        sleep_disable();
    }
    sei();
}

int main(void)
{
    start();
    for (;;) {
        if (interrupts_millisecond_passed())
            wdt_reset(); /* neither a loop that hangs nor a timer that stands still feeds the chip's watchdog */
        link_poll();
        if (registers_reset_is_wanted() && link_has_answered())
            reset();
        sleep_if_idle();
    }
}
