#include "uart.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

/* Positions wrap at 256: a ring of 256 needs no mask. */
enum { RECEIVE_RING = 128, TRANSMIT_RING = 256 };

static volatile uint8_t received[RECEIVE_RING];
static volatile uint8_t received_end, received_next;
static volatile uint8_t waiting[TRANSMIT_RING];
static volatile uint8_t waiting_end, waiting_next;
static volatile uint8_t lost;

/* In line, and calling nothing: the interrupt runs for every byte, and a call would double its length. */
static inline __attribute__((always_inline)) void take_byte(void)
{
    uint8_t status = UCSR0A; /* before the byte: reading that clears it */
    uint8_t byte = UDR0;
    uint8_t end = received_end;
    uint8_t is_full = (uint8_t)(end - received_next) == RECEIVE_RING;

    if ((is_full || (status & 1 << DOR0)) && lost < UINT8_MAX)
        lost++;
    if (is_full)
        return;
    received[end % RECEIVE_RING] = byte;
    received_end = end + 1;
}

ISR(USART_RX_vect)
{
    take_byte();
}

void uart_receive(void)
{
    while (UCSR0A & 1 << RXC0)
        take_byte();
}

ISR(USART_UDRE_vect)
{
    uint8_t next = waiting_next;

    if (next == waiting_end) {
        UCSR0B &= (uint8_t) ~(1 << UDRIE0);
    } else {
        UDR0 = waiting[next];
        waiting_next = next + 1;
    }
}

void uart_start(void)
{
    UCSR0A = 1 << U2X0;
    UBRR0 = F_CPU / 8 / 1000000 - 1;
    UCSR0C = 3 << UCSZ00;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
}

uint8_t uart_read(uint8_t *byte)
{
    uint8_t next = received_next;

    if (next == received_end)
        return 0;
    *byte = received[next % RECEIVE_RING];
    received_next = next + 1;
    return 1;
}

uint8_t uart_take_lost(void)
{
    uint8_t count = 0;

    if (lost) {
        ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
        {
            count = lost;
            lost = 0;
        }
    }
    return count;
}

uint8_t uart_room(void)
{
    return (uint8_t)(waiting_next - waiting_end - 1);
}

void uart_write(uint8_t byte)
{
    uint8_t end = waiting_end;

    waiting[end] = byte;
    waiting_end = end + 1;
    UCSR0B |= 1 << UDRIE0;
}

uint8_t uart_has_read_all(void)
{
    return received_next == received_end;
}

uint8_t uart_has_sent_all(void)
{
    return waiting_next == waiting_end;
}
