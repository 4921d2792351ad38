/* Runs the reference board's firmware, as the machine code that the chip would run, in lockstep with a host.
 *
 *     avr_board FIRMWARE.elf
 *
 * The host writes records to standard input and reads records from standard output (records.h). Time is the chip's
 * cycle count and moves only when the host says so: there is no wall time here, no thread and no sleep. The same
 * records always give the same answer, however finely ADVANCE is cut. A sleeping core costs nothing.
 *
 * What simavr 1.6 does otherwise than the chip is put right where it belongs: its serial port in usart.c, its pins in
 * ports.c. Here: MCUSR, which its resets leave 0 but for the watchdog's bit; a changed period of the watchdog, which it
 * lets begin too late; sleep, which lands one cycle late and whose callback really sleeps; its messages, which would go
 * to standard output.
 *
 * Licence: libsimavr is GPL-3, so this linked program is too. It is a separate program for tests, talks to the rest
 * through pipes only, and is never shipped.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simavr/avr_watchdog.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#include "ports.h"
#include "records.h"
#include "usart.h"

enum {
    FREQUENCY_HZ = 16000000,
    RUN_AT_ONCE = 1 << 20, /* cycles; simavr runs on until the next cycle timer or interrupt, whichever is first */
    WAITING = 4096,
    OP_RJMP_SELF = 0xCFFF,
    WATCHDOG_PERIOD = 0x27, /* WDP3 to WDP0 in WDTCSR */
};
static const char *const CHIP = "atmega328p";

static avr_t *avr;
static FILE *answers;
static uint64_t end_cycle;

static struct record waiting[WAITING]; /* stimuli to come, in order */
static uint32_t waiting_head, waiting_tail;

static bool was_reset, hang_asked, crashed;
static int reset_asked = -1;
static uint8_t hang_with_interrupts;
static struct {
    avr_io_write_t c;
    void *param;
} write_watchdog; /* simavr's own */

static void die(const char *why)
{
    fprintf(stderr, "avr_board: %s\n", why);
    exit(1);
}

void tell(uint64_t cycle, enum kind kind, uint8_t a, uint8_t b, uint8_t c)
{
    struct record record = {.cycle = cycle, .kind = kind, .a = a, .b = b, .c = c};
    if (fwrite(&record, sizeof record, 1, answers) != 1)
        die("nobody reads the answers");
}

/* --- stimuli */

static void apply(const struct record *stimulus)
{
    switch (stimulus->kind) {
    case PIN:
        if (!ports_drive(stimulus))
            die("no such pin");
        break;
    case RESET:
        reset_asked = stimulus->a; /* a reset inside a cycle timer would leave simavr inconsistent */
        break;
    case HANG:
        hang_asked = true;
        hang_with_interrupts = stimulus->a;
        break;
    default:
        die("no such order");
    }
}

static avr_cycle_count_t on_stimulus(avr_t *core, avr_cycle_count_t when, void *unused)
{
    (void)when, (void)unused;
    while (waiting_tail != waiting_head && waiting[waiting_tail % WAITING].cycle <= core->cycle)
        apply(&waiting[waiting_tail++ % WAITING]);
    if (reset_asked >= 0 || hang_asked) {
        core->state = cpu_Running; /* a sleeping core would first jump to the next timer */
        core->run_cycle_limit = 1;
    }
    return waiting_tail == waiting_head ? 0 : waiting[waiting_tail % WAITING].cycle;
}

/* Keeps a core that sleeps from jumping beyond what the host asked for, also if it fell asleep just there. */
static avr_cycle_count_t on_end(avr_t *core, avr_cycle_count_t when, void *unused)
{
    (void)when, (void)unused;
    return core->cycle + 1;
}

static void set_timer(uint64_t cycle, avr_cycle_timer_t timer)
{
    avr_cycle_timer_register(avr, cycle > avr->cycle ? cycle - avr->cycle : 0, timer, NULL);
}

static void take_stimulus(const struct record *record)
{
    if (waiting_head - waiting_tail == WAITING)
        die("too many stimuli before one advance");
    waiting[waiting_head % WAITING] = *record;
    if (waiting_head++ == waiting_tail)
        set_timer(record->cycle, on_stimulus);
}

/* --- the core */

/* simavr 1.6 notes a new watchdog period, but lets the old one run out first; the chip's holds at once. */
static void on_write_watchdog(avr_t *core, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)unused;
    uint8_t before = core->data[address];
    write_watchdog.c(core, address, value, write_watchdog.param);
    if ((core->data[address] ^ before) & WATCHDOG_PERIOD)
        avr_ioctl(core, AVR_IOCTL_WATCHDOG_RESET, NULL);
}

