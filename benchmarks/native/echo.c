/* The reference: answers every event with a command, by the same libzmq.

   echo same|bare EVENTS COMMANDS DECISIONS FIFO

   same: the socket work of the compiled loop, call by call. Receive without waiting until nothing is left, then poll
   socket, stop and timer; a command to the device, event and command to the viewers, a heartbeat every 100 ms.
   It decides, journals and chains nothing. bare: the least that any program can do, a blocking receive and a send.

   A line "+" on standard input starts a thread that burns processor time, "-" ends it; the end of input ends all.
   FIFO 0 is normal scheduling. Exit status 3: a scheduling policy or a lock on memory was refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "wire.h"

enum { BATCH = 64, QUEUE = 10000, COMMAND_QUEUE = 1000 };
static const int64_t BEAT_NS = 100000000;
static int stop_fd;
static volatile int burning, stopping, bare;

static void fail(int status, const char *what)
{
    fprintf(stderr, "echo: %s\n", what);
    exit(status);
}

static void *burn(void *unused)
{
    volatile uint64_t x = 0;
    while (burning) x++;
    return unused;
}

/* Obey standard input. The burner has normal scheduling, as a thread beside the loop would have. */
static void *obey(void *unused)
{
    pthread_t burner;
    pthread_attr_t normal;
    struct sched_param none = {0};
    char line[16];
    pthread_attr_init(&normal);
    pthread_attr_setinheritsched(&normal, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&normal, SCHED_OTHER);
    pthread_attr_setschedparam(&normal, &none);
    while (fgets(line, sizeof line, stdin)) {
        int wanted = line[0] == '+';
        if (wanted == burning) continue;
        burning = wanted;
        if (!wanted) pthread_join(burner, 0);
        else if (pthread_create(&burner, &normal, burn, 0)) fail(4, "cannot start a thread");
    }
    if (bare) _exit(0); /* it sits in a receive that nothing wakes */
    stopping = 1;
    uint64_t one = 1;
    if (write(stop_fd, &one, sizeof one) < 0) _exit(4);
    return unused;
}

static void *bound(void *context, int kind, const char *address, int queue)
{
    int none = 0;
    void *socket = zmq_socket(context, kind);
    if (!socket || zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) ||
        zmq_setsockopt(socket, ZMQ_SNDHWM, &queue, sizeof queue) ||
        zmq_setsockopt(socket, ZMQ_RCVHWM, &queue, sizeof queue) || zmq_bind(socket, address))
        fail(4, "cannot listen");
    return socket;
}

static void answer(const struct event *event, struct event *command, int64_t at_ns)
{
    static uint32_t nonce;
    memset(command, 0, sizeof *command);
    command->kind = COMMAND;
    command->t_ns = command->arrival_ns = at_ns;
    command->animal = event->animal;
    command->line = VALVE_A + event->animal;
    command->source = FIRST_DEVICE;
    command->value = 30e6;
    command->flags = FLAG_FREE;
    command->source_seq = ++nonce;
}

static void run_bare(void *events, void *commands)
{
    struct event event, command;
    for (;;) {
        if (zmq_recv(events, &event, sizeof event, 0) != (int)sizeof event) continue;
        answer(&event, &command, now_ns());
        zmq_send(commands, &command, sizeof command, 0);
    }
}

static void run_same(void *events, void *commands, void *decisions)
{
    struct event batch[BATCH], told[2], beat;
    int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    zmq_pollitem_t items[3] = {{events, 0, ZMQ_POLLIN, 0}, {0, stop_fd, ZMQ_POLLIN, 0}, {0, timer_fd, ZMQ_POLLIN, 0}};
    int64_t next_beat_ns = 0, armed_ns = 0;
    uint64_t expirations;
    memset(&beat, 0, sizeof beat);
    beat.kind = HEALTH;
    while (!stopping) {
        int got = zmq_recv(events, batch, sizeof batch, ZMQ_DONTWAIT);
        int64_t at_ns = now_ns();
        if (got >= 0) {
            for (int i = 0; i < got / (int)sizeof batch[0]; i++) {
                told[0] = batch[i];
                answer(&batch[i], &told[1], at_ns);
                zmq_send(commands, &told[1], sizeof told[1], ZMQ_DONTWAIT);
                zmq_send(decisions, told, sizeof told, ZMQ_DONTWAIT);
            }
            continue;
        }
        if (zmq_errno() != EAGAIN && zmq_errno() != EINTR) fail(4, "cannot receive");
        if (at_ns >= next_beat_ns) {
            beat.t_ns = at_ns;
            zmq_send(commands, &beat, sizeof beat, ZMQ_DONTWAIT);
            next_beat_ns = at_ns + BEAT_NS;
        }
        if (next_beat_ns != armed_ns) {
            struct itimerspec at = {{0, 0}, {next_beat_ns / 1000000000, next_beat_ns % 1000000000}};
            timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, 0);
            armed_ns = next_beat_ns;
        }
        zmq_poll(items, 3, -1);
        if (items[2].revents && read(timer_fd, &expirations, sizeof expirations) >= 0) armed_ns = 0;
    }
}

int main(int count_of_arguments, char **argument)
{
    if (count_of_arguments != 6) fail(2, "echo same|bare EVENTS COMMANDS DECISIONS FIFO");
    int priority = atoi(argument[5]);
    bare = !strcmp(argument[1], "bare");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (shield(priority)) fail(3, "SCHED_FIFO or mlockall was refused");
    stop_fd = eventfd(0, EFD_NONBLOCK);
    void *context = zmq_ctx_new(); /* after the policy: its threads inherit it */
    void *events = bound(context, ZMQ_PULL, argument[2], QUEUE);
    void *commands = bound(context, ZMQ_PUSH, argument[3], COMMAND_QUEUE);
    void *decisions = bound(context, ZMQ_PUB, argument[4], QUEUE);
    pthread_t listener;
    if (pthread_create(&listener, 0, obey, 0)) fail(4, "cannot start a thread");
    if (priority > 0) printf("{\"policy\": \"FIFO %d\"}\n", priority);
    else puts("{\"policy\": \"normal\"}");
    fflush(stdout);
    if (bare) run_bare(events, commands);
    run_same(events, commands, decisions);
    zmq_close(events);
    zmq_close(commands);
    zmq_close(decisions);
    zmq_ctx_term(context);
    return 0;
}
