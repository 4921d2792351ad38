/* USART0 of an ATmega328P at 8N1, in place of simavr 1.6's own model.
 *
 * simavr's takes 11 bits for a byte, has one transmit buffer too few, and holds 64 received bytes where the chip holds
 * three, so that an interrupt that comes too late never shows. This one takes 10 bits, sends from a buffer behind the
 * shift register, and loses the byte that finds three unread ones, with DOR set.
 *
 * Not modelled: parity, framing errors, 9 bits, synchronous mode. Bytes reach the board only while its own bit rate is
 * the wire's.
 */
#include "usart.h"

#include <string.h>

#include <simavr/avr_uart.h>

#include "records.h"

enum {
    WIRE_CYCLES_PER_BIT = 16, /* 1 Mbaud at 16 MHz */
    BITS_PER_BYTE = 10,
    WIRE_CYCLES_PER_BYTE = WIRE_CYCLES_PER_BIT * BITS_PER_BYTE,
    HELD = 3, /* two in the receive buffer, one in the shift register */
    RING = 1 << 16,

    UCSRA_RXC = 1 << 7,
    UCSRA_TXC = 1 << 6,
    UCSRA_UDRE = 1 << 5,
    UCSRA_DOR = 1 << 3,
    UCSRA_U2X = 1 << 1,
    UCSRA_WRITABLE = UCSRA_U2X | 1,
    UCSRB_RXCIE = 1 << 7,
    UCSRB_TXCIE = 1 << 6,
    UCSRB_UDRIE = 1 << 5,
    UCSRB_RXEN = 1 << 4,
    UCSRB_TXEN = 1 << 3,
    UCSRC_8N1 = 3 << 1,
};

static avr_t *core;
static avr_uart_t *port; /* simavr's: its registers' addresses and its interrupt vectors serve us too */

static struct {
    struct {
        uint64_t start;
        uint8_t byte;
    } ring[RING];
    uint32_t head, tail;
    uint64_t free_at; /* when the byte before has ended */
} wire;

static uint8_t unread[HELD];
static int n_unread;
static bool shifting, buffered;
static uint8_t shift_byte, buffer_byte;

static uint8_t *status(void)
{
    return &core->data[port->r_ucsra];
}

static uint8_t control(void)
{
    return core->data[port->r_ucsrb];
}

static uint32_t cycles_per_bit(void)
{
    uint32_t divider = core->data[port->ubrrl.reg] | (core->data[port->ubrrh.reg] & 0x0F) << 8;
    return (divider + 1) * (*status() & UCSRA_U2X ? 8 : 16);
}

/* --- receiver */

static avr_cycle_count_t on_byte_arrived(avr_t *avr, avr_cycle_count_t when, void *unused);

static void expect_next_byte(void)
{
    if (wire.head != wire.tail) {
        uint64_t end = wire.ring[wire.tail % RING].start + WIRE_CYCLES_PER_BYTE;
        avr_cycle_timer_register(core, end > core->cycle ? end - core->cycle : 0, on_byte_arrived, NULL);
    }
}

static void receive(uint64_t cycle, uint8_t byte)
{
    if (!(control() & UCSRB_RXEN) || cycles_per_bit() != WIRE_CYCLES_PER_BIT)
        return;
    if (n_unread == HELD) {
        *status() |= UCSRA_DOR;
        tell(cycle, LOST, byte, 0, 0);
        return;
    }
    unread[n_unread++] = byte;
    avr_raise_interrupt(core, &port->rxc);
}

static avr_cycle_count_t on_byte_arrived(avr_t *avr, avr_cycle_count_t when, void *unused)
{
    (void)avr, (void)unused;
    receive(when, wire.ring[wire.tail++ % RING].byte);
    expect_next_byte();
    return 0;
}

bool usart_feed(uint64_t cycle, uint8_t byte)
{
    if (wire.head - wire.tail == RING)
        return false;
    uint64_t start = cycle > wire.free_at ? cycle : wire.free_at;
    wire.free_at = start + WIRE_CYCLES_PER_BYTE;
    wire.ring[wire.head % RING].start = start;
    wire.ring[wire.head % RING].byte = byte;
    if (wire.head++ == wire.tail)
        expect_next_byte();
    return true;
}

