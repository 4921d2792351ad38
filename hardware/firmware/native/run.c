/* Runs the firmware on a virtual chip: the script on standard input, a trace on standard output with --trace.
 * Built with -Dmain=firmware_main: the firmware's own main is called from here. */
#include <string.h>

#include "checks.h"
#include "script.h"

int firmware_main(void);

#undef main
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--trace") == 0)
        checks_trace();
    script_read();
    return firmware_main();
}
