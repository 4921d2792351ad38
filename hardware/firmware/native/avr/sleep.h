#ifndef NATIVE_AVR_SLEEP_H
#define NATIVE_AVR_SLEEP_H

/* Let time pass until an interrupt has come. */
void chip_sleep(void);

#define SLEEP_MODE_IDLE 0
#define set_sleep_mode(mode) ((void)(mode))
#define sleep_enable() ((void)0)
#define sleep_disable() ((void)0)
#define sleep_cpu() chip_sleep()

#endif
