/* Numbers in the bytes of a payload, and the CRC over them: everything on the wire is little-endian. */
#ifndef BYTES_H
#define BYTES_H

#include <stdint.h>

static inline uint16_t word_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (uint16_t)bytes[1] << 8);
}

static inline void put_word(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static inline uint32_t long_at(const uint8_t *bytes)
{
    return word_at(bytes) | (uint32_t)word_at(bytes + 2) << 16;
}

static inline void put_long(uint8_t *bytes, uint32_t value)
{
    put_word(bytes, (uint16_t)value);
    put_word(bytes + 2, (uint16_t)(value >> 16));
}

/* CRC-16-CCITT: polynomial 0x1021, start 0xFFFF, not reflected. */
uint16_t crc16(const uint8_t *bytes, uint8_t size);

#endif
