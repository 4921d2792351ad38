#include "bytes.h"

uint16_t crc16(const uint8_t *bytes, uint8_t size)
{
    uint8_t high = 0xFF, low = 0xFF;

    /* x^12, x^5 and 1 below x^16: a byte at a time, without a table, in steps that an 8-bit chip has. */
    while (size--) {
        uint8_t mixed = high ^ *bytes++;

        mixed ^= mixed >> 4;
        high = low ^ (uint8_t)(mixed << 4) ^ (mixed >> 3);
        low = (uint8_t)(mixed << 5) ^ mixed;
    }
    return (uint16_t)(high << 8 | low);
}
