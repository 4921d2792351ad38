/* Valves and lasers: the one place that drives their pins, and every limit on them. Interrupts must be off in all of
 * this, but in outputs_state and outputs_are_armed. */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include <stdint.h>

#include "clock.h"
#include "config.h"

/* All off, disarmed. To be called first of all at boot. */
void outputs_start(void);

uint8_t outputs_state(void);
uint8_t outputs_are_armed(void);

/* Arm the lasers, if the interlock is closed; disarm and switch them off. */
void outputs_arm(void);
void outputs_disarm(void);

/* The length of a pulse that ends at no time of its own, but at the first limit: half an hour is beyond them all. */
#define OUTPUTS_NO_END (1800 * TICKS_PER_SECOND)

/* Switch on what may go on of `mask`, for a length in ticks, or for one each; never beyond their limits. */
void outputs_pulse(uint8_t mask, uint32_t length);
void outputs_pulse_each(uint8_t mask, const uint32_t lengths[N_OUTPUTS]);
void outputs_switch_off(uint8_t mask);

/* The interlock is open: lasers off, disarmed. */
void outputs_interlock_open(void);

/* End what has reached its end. To be called at the compare match, and now and then in case that was missed. */
void outputs_service(void);

/* A second has begun: the oldest one is forgotten, then what has reached its end is ended. */
void outputs_second(uint32_t began);

/* Heed an output's limits, which have changed. They hold for what is on, too. To be called once for each at boot. */
void outputs_heed_limits(uint8_t output);

#endif