static uint8_t on_read_data(avr_t *avr, avr_io_addr_t address, void *unused)
{
    (void)avr, (void)unused;
    *status() &= ~UCSRA_DOR;
    if (!n_unread)
        return 0;
    uint8_t byte = core->data[address] = unread[0];
    memmove(unread, unread + 1, --n_unread);
    avr_clear_interrupt(core, &port->rxc);
    *status() &= ~UCSRA_RXC;
    if (n_unread)
        avr_raise_interrupt(core, &port->rxc); /* the flag is a level: it stays while a byte is left */
    return byte;
}

/* --- transmitter */

static avr_cycle_count_t on_byte_left(avr_t *avr, avr_cycle_count_t when, void *unused)
{
    (void)avr, (void)unused;
    tell(when, SENT, shift_byte, 0, 0);
    shifting = buffered;
    if (!buffered) {
        avr_raise_interrupt(core, &port->txc);
        return 0;
    }
    shift_byte = buffer_byte;
    buffered = false;
    avr_raise_interrupt(core, &port->udrc);
    return when + BITS_PER_BYTE * cycles_per_bit();
}

static void on_write_data(avr_t *avr, avr_io_addr_t address, uint8_t byte, void *unused)
{
    (void)avr, (void)address, (void)unused;
    if (!(control() & UCSRB_TXEN) || buffered)
        return; /* the chip ignores a write while UDRE is 0 */
    if (shifting) {
        buffer_byte = byte;
        buffered = true;
        avr_clear_interrupt(core, &port->udrc);
        *status() &= ~UCSRA_UDRE;
        return;
    }
    shift_byte = byte;
    shifting = true;
    avr_cycle_timer_register(core, BITS_PER_BYTE * cycles_per_bit(), on_byte_left, NULL);
    avr_raise_interrupt(core, &port->udrc); /* the buffer is free again at once */
}

/* --- control */

static void on_write_status(avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)avr, (void)address, (void)unused;
    *status() = (*status() & ~UCSRA_WRITABLE) | (value & UCSRA_WRITABLE);
    if (value & UCSRA_TXC) {
        avr_clear_interrupt(core, &port->txc);
        *status() &= ~UCSRA_TXC;
    }
}

/* simavr queues an interrupt only if it is enabled when its flag rises: what waited for that is queued here. */
static void queue_if_enabled(uint8_t enabled, uint8_t enable_bit, uint8_t flag, avr_int_vector_t *vector)
{
    if (enabled & enable_bit && *status() & flag)
        avr_raise_interrupt(core, vector);
}

static void on_write_control(avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)avr, (void)unused;
    uint8_t enabled = value & ~control();
    core->data[address] = value;
    if (!(value & UCSRB_RXEN)) {
        n_unread = 0;
        avr_clear_interrupt(core, &port->rxc);
        *status() &= ~(UCSRA_RXC | UCSRA_DOR);
    }
    queue_if_enabled(enabled, UCSRB_RXCIE, UCSRA_RXC, &port->rxc);
    queue_if_enabled(enabled, UCSRB_TXCIE, UCSRA_TXC, &port->txc);
    queue_if_enabled(enabled, UCSRB_UDRIE, UCSRA_UDRE, &port->udrc);
}

void usart_reset(void)
{
    n_unread = 0;
    shifting = buffered = false;
    *status() = UCSRA_UDRE;
    core->data[port->r_ucsrb] = 0;
    core->data[port->r_ucsrc] = UCSRC_8N1;
    expect_next_byte(); /* a reset forgets all cycle timers, but not what the host has put on the wire */
}

bool usart_attach(avr_t *avr)
{
    core = avr;
    for (avr_io_t *io = avr->io_port; io && !port; io = io->next)
        if (!strcmp(io->kind, "uart") && ((avr_uart_t *)io)->name == '0')
            port = (avr_uart_t *)io;
    if (!port)
        return false;
    for (int i = 0; i < 2; i++) { /* the divider is mere storage, and simavr would compute its 11 bits from it */
        avr_io_addr_t divider = i ? port->ubrrh.reg : port->ubrrl.reg;
        avr->io[AVR_DATA_TO_IO(divider)].w.c = NULL;
    }
    avr->io[AVR_DATA_TO_IO(port->r_ucsra)].r.c = NULL;
    avr->io[AVR_DATA_TO_IO(port->r_udr)].r.c = on_read_data;
    avr->io[AVR_DATA_TO_IO(port->r_udr)].w.c = on_write_data;
    avr->io[AVR_DATA_TO_IO(port->r_ucsra)].w.c = on_write_status;
    avr->io[AVR_DATA_TO_IO(port->r_ucsrb)].w.c = on_write_control;
    return true;
}
