/* Ports B, C and D: edges of output pins are told, levels of input pins are held against simavr.
 *
 * simavr 1.6 forgets the levels of inputs in a reset, lets the chip's own pull-up win over a level that is driven, and,
 * while a pin of an external interrupt is low, stops at every cycle.
 */
#include "ports.h"

#include <string.h>

#include <simavr/avr_extint.h>
#include <simavr/avr_ioport.h>

enum { N_PORTS = 3, N_EXTERNAL_INTERRUPTS = 2 };

static avr_t *core;
static struct port {
    char name;
    avr_ioport_t *io;
    uint8_t latch, direction, level; /* of outputs */
    uint8_t driven, driven_level;    /* of inputs */
} ports[N_PORTS] = {{.name = 'B'}, {.name = 'C'}, {.name = 'D'}};

static void tell_levels(struct port *port)
{
    uint8_t level = port->latch & port->direction, changed = level ^ port->level;
    port->level = level;
    for (int bit = 0; bit < 8; bit++)
        if (changed >> bit & 1)
            tell(core->cycle, OUTPUT, port->name, bit, level >> bit & 1);
}

static void on_latch(struct avr_irq_t *irq, uint32_t value, void *port)
{
    (void)irq;
    ((struct port *)port)->latch = value;
    tell_levels(port);
}

static void on_direction(struct avr_irq_t *irq, uint32_t value, void *port)
{
    (void)irq;
    ((struct port *)port)->direction = value;
    tell_levels(port);
}

static avr_irq_t *irq_of(struct port *port, int index)
{
    return avr_io_getirq(core, AVR_IOCTL_IOPORT_GETIRQ(port->name), index);
}

bool ports_attach(avr_t *attached)
{
    core = attached;
    for (avr_io_t *io = core->io_port; io; io = io->next)
        for (struct port *port = ports; port < ports + N_PORTS; port++)
            if (!strcmp(io->kind, "port") && ((avr_ioport_t *)io)->name == port->name)
                port->io = (avr_ioport_t *)io;
    for (struct port *port = ports; port < ports + N_PORTS; port++) {
        if (!port->io)
            return false;
        avr_irq_register_notify(irq_of(port, IOPORT_IRQ_REG_PORT), on_latch, port);
        avr_irq_register_notify(irq_of(port, IOPORT_IRQ_DIRECTION_ALL), on_direction, port);
    }
    return true;
}

bool ports_drive(const struct record *pin)
{
    struct port *port = ports;
    while (port < ports + N_PORTS && port->name != pin->a)
        port++;
    if (port == ports + N_PORTS || pin->b > 7)
        return false;
    uint8_t mask = 1 << pin->b;
    uint8_t before = port->driven_level;
    port->driven |= mask;
    port->driven_level = pin->c ? before | mask : before & ~mask;
    /* Without this, the chip's own pull-up would win over the level. */
    avr_ioport_external_t held = {.name = port->name, .mask = port->driven, .value = port->driven_level};
    avr_ioctl(core, AVR_IOCTL_IOPORT_SET_EXTERNAL(port->name), &held);
    avr_raise_irq(irq_of(port, pin->b), pin->c ? 1 : 0);
    if (before != port->driven_level)
        tell(core->cycle, INPUT, pin->a, pin->b, pin->c);
    return true;
}

void ports_reset(void)
{
    for (struct port *port = ports; port < ports + N_PORTS; port++) {
        core->data[port->io->r_pin] = port->driven_level;
        avr_raise_irq(irq_of(port, IOPORT_IRQ_REG_PORT), 0); /* the pins float; pull-downs make them low */
        avr_raise_irq(irq_of(port, IOPORT_IRQ_DIRECTION_ALL), 0);
    }
    for (int line = 0; line < N_EXTERNAL_INTERRUPTS; line++)
        avr_extint_set_strict_lvl_trig(core, line, 0); /* else simavr stops at every cycle while such a pin is low */
}
