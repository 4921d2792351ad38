/* One memory for everything. */
#ifndef NATIVE_AVR_PGMSPACE_H
#define NATIVE_AVR_PGMSPACE_H

#include <stdint.h>
#include <string.h>

#define PROGMEM
#define memcpy_P memcpy
#define pgm_read_byte(address) (*(const uint8_t *)(address))
#define pgm_read_word(address) (*(const uint16_t *)(address))

#endif
