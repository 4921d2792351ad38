/* The registers: what the host reads and writes. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <stdint.h>

#include "clock.h"

enum { LARGEST_REGISTER = 32 }; /* bytes: Version */

/* The state that an answer tells, all of one instant. */
typedef struct {
    stamp_t when;
    uint16_t event_count;
    uint8_t events_end; /* events before this position in the queue happened before that instant */
    uint8_t inputs;
    uint8_t outputs;
} snapshot_t;

typedef struct {
    uint8_t which; /* of several registers alike, or the number of a setting */
    snapshot_t now;
    uint8_t content[LARGEST_REGISTER];
} reading_t;

typedef struct {
    uint8_t which;
    const uint8_t *payload;
} order_t;

/* Fill in the content, which holds zeros. */
typedef void read_t(reading_t *reading);

/* Carry out a write; return 0 to refuse it, and then change nothing. */
typedef uint8_t write_t(const order_t *order);

typedef struct {
    uint8_t first, number; /* addresses first to first + number - 1 */
    uint8_t which;         /* the first one's */
    uint8_t payload_type;
    uint8_t size;   /* bytes */
    uint8_t echoes; /* whether the answer to a write repeats its payload */
    read_t *read;   /* none: it reads zeros */
    write_t *write; /* none: it cannot be written */
} register_t;

/* Find the register at an address; return whether there is one. `which` is then that address's own. */
uint8_t registers_find(uint8_t address, register_t *found);

void registers_snapshot(snapshot_t *now);

/* Why the board started: bits of MCUSR. To be told before anybody asks. */
void registers_set_boot_cause(uint8_t cause);

/* What the host asked for by writing a core register, for those who do it. */
uint8_t registers_take_dump_wish(void);
uint8_t registers_reset_is_wanted(void);

#endif
