/* Sends events to a loop over ipc, waits for the command that answers each, and writes the round trips.

   sender EVENTS COMMANDS COUNT WARM_UP MIN_NS MAX_NS LIMIT_NS SEED FIFO

   An event is an operator's request of a free reward, which every loop answers with one COMMAND. Intervals between
   sends are drawn evenly from MIN_NS to MAX_NS, so that neither side settles into the other's rhythm. Ends after COUNT
   round trips or after LIMIT_NS. Standard output: one int64 a round trip [ns]. FIFO 0 is normal scheduling.
   Exit status 3: a scheduling policy or a lock on memory was refused; 4: no answer, or the wrong one. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "wire.h"

enum { FIRST_WAIT_MS = 250, JOIN_WAIT_MS = 500, JOIN_TRIES = 20, QUIET_MS = 20, ANSWER_MS = 10000 };

static void *events, *commands;

static void fail(int status, const char *what)
{
    fprintf(stderr, "sender: %s\n", what);
    exit(status);
}

static void *connected(void *context, int kind, const char *address)
{
    int none = 0;
    void *socket = zmq_socket(context, kind);
    if (!socket || zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) || zmq_connect(socket, address))
        fail(4, "cannot connect");
    return socket;
}

/* Return the next record of a kind (0: any) within wait_ms, or 0. */
static int heard(struct event *record, int kind, int wait_ms)
{
    zmq_setsockopt(commands, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    for (;;) {
        int got = zmq_recv(commands, record, sizeof *record, 0);
        if (got < 0 && zmq_errno() == EINTR) continue;
        if (got != (int)sizeof *record) return 0;
        if (!kind || record->kind == kind) return 1;
    }
}

static int64_t send_one(uint32_t number)
{
    struct event event;
    memset(&event, 0, sizeof event);
    event.kind = OPERATOR;
    event.source = SOURCE_OPERATOR;
    event.value = FREE_REWARD;
    event.source_seq = number;
    int64_t sent_ns = now_ns();
    event.t_ns = sent_ns;
    if (zmq_send(events, &event, sizeof event, 0) < 0) fail(4, "cannot send");
    return sent_ns;
}

/* Wait until events go in and commands come out, then let what is under way arrive; return the last command's nonce. */
static uint32_t join(void)
{
    struct event record;
    int tries = 0;
    heard(&record, 0, FIRST_WAIT_MS); /* a heartbeat shows that the command socket is connected */
    do {
        if (++tries > JOIN_TRIES) fail(4, "nothing answers");
        send_one(0);
    } while (!heard(&record, COMMAND, JOIN_WAIT_MS));
    uint32_t nonce = record.source_seq;
    while (heard(&record, COMMAND, QUIET_MS)) nonce = record.source_seq;
    return nonce;
}

static void sleep_until(int64_t at_ns)
{
    struct timespec at = {at_ns / 1000000000, at_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, 0) == EINTR) {}
}

int main(int count_of_arguments, char **argument)
{
    if (count_of_arguments != 10) fail(2, "sender EVENTS COMMANDS COUNT WARM_UP MIN_NS MAX_NS LIMIT_NS SEED FIFO");
    long count = atol(argument[3]), warm_up = atol(argument[4]), done = 0;
    int64_t min_ns = atoll(argument[5]), max_ns = atoll(argument[6]), limit_ns = atoll(argument[7]);
    if (count < 1 || min_ns < 0 || max_ns < min_ns) fail(2, "COUNT, MIN_NS and MAX_NS make no sense");
    srand48(atol(argument[8]));
    if (shield(atoi(argument[9]))) fail(3, "SCHED_FIFO or mlockall was refused");
    prctl(PR_SET_TIMERSLACK, 1);

    void *context = zmq_ctx_new(); /* after the policy: its threads inherit it */
    events = connected(context, ZMQ_PUSH, argument[1]);
    commands = connected(context, ZMQ_PULL, argument[2]);
    int64_t *round_trip_ns = calloc(count, sizeof *round_trip_ns);
    if (!round_trip_ns) fail(4, "no memory");
    uint32_t nonce = join();
    int wait_ms = ANSWER_MS;
    zmq_setsockopt(commands, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    int64_t next_ns = now_ns(), end_ns = INT64_MAX;
    for (long i = -warm_up; i < count; i++) {
        struct event answer;
        int64_t before_ns = now_ns();
        if (i == 0) end_ns = before_ns + limit_ns;
        if (before_ns >= end_ns) break;
        next_ns += min_ns + (int64_t)(drand48() * (max_ns - min_ns));
        if (next_ns > before_ns) sleep_until(next_ns);
        else next_ns = before_ns; /* never catches up: a slow answer delays what follows, not more */
        int64_t sent_ns = send_one((uint32_t)i);
        do {
            int got = zmq_recv(commands, &answer, sizeof answer, 0);
            if (got < 0 && zmq_errno() == EINTR) { answer.kind = 0; continue; }
            if (got != (int)sizeof answer) fail(4, "an event was not answered");
        } while (answer.kind != COMMAND);
        int64_t heard_ns = now_ns();
        if (answer.source_seq != ++nonce) fail(4, "an answer is missing");
        if (i >= 0) round_trip_ns[done++] = heard_ns - sent_ns;
    }
    if (fwrite(round_trip_ns, sizeof *round_trip_ns, done, stdout) != (size_t)done) fail(4, "cannot write");
    zmq_close(events);
    zmq_close(commands);
    zmq_ctx_term(context);
    return 0;
}
