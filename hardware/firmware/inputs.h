/* Beams, licks and the interlock loop. */
#ifndef INPUTS_H
#define INPUTS_H

#include <stdint.h>

void inputs_start(void);

/* Inputs as the host is told: those that are muted read 0. */
uint8_t inputs_state(void);
uint8_t inputs_muted(void);

/* Listen again to muted inputs. */
void inputs_listen(uint8_t inputs);

/* Look at the interlock; open, it cuts the lasers before anything else. Interrupts must be off. */
void inputs_check_interlock(void);

/* Look at beams and licks: tell edges, mute what chatters, fire rules. Interrupts must be off. */
void inputs_check(uint32_t now);

/* A second has begun: edges are counted from 0 again. Interrupts must be off. */
void inputs_second(void);

#endif
