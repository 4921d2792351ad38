/* Local rules: a beam that breaks fires a pulse at once, without the host, once. */
#ifndef RULES_H
#define RULES_H

#include <stdint.h>

#include "clock.h"
#include "config.h"

/* Bytes of a rule on the wire: beams, outputs, ms, window_ms, and the CRC-16 of those. */
enum { RULE_CRC_AT = 8, RULE_SIZE = 10 };

/* Take a rule as the host wrote it; return whether it is one. Its CRC has been looked at. */
uint8_t rules_write(uint8_t which, const uint8_t *payload);

/* Tell a rule with what is left of its window. */
void rules_read(uint8_t which, uint8_t *payload);

/* Beams rose. Interrupts must be off. */
void rules_fire(uint8_t risen, uint32_t now);

void rules_clear(void);

/* Forget rules whose window is over. To be called once a second at least. Interrupts must be off. */
void rules_second(uint32_t began);

#endif
