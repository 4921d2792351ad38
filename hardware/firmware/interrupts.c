#include "interrupts.h"

#include <avr/interrupt.h>
#include <avr/io.h>

#include "clock.h"
#include "harp.h"
#include "host.h"
#include "inputs.h"
#include "outputs.h"
#include "rules.h"
#include "uart.h"

static volatile uint8_t millisecond_passed;

void interrupts_start(void)
{
    OCR2A = F_CPU / 64 / 1000 - 1;
    TCCR2A = 1 << WGM21; /* clear on OCR2A */
    TCCR2B = 1 << CS22;  /* 64 cycles a count */
    TIMSK2 = 1 << OCIE2A;
}

uint8_t interrupts_millisecond_passed(void)
{
    uint8_t passed = millisecond_passed;

    millisecond_passed = 0;
    return passed;
}

/* Beams and the interlock. */
ISR(PCINT1_vect)
{
    inputs_check_interlock();
    uart_catch_up();
    inputs_check(clock_now());
}

/* Licks. */
ISR(PCINT2_vect)
{
    inputs_check(clock_now());
}

/* A whole second. */
ISR(TIMER1_COMPA_vect)
{
    uint32_t began = clock_second_passed();

    outputs_second(began);
    uart_catch_up();
    host_second(clock_now());
    rules_second(began);
    inputs_second();
}

/* The next output's end. */
ISR(TIMER1_COMPB_vect)
{
    outputs_service();
}

/* A millisecond. Another timer than the clock's: it also finds what a missed match or edge has left undone. */
ISR(TIMER2_COMPA_vect)
{
    inputs_check_interlock();
    outputs_service();
    uart_catch_up();
    host_millisecond();
    harp_millisecond();
    millisecond_passed = 1;
}
