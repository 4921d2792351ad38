/* The serial line: 1 Mbaud, 8N1, a ring of bytes each way, emptied and filled in interrupts. */
#ifndef UART_H
#define UART_H

#include <avr/io.h>
#include <stdint.h>

void uart_start(void);

/* Take what the chip has received. The chip holds two bytes, which is 20 us: longer work with interrupts off calls this
 * in between. */
void uart_receive(void);

static inline void uart_catch_up(void)
{
    if (UCSR0A & 1 << RXC0)
        uart_receive();
}

/* Take the oldest byte received; return whether there was one. */
uint8_t uart_read(uint8_t *byte);

/* How many received bytes were lost since the last call: the chip's buffer or the ring was full. */
uint8_t uart_take_lost(void);

/* Bytes that can be written now. */
uint8_t uart_room(void);

/* Send a byte; there must be room. */
void uart_write(uint8_t byte);

/* Whether nothing received waits, and whether everything written has been given to the chip. */
uint8_t uart_has_read_all(void);
uint8_t uart_has_sent_all(void);

#endif
