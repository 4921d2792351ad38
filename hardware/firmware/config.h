/* What the board is: its numbers, limits and defaults. hardware/board/registers.py says the same to the host. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdint.h>

/* The project's own number. -DWHOAMI=1216 makes the board answer to clients of the Harp Behavior board, for tests. */
#ifndef WHOAMI
#define WHOAMI 3335
#endif

enum {
    N_OUTPUTS = 4,
    N_INPUTS = 6,
    N_RULES = 2,

    /* Bits of the outputs and of the inputs, as in registers 34 to 37 and 32. */
    ALL_OUTPUTS = 0x0F,
    LASERS = 0x0C,
    ALL_INPUTS = 0x3F,
    BEAMS = 0x0F,

    ARM_KEY = 0xA5,
    DUTY_SECONDS = 60, /* the duty limit holds for the running second and so many before it */
    INTER_BYTE_MS = 5, /* a frame that pauses for longer is given up */
};

#define VALVE_MAX_ON_LIMIT_MS 2000
#define LASER_MAX_ON_LIMIT_MS 10000
#define HOST_TIMEOUT_LOW_MS 50
#define HOST_TIMEOUT_HIGH_MS 5000
#define MIN_GAP_LIMIT_MS 60000U
#define DUTY_LIMIT_MS 60000U
#define CHATTER_LOW_HZ 10
#define CHATTER_HIGH_HZ 1000

/* Bits of the Fault register. */
enum {
    FAULT_WATCHDOG = 1,
    FAULT_MAX_ON = 2,
    FAULT_INTERLOCK = 4,
    FAULT_TRANSMIT = 8,
    FAULT_RECEIVE = 16,
    FAULT_CHECKSUM = 32,
    FAULT_DISARMED = 64,
    FAULT_EVENT = 128,
    FAULT_GAP = 256,
    FAULT_DUTY = 512,
    FAULT_CHATTER = 1024,
};

/* Addresses of registers; those above 31 are the board's own. */
enum {
    WHO_AM_I = 0,
    HARDWARE_HIGH = 1,
    TIMESTAMP_SECONDS = 8,
    TIMESTAMP_MICROSECONDS = 9,
    OPERATION_CONTROL = 10,
    RESET_DEVICE = 11,
    DEVICE_NAME = 12,
    SERIAL_NUMBER = 13,
    CLOCK_CONFIGURATION = 14,
    TIMESTAMP_OFFSET = 15,
    UID = 16,
    TAG = 17,
    HEARTBEAT = 18,
    VERSION = 19,
    DIGITAL_INPUT_STATE = 32,
    OUTPUT_SET = 34,
    OUTPUT_CLEAR = 35,
    OUTPUT_STATE = 37,
    OUTPUT_PULSE_ENABLE = 45,
    PULSE_MS = 49,
    EVENT_ENABLE = 77,
    HOST_TIMEOUT_MS = 200,
    KEEP_ALIVE = 201,
    MAX_ON_MS = 202,
    FAULT = 206,
    OUTPUT_EVENT = 207,
    PULSE_CMD = 208,
    EVENT_COUNT = 209,
    ERROR_COUNTERS = 210,
    ARM = 211,
    BOOT_CAUSE = 212,
    MIN_GAP_MS = 213,
    DUTY_MS = 217,
    CHATTER_LIMIT = 221,
    MUTED_INPUTS = 222,
    LOCAL_RULE = 223,
};

#endif
