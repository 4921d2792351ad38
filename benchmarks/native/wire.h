/* What sender and echo share: the 64-byte record of realtime/records.py, and libzmq's functions and numbers.

   Declared here because pyzmq's wheel brings libzmq without its header; the numbers are libzmq's stable interface. */
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

struct event {
    uint64_t seq;
    int64_t t_ns, arrival_ns;
    uint16_t kind;
    int16_t animal;
    uint16_t line, source;
    double value;
    uint32_t trial;
    uint16_t state, flags;
    uint32_t source_seq, uncertainty_ns;
    uint64_t digest;
};
_Static_assert(sizeof(struct event) == 64, "an event is 64 bytes");

enum { COMMAND = 9, OPERATOR = 14, HEALTH = 17 };
enum { SOURCE_OPERATOR = 1, FIRST_DEVICE = 2, VALVE_A = 4, FREE_REWARD = 5, FLAG_FREE = 64 };

enum { ZMQ_PUB = 1, ZMQ_PULL = 7, ZMQ_PUSH = 8 };
enum { ZMQ_LINGER = 17, ZMQ_SNDHWM = 23, ZMQ_RCVHWM = 24, ZMQ_RCVTIMEO = 27, ZMQ_DONTWAIT = 1, ZMQ_POLLIN = 1 };
typedef struct {
    void *socket;
    int fd;
    short events, revents;
} zmq_pollitem_t;
extern void *zmq_ctx_new(void);
extern int zmq_ctx_term(void *);
extern void *zmq_socket(void *, int);
extern int zmq_close(void *);
extern int zmq_setsockopt(void *, int, const void *, size_t);
extern int zmq_bind(void *, const char *);
extern int zmq_connect(void *, const char *);
extern int zmq_recv(void *, void *, size_t, int);
extern int zmq_send(void *, const void *, size_t, int);
extern int zmq_poll(zmq_pollitem_t *, int, long);
extern int zmq_errno(void);

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Run with SCHED_FIFO at this priority and locked memory (0: as normal); return 0 if that was granted. */
static inline int shield(int priority)
{
    struct sched_param parameter = {priority};
    if (priority <= 0) return 0;
    return sched_setscheduler(0, SCHED_FIFO, &parameter) || mlockall(MCL_CURRENT | MCL_FUTURE);
}
