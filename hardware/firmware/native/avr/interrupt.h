/* Interrupts as functions that chip.c calls. Time passes where the firmware lets interrupts in. */
#ifndef NATIVE_AVR_INTERRUPT_H
#define NATIVE_AVR_INTERRUPT_H

#include <stdint.h>

#define ISR(vector) void vector(void)

void PCINT1_vect(void);
void PCINT2_vect(void);
void TIMER2_COMPA_vect(void);
void TIMER1_COMPA_vect(void);
void TIMER1_COMPB_vect(void);
void USART_RX_vect(void);
void USART_UDRE_vect(void);

/* Switch interrupts off; return whether they were on. What came before takes time, and interrupts come in that. */
uint8_t chip_interrupts_off(void);

/* Switch them on: the next instruction still comes before any interrupt. */
void chip_interrupts_on(void);

/* End an atomic block: switch interrupts on if they were, and let in what waits. */
void chip_interrupts_restore(uint8_t were_on);

#define cli() ((void)chip_interrupts_off())
#define sei() chip_interrupts_on()

#endif
