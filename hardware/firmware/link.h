/* The conversation with the host: its requests, their answers, and events in between, each in its turn. */
#ifndef LINK_H
#define LINK_H

#include <stdint.h>

/* Do what can be done now. Never waits. */
void link_poll(void);

/* Whether there is nothing to do before the next interrupt. */
uint8_t link_is_idle(void);

/* Whether the last answer has gone out, to the last byte. */
uint8_t link_has_answered(void);

#endif
