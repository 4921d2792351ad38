#include "link.h"

#include <string.h>

#include "bytes.h"
#include "config.h"
#include "harp.h"
#include "host.h"
#include "registers.h"
#include "report.h"
#include "uart.h"

enum {
    BYTES_AT_A_TIME = 16, /* then the rest of the board has its turn: a flood must not keep it from that */
    LARGEST_EVENT = 4,
    LAST_ADDRESS = 255,
    ROOM_FOR_DUMP = 2 * (HARP_OVERHEAD + LARGEST_REGISTER), /* and for what comes in between */
};

/* One answer waits for the events before it, and for room. The next request does not wait for that: it is carried out
 * at once, and takes the place of an answer that still waits. A command lost is worse than an answer lost. */
static reading_t answer;
static uint8_t answer_type, answer_address, answer_payload_type, answer_size;
static uint8_t answer_waits;
static uint8_t dump_goes_on;
static uint8_t dump_address;

/* Events and answers out. */

static void send_event(void)
{
    event_t event;
    uint8_t payload[LARGEST_EVENT] = {0};
    uint8_t type = U8;

    report_take(&event);
    put_word(payload, event.value);
    if (event.address == FAULT || event.address == HEARTBEAT) {
        type = U16;
    } else if (event.address == TIMESTAMP_SECONDS) {
        type = U32;
        put_long(payload, event.when.seconds);
    }
    harp_send(HARP_EVENT, event.address, type, &event.when, payload, type); /* these types are their sizes */
}

static void send_answer(void)
{
    harp_send(answer_type, answer_address, answer_payload_type, &answer.now.when, answer.content, answer_size);
    answer_waits = 0;
}

/* Send what there is room for: before the answer, the events that happened before it. */
static void send(void)
{
    for (;;) {
        if (answer_waits && report_next() == answer.now.events_end) {
            if (uart_room() < HARP_OVERHEAD + answer_size)
                return;
            send_answer();
        } else {
            if (report_next() == report_end() || uart_room() < HARP_OVERHEAD + LARGEST_EVENT)
                return;
            send_event();
        }
    }
}

/* Requests in. */

static void prepare(const request_t *request, const register_t *found, uint8_t error)
{
    answer_type = request->type | error;
    answer_address = request->address;
    answer_payload_type = found->payload_type;
    answer_size = found->size;
    answer.which = found->which;
    memset(answer.content, 0, found->size);
    registers_snapshot(&answer.now);
    if (request->type == HARP_WRITE && found->echoes && !error)
        memcpy(answer.content, request->payload, found->size);
    else if (found->read)
        found->read(&answer);
    answer_waits = !(host_control() & CONTROL_MUTE);
}

static uint8_t is_refused(const request_t *request, const register_t *found)
{
    order_t order = {found->which, request->payload};

    if (request->type == HARP_READ)
        return 0;
    return request->payload_type != found->payload_type || request->size != found->size || !found->write ||
           !found->write(&order);
}

static void handle(const request_t *request)
{
    register_t found = {.payload_type = request->payload_type};
    uint8_t error = 0;

    host_heard();
    if (answer_waits)
        report_error(ERROR_TRANSMIT, 1);
    if (!registers_find(request->address, &found) || is_refused(request, &found))
        error = HARP_ERROR;
    prepare(request, &found, error);
    send();
}

static void receive(void)
{
    request_t request;
    uint8_t byte;
    uint8_t lost = uart_take_lost();

    if (lost)
        report_error(ERROR_RECEIVE, lost);
    for (uint8_t i = 0; i < BYTES_AT_A_TIME && !registers_reset_is_wanted() && uart_read(&byte); i++)
        if (harp_take(byte, &request))
            handle(&request);
}

/* The dump: every register, one at a time, when there is nothing else to say. */

static void dump(void)
{
    request_t request = {.type = HARP_READ, .address = dump_address};
    register_t found;

    if (registers_take_dump_wish()) {
        dump_goes_on = 1;
        dump_address = 0;
        return;
    }
    if (!dump_goes_on || answer_waits || !report_is_empty() || uart_room() < ROOM_FOR_DUMP)
        return;
    if (registers_find(dump_address, &found)) {
        prepare(&request, &found, 0);
        answer_waits = 1; /* told even by a board that is muted */
        send();
    }
    dump_goes_on = dump_address++ != LAST_ADDRESS;
}

void link_poll(void)
{
    report_untold();
    send();
    receive();
    dump();
}

uint8_t link_is_idle(void)
{
    return uart_has_read_all() && report_is_empty() && !answer_waits && !dump_goes_on;
}

uint8_t link_has_answered(void)
{
    return !answer_waits && uart_has_sent_all();
}
