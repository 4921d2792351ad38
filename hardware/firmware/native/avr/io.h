/* The chip's registers as plain variables, as far as the firmware uses them; chip.c gives them life. */
#ifndef NATIVE_AVR_IO_H
#define NATIVE_AVR_IO_H

#include <stdint.h>

extern volatile uint8_t PORTB, DDRB, PINC, PIND, MCUSR;
extern volatile uint8_t PCICR, PCMSK1, PCMSK2;
extern volatile uint8_t UCSR0A, UCSR0B, UCSR0C, UDR0;
extern volatile uint8_t TCCR1A, TCCR1B, TIMSK1, TCCR2A, TCCR2B, OCR2A, TIMSK2;
extern volatile uint16_t UBRR0, TCNT1, OCR1A, OCR1B;

/* A flag of this register is cleared by writing 1 to it. */
volatile uint8_t *chip_timer1_flags(void);
#define TIFR1 (*chip_timer1_flags())

/* Bit numbers: data sheet of the ATmega328P, register summary. */
enum {
    PORF = 0, EXTRF = 1, BORF = 2, WDRF = 3,
    PCIE1 = 1, PCIE2 = 2,
    U2X0 = 1, DOR0 = 3, UCSZ00 = 1, TXEN0 = 3, RXEN0 = 4, UDRIE0 = 5, RXCIE0 = 7, RXC0 = 7,
    CS12 = 2, WGM12 = 3, OCIE1A = 1, OCIE1B = 2, OCF1A = 1, OCF1B = 2,
    WGM21 = 1, CS22 = 2, OCIE2A = 1,
};

#endif
