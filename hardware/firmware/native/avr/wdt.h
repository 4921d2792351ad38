#ifndef NATIVE_AVR_WDT_H
#define NATIVE_AVR_WDT_H

#define WDTO_15MS 0
#define WDTO_120MS 3

void chip_feed_watchdog(void);
void chip_set_watchdog(int timeout);

#define wdt_reset() chip_feed_watchdog()
#define wdt_enable(timeout) chip_set_watchdog(timeout)

#endif
