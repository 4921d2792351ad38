/* The host: how it wants the board to be, and whether it is still there. */
#ifndef HOST_H
#define HOST_H

#include <stdint.h>

/* Bits of OperationControl. */
enum {
    CONTROL_MODE = 0x03,
    CONTROL_ACTIVE = 0x01,
    CONTROL_HEARTBEAT = 0x04,
    CONTROL_DUMP = 0x08,
    CONTROL_MUTE = 0x10,
    CONTROL_ALIVE = 0x80, /* older cores: the event is that of register 8 */
};

/* A valid frame came. */
void host_heard(void);

/* A millisecond has passed: if the host has been silent for too long, everything goes off. Interrupts must be off. */
void host_millisecond(void);

/* A second has begun: send the heartbeat that the host wants. Interrupts must be off. */
void host_second(uint32_t now);

uint8_t host_control(void);
uint8_t host_is_active(void);
void host_set_control(uint8_t control);
uint8_t host_wants_events(void);

#endif
