#include "chip.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <util/atomic.h>

#include "checks.h"
#include "script.h"

enum {
    PASS_US = 10,  /* that the main loop takes from one place that lets interrupts in to the next */
    BLOCK_US = 2,  /* after an atomic block */
    WATCHDOG_MS = 120,
    INTERLOCK_OF_PORT_C = 1 << 4,
    BEAMS_OF_PORT_C = 0x0F,
    LICKS_OF_PORT_D = 0x0C,
    LICK_SHIFT_OF_PORT_D = 2,
};

volatile uint8_t PORTB, DDRB, PINC = INTERLOCK_OF_PORT_C, PIND, MCUSR = 1 << PORF;
volatile uint8_t PCICR, PCMSK1, PCMSK2;
volatile uint8_t UCSR0A, UCSR0B, UCSR0C, UDR0;
volatile uint8_t TCCR1A, TCCR1B, TIMSK1, TCCR2A, TCCR2B, OCR2A, TIMSK2;
volatile uint16_t UBRR0, TCNT1, OCR1A, OCR1B;

static uint64_t now_us, fed_us, sent_us;
static uint8_t interrupts_are_on;
static uint8_t flags, shown_flags;
static volatile uint8_t flags_cell;

uint64_t chip_us(void)
{
    return now_us;
}

uint8_t chip_pins(void)
{
    uint8_t licks = (uint8_t)((PIND & LICKS_OF_PORT_D) << LICK_SHIFT_OF_PORT_D);

    return (PINC & BEAMS_OF_PORT_C) | licks | (PINC & INTERLOCK_OF_PORT_C ? INTERLOCK_BIT : 0);
}

volatile uint8_t *chip_timer1_flags(void)
{
    /* A value that nobody put there has been written by the firmware: its ones clear flags. */
    if (flags_cell != shown_flags)
        flags &= (uint8_t)~flags_cell;
    flags_cell = shown_flags = flags;
    return &flags_cell;
}

/* Checks ask the firmware, and that must not let time pass. */
static void check_step(void)
{
    uint8_t were_on = interrupts_are_on;

    interrupts_are_on = 0;
    checks_step();
    interrupts_are_on = were_on;
}

/* Interrupts. */

static void interrupt(void (*vector)(void))
{
    interrupts_are_on = 0;
    vector();
    interrupts_are_on = 1;
    check_step();
}

void chip_set_pins(uint8_t pins)
{
    uint8_t c = (pins & BEAMS_OF_PORT_C) | (pins & INTERLOCK_BIT ? INTERLOCK_OF_PORT_C : 0);
    uint8_t d = (uint8_t)(pins >> LICK_SHIFT_OF_PORT_D) & LICKS_OF_PORT_D;
    uint8_t changed_c = (PINC ^ c) & PCMSK1, changed_d = (PIND ^ d) & PCMSK2;

    PINC = c;
    PIND = d;
    if (changed_c && PCICR & 1 << PCIE1)
        interrupt(PCINT1_vect);
    if (changed_d && PCICR & 1 << PCIE2)
        interrupt(PCINT2_vect);
}

void chip_receive(uint8_t byte, uint8_t is_overrun)
{
    UDR0 = byte;
    UCSR0A = (uint8_t)((UCSR0A & ~(1 << DOR0)) | (is_overrun ? 1 << DOR0 : 0));
    checks_received();
    if (UCSR0B & 1 << RXCIE0)
        interrupt(USART_RX_vect);
}

/* Time. */

static uint64_t next_after(uint64_t time_us, uint64_t period_us)
{
    return (time_us / period_us + 1) * period_us;
}

static uint64_t match_us(void)
{
    uint64_t at_us = now_us / US_PER_SECOND * US_PER_SECOND + (OCR1B + 1ULL) * US_PER_TICK;

    return TIMSK1 & 1 << OCIE1B && at_us > now_us ? at_us : UINT64_MAX;
}

static uint64_t send_us(void)
{
    if (!(UCSR0B & 1 << UDRIE0))
        return UINT64_MAX;
    return sent_us + US_PER_BYTE > now_us ? sent_us + US_PER_BYTE : now_us;
}

static uint64_t sooner(uint64_t a_us, uint64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

static void send_byte(void)
{
    interrupt(USART_UDRE_vect);
    if (UCSR0B & 1 << UDRIE0) {
        sent_us = now_us;
        interrupts_are_on = 0;
        checks_sent(UDR0);
        interrupts_are_on = 1;
    }
}

/* Go on to a moment at which something happens, and let it happen, in the order of the chip's vectors. */
static void happen(uint64_t at_us, uint64_t matched_us)
{
    uint64_t before_us = now_us;

    now_us = at_us;
    TCNT1 = (uint16_t)(now_us % US_PER_SECOND / US_PER_TICK);
    if (now_us / US_PER_SECOND != before_us / US_PER_SECOND)
        flags |= 1 << OCF1A;
    if (now_us >= script_due_us())
        script_go_on();
    if (now_us / US_PER_MS != before_us / US_PER_MS && TIMSK2 & 1 << OCIE2A)
        interrupt(TIMER2_COMPA_vect);
    chip_timer1_flags();
    if (flags & 1 << OCF1A && TIMSK1 & 1 << OCIE1A) {
        flags &= (uint8_t) ~(1 << OCF1A);
        interrupt(TIMER1_COMPA_vect);
    }
    if (now_us == matched_us)
        interrupt(TIMER1_COMPB_vect);
    if (now_us >= send_us())
        send_byte();
    check_step();
    if (now_us - fed_us > WATCHDOG_MS * US_PER_MS)
        checks_fail("the main loop stood still until the chip's watchdog bit");
}

static uint64_t next_us(void)
{
    uint64_t at_us = sooner(next_after(now_us, US_PER_MS), sooner(match_us(), send_us()));

    return sooner(at_us, script_due_us() > now_us ? script_due_us() : now_us);
}

static void pass(uint64_t duration_us)
{
    uint64_t until_us = now_us + duration_us;

    for (uint64_t at_us = next_us(); at_us <= until_us; at_us = next_us())
        happen(at_us, match_us());
    now_us = until_us;
    TCNT1 = (uint16_t)(now_us % US_PER_SECOND / US_PER_TICK);
}

void chip_sleep(void)
{
    happen(next_us(), match_us());
}

uint8_t chip_interrupts_off(void)
{
    uint8_t were_on = interrupts_are_on;

    if (were_on)
        pass(PASS_US);
    interrupts_are_on = 0;
    return were_on;
}

void chip_interrupts_on(void)
{
    interrupts_are_on = 1;
}

void chip_interrupts_restore(uint8_t were_on)
{
    interrupts_are_on = were_on;
    if (were_on) {
        check_step();
        pass(BLOCK_US);
    }
}

/* The chip's own watchdog. */

void chip_feed_watchdog(void)
{
    fed_us = now_us;
}

void chip_set_watchdog(int timeout)
{
    fed_us = now_us;
    if (timeout == WDTO_15MS)
        checks_reset();
}
