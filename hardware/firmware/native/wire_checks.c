#include "wire_checks.h"

#include "bytes.h"
#include "checks.h"
#include "config.h"
#include "report.h"

enum { READ = 1, WRITE = 2, EVENT = 3, ERROR = 8, PAYLOAD = 11, LONGEST = 32 + PAYLOAD + 1, UNITS_PER_SECOND = 31250 };

static uint8_t frame[LONGEST];
static uint8_t filled;
static uint64_t last_stamp;
static uint8_t may_go_back;
static uint16_t events;

static void check_stamp(void)
{
    uint16_t units = word_at(frame + 9);
    uint64_t stamp = (uint64_t)long_at(frame + 5) * UNITS_PER_SECOND + units;

    if (units >= UNITS_PER_SECOND)
        checks_fail("a stamp has more than a second in its fraction");
    if (stamp < last_stamp && !may_go_back)
        checks_fail("a frame was sent after one with a later stamp");
    if (stamp < last_stamp)
        may_go_back = 0;
    last_stamp = stamp;
}

void wire_clock_was_set(void)
{
    may_go_back = 1;
}

static void check_counts(void)
{
    if (frame[0] == EVENT && frame[2] != FAULT)
        events++;
    if (frame[0] == READ && frame[2] == EVENT_COUNT && !report_errors(ERROR_EVENT) &&
        word_at(frame + PAYLOAD) != events)
        checks_fail("EventCount is not the number of events sent before");
}

static void check_frame(void)
{
    uint8_t sum = 0;
    uint8_t type = frame[0] & (uint8_t)~ERROR;

    for (uint8_t i = 0; i < filled - 1; i++)
        sum += frame[i];
    if (sum != frame[filled - 1])
        checks_fail("a frame was sent with a wrong checksum");
    if (frame[0] != EVENT && type != READ && type != WRITE)
        checks_fail("a frame was sent with a wrong type");
    check_stamp();
    check_counts();
}

void wire_check_byte(uint8_t byte)
{
    frame[filled++] = byte;
    if (filled < 2)
        return;
    if (frame[1] < PAYLOAD - 1 || frame[1] + 2 > LONGEST)
        checks_fail("a frame was sent with a wrong length");
    if (filled == frame[1] + 2) {
        check_frame();
        filled = 0;
    }
}