static bool attach_watchdog(void)
{
    avr_io_t *io = avr->io_port;
    while (io && strcmp(io->kind, "watchdog"))
        io = io->next;
    if (!io)
        return false;
    avr_io_addr_t address = AVR_DATA_TO_IO(((avr_watchdog_t *)io)->wde.reg);
    write_watchdog.c = avr->io[address].w.c;
    write_watchdog.param = avr->io[address].w.param;
    avr->io[address].w.c = on_write_watchdog;
    return true;
}

static void on_sleep(avr_t *core, avr_cycle_count_t cycles)
{
    (void)cycles;
    core->cycle--; /* simavr adds one cycle too many afterwards */
}

static void on_reset(avr_io_t *io)
{
    (void)io;
    was_reset = true; /* also called by simavr's watchdog, in the middle of things: the rest is done by after_reset() */
}

static void after_reset(void)
{
    was_reset = hang_asked = false;
    ports_reset();
    usart_reset();
    avr->run_cycle_limit = RUN_AT_ONCE;
    set_timer(end_cycle + 1, on_end); /* simavr's reset forgets all cycle timers */
    if (waiting_head != waiting_tail)
        set_timer(waiting[waiting_tail % WAITING].cycle, on_stimulus);
    tell(avr->cycle, BOOTED, avr->data[avr->reset_flags.porf.reg], 0, 0);
}

static void reset(uint8_t cause)
{
    avr_reset(avr);
    avr->data[avr->reset_flags.porf.reg] |= cause;
    reset_asked = -1;
    after_reset();
}

/* Send the program into an endless loop, as a broken pointer might: from its main part, so that an interrupt that is
 * being served ends first, or with interrupts off from wherever it is. */
static void hang(void)
{
    if (hang_with_interrupts && (!avr->sreg[S_I] || avr->interrupts.running_ptr))
        return;
    if (!hang_with_interrupts)
        avr->sreg[S_I] = 0;
    avr->pc = avr->flashend - 1;
    hang_asked = false;
    avr->run_cycle_limit = RUN_AT_ONCE;
}

static void step(void)
{
    int state = avr_run(avr);
    if (state == cpu_Done || state == cpu_Crashed || state == cpu_Stopped) {
        crashed = true;
        tell(avr->cycle, CRASHED, state, 0, 0);
    }
    if (was_reset)
        after_reset();
    if (reset_asked >= 0)
        reset(reset_asked);
    if (hang_asked)
        hang();
}

static void advance(uint64_t cycle)
{
    if (cycle > end_cycle)
        end_cycle = cycle;
    set_timer(end_cycle + 1, on_end);
    while (avr->cycle <= end_cycle && !crashed)
        step();
    tell(avr->cycle, END, 0, 0, 0);
    if (fflush(answers))
        die("nobody reads the answers");
}

static void keep_quiet(avr_t *core, const int level, const char *format, va_list arguments)
{
    (void)core;
    if (level <= LOG_ERROR)
        vfprintf(stderr, format, arguments);
}

static void load(const char *path)
{
    elf_firmware_t firmware = {0};
    if (elf_read_firmware(path, &firmware))
        die("the firmware cannot be read");
    avr = avr_make_mcu_by_name(CHIP);
    if (!avr)
        die("this simavr does not know the chip");
    avr_init(avr);
    firmware.frequency = FREQUENCY_HZ;
    avr_load_firmware(avr, &firmware);
    avr->frequency = FREQUENCY_HZ;
    avr->sleep = on_sleep;
    avr->flash[avr->flashend - 1] = OP_RJMP_SELF & 0xFF; /* the end of the flash is where a hung program goes */
    avr->flash[avr->flashend] = OP_RJMP_SELF >> 8;
}

int main(int count, char **arguments)
{
    if (count != 2)
        die("usage: avr_board FIRMWARE.elf");
    answers = fdopen(dup(STDOUT_FILENO), "wb");
    if (!answers || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        die("no standard output");
    avr_global_logger_set(keep_quiet);
    load(arguments[1]);
    if (!usart_attach(avr))
        die("this chip lacks a serial port");
    if (!attach_watchdog())
        die("this chip lacks a watchdog");
    if (!ports_attach(avr))
        die("this chip lacks a port");
    static avr_io_t watcher = {.kind = "board", .reset = on_reset};
    avr_register_io(avr, &watcher);

    struct record record;
    bool powered = false;
    while (fread(&record, sizeof record, 1, stdin) == 1) {
        if (record.kind == RESET && !powered) {
            powered = true;
            reset(record.a);
        } else if (record.kind == ADVANCE) {
            advance(record.cycle);
        } else if (record.kind == BYTE) {
            if (!usart_feed(record.cycle, record.a))
                die("too many bytes for the wire");
        } else {
            take_stimulus(&record);
        }
    }
    return 0;
}
