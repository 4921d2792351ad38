/* The board's pins (see ports.c). */
#ifndef PORTS_H
#define PORTS_H

#include <stdbool.h>

#include <simavr/sim_avr.h>

#include "records.h"

/* Watch the ports of `core`. False: this chip lacks one. */
bool ports_attach(avr_t *core);

/* To be called after every reset of the chip: outputs are low, inputs are as they were. */
void ports_reset(void);

/* Put an input pin on a level. False: there is no such pin. */
bool ports_drive(const struct record *pin);

#endif
