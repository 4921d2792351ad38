/* Frames of the Harp 8-bit protocol; hardware/harp.py tells their form. */
#ifndef HARP_H
#define HARP_H

#include <stdint.h>

#include "clock.h"

enum {
    HARP_READ = 1,
    HARP_WRITE = 2,
    HARP_EVENT = 3,
    HARP_ERROR = 8, /* added to the type of a request that is refused */
};

enum { U8 = 0x01, U16 = 0x02, U32 = 0x04 };

/* Bytes of a frame that the board sends around its payload. */
enum { HARP_OVERHEAD = 12 };

typedef struct {
    uint8_t type, address, payload_type;
    uint8_t size; /* of the payload, in bytes */
    const uint8_t *payload;
} request_t;

/* Take a received byte; return whether it completes a sound request. That holds until the next byte is taken. */
uint8_t harp_take(uint8_t byte, request_t *request);

/* A millisecond has passed. */
void harp_millisecond(void);

/* Send a frame, stamped. There must be room for HARP_OVERHEAD + size bytes. */
void harp_send(uint8_t type, uint8_t address, uint8_t payload_type, const stamp_t *when, const uint8_t *payload,
               uint8_t size);

#endif
