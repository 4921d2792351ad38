#include "script.h"

#include <stdio.h>
#include <stdlib.h>

#include "checks.h"
#include "chip.h"

enum {
    ESCAPE = 0x1B,
    BLOCK = 65536,
    BOOT_US = 1000,
    /* How long the board lives on: longer than the longest host timeout. */
    AFTER_US = 6 * US_PER_SECOND,
};

static uint8_t *script;
static size_t size, position;
static uint64_t due_us = BOOT_US;
static uint8_t is_over, overruns;

void script_read(void)
{
    size_t got;

    do {
        script = realloc(script, size + BLOCK);
        if (!script)
            exit(EXIT_FAILURE);
        got = fread(script + size, 1, BLOCK, stdin);
        size += got;
    } while (got);
}

uint64_t script_due_us(void)
{
    return due_us;
}

static uint8_t take(void)
{
    return position < size ? script[position++] : 0;
}

static uint16_t take_word(void)
{
    uint8_t low = take();

    return (uint16_t)(low | take() << 8);
}

static void receive(uint8_t byte)
{
    due_us += US_PER_BYTE;
    chip_receive(byte, overruns);
    overruns = 0;
}

static void escape(uint8_t what)
{
    switch (what) {
    case ESCAPE:
        receive(ESCAPE);
        break;
    case 'p':
        chip_set_pins(take());
        break;
    case 'w':
        due_us += take_word() * (uint64_t)US_PER_MS;
        break;
    case 'u':
        due_us += take_word();
        break;
    case 'o':
        overruns = 1;
        break;
    default:
        break;
    }
}

void script_go_on(void)
{
    while (due_us <= chip_us() && position < size) {
        uint8_t byte = take();

        if (byte == ESCAPE)
            escape(take());
        else
            receive(byte);
    }
    if (due_us > chip_us())
        return;
    if (is_over)
        checks_end();
    is_over = 1;
    due_us += AFTER_US;
}
