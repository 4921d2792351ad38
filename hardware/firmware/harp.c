#include "harp.h"

#include "bytes.h"
#include "config.h"
#include "report.h"
#include "uart.h"

enum {
    LENGTH_LOW = 4,
    LENGTH_HIGH = 64,
    STAMPED = 0x10,
    STAMP_SIZE = 6,
    DEVICE_PORT = 255,
    /* Where the fields of a frame are, and how many bytes its length does not count. */
    TYPE_AT = 0,
    LENGTH_AT = 1,
    ADDRESS_AT = 2,
    PAYLOAD_TYPE_AT = 4,
    PAYLOAD_AT = 5,
    UNCOUNTED = 2,
    /* Bits of a payload type. */
    ELEMENT_SIZE = 0x0F,
    SIGNED = 0x80,
    FLOAT = 0x44,
};

static uint8_t frame[LENGTH_HIGH + UNCOUNTED];
static uint8_t filled;
static uint8_t sum; /* of the bytes so far */
static volatile uint8_t quiet_ms; /* since the last byte; stops at its end */

void harp_millisecond(void)
{
    if (quiet_ms < UINT8_MAX)
        quiet_ms++;
}

static uint8_t is_payload_type(uint8_t type)
{
    uint8_t size = type & ELEMENT_SIZE;
    uint8_t kind = type & (uint8_t)~ELEMENT_SIZE;

    if (type == FLOAT)
        return 1;
    return (kind == 0 || kind == SIGNED) && (size == 1 || size == 2 || size == 4 || size == 8);
}

/* Of elements of 1, 2, 4 or 8 bytes. */
static uint8_t is_whole_number(uint8_t size, uint8_t element_size)
{
    return (size & (element_size - 1)) == 0;
}

static uint8_t payload_size(void)
{
    uint8_t stamp = frame[PAYLOAD_TYPE_AT] & STAMPED ? STAMP_SIZE : 0;

    return frame[LENGTH_AT] - LENGTH_LOW - stamp; /* a stamp that does not fit comes out larger than any payload */
}

/* Whether what has come so far can be the beginning of a request. */
static uint8_t is_plausible(void)
{
    switch (filled - 1) {
    case TYPE_AT:
        return frame[TYPE_AT] == HARP_READ || frame[TYPE_AT] == HARP_WRITE;
    case LENGTH_AT:
        return frame[LENGTH_AT] >= LENGTH_LOW && frame[LENGTH_AT] <= LENGTH_HIGH;
    case PAYLOAD_TYPE_AT:
        return is_payload_type(frame[PAYLOAD_TYPE_AT] & (uint8_t)~STAMPED) && payload_size() <= LENGTH_HIGH &&
               is_whole_number(payload_size(), frame[PAYLOAD_TYPE_AT] & ELEMENT_SIZE);
    default:
        return 1;
    }
}

/* Take a byte that the frame cannot go on with: it may begin one. */
static void begin_anew(uint8_t byte)
{
    frame[TYPE_AT] = byte;
    sum = byte;
    filled = 1;
    filled = is_plausible();
}

static void decode(request_t *request)
{
    uint8_t is_stamped = frame[PAYLOAD_TYPE_AT] & STAMPED;

    request->type = frame[TYPE_AT];
    request->address = frame[ADDRESS_AT];
    request->payload_type = frame[PAYLOAD_TYPE_AT] & (uint8_t)~STAMPED;
    request->size = payload_size();
    request->payload = frame + PAYLOAD_AT + (is_stamped ? STAMP_SIZE : 0);
}

uint8_t harp_take(uint8_t byte, request_t *request)
{
    if (quiet_ms > INTER_BYTE_MS)
        filled = 0;
    quiet_ms = 0;
    if (filled > LENGTH_AT && filled == frame[LENGTH_AT] + UNCOUNTED - 1) {
        filled = 0;
        decode(request);
        if (byte != sum)
            report_error(ERROR_CHECKSUM, 1);
        return byte == sum;
    }
    frame[filled] = byte;
    sum = filled ? sum + byte : byte;
    filled++;
    if (!is_plausible())
        begin_anew(byte);
    return 0;
}

static uint8_t write_all(const uint8_t *bytes, uint8_t size)
{
    uint8_t total = 0;

    while (size--) {
        total += *bytes;
        uart_write(*bytes++);
    }
    return total;
}

void harp_send(uint8_t type, uint8_t address, uint8_t payload_type, const stamp_t *when, const uint8_t *payload,
               uint8_t size)
{
    uint8_t head[PAYLOAD_AT + STAMP_SIZE] = {type, LENGTH_LOW + STAMP_SIZE + size, address, DEVICE_PORT,
                                             payload_type | STAMPED};
    uint8_t total;

    put_long(head + PAYLOAD_AT, when->seconds);
    put_word(head + PAYLOAD_AT + 4, when->fraction);
    total = write_all(head, sizeof head);
    total += write_all(payload, size);
    uart_write(total);
}
