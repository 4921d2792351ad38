/* The board's serial port, byte by byte (see usart.c). */
#ifndef USART_H
#define USART_H

#include <stdbool.h>
#include <stdint.h>

#include <simavr/sim_avr.h>

/* Take over USART0 of `avr`. False: this chip has none. */
bool usart_attach(avr_t *avr);

/* To be called after every reset of the chip: registers as after a boot, whatever was under way is lost. */
void usart_reset(void);

/* Put a byte on the wire to the board: its start bit falls at `cycle`, or when the byte before it has ended.
 * False: more bytes are waiting than there is room for. */
bool usart_feed(uint64_t cycle, uint8_t byte);

#endif
