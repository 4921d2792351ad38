#include "duty.h"

enum { N_SLOTS = DUTY_SECONDS + 1 };

account_t duty_accounts[N_OUTPUTS];

static uint16_t slots[N_SLOTS][N_OUTPUTS]; /* ticks on, by second of the board's clock */
static uint8_t slot;                       /* the running second's */

static void count(uint8_t output, uint32_t until)
{
    account_t *account = &duty_accounts[output];
    uint16_t more = (uint16_t)(until - account->counted_to); /* within one second: it fits */

    slots[slot][output] += more;
    account->left -= more; /* SAFETY: duty */
    account->counted_to = until;
}

void duty_set_limit(uint8_t output, uint32_t ticks)
{
    account_t *account = &duty_accounts[output];

    account->left += (int32_t)(ticks - account->limit);
    account->limit = ticks;
}

void duty_second(uint32_t began)
{
    /* What went on just now, before this second was counted, belongs to it alone. */
    for (uint8_t output = 0; output < N_OUTPUTS; output++)
        if (duty_accounts[output].is_on && is_past(duty_accounts[output].counted_to, began))
            count(output, began);
    if (++slot == N_SLOTS)
        slot = 0;
    for (uint8_t output = 0; output < N_OUTPUTS; output++) {
        duty_accounts[output].left += slots[slot][output];
        slots[slot][output] = 0;
    }
}

void duty_start(uint8_t output, uint32_t now)
{
    duty_accounts[output].counted_to = now;
    duty_accounts[output].is_on = 1;
}

void duty_stop(uint8_t output, uint32_t now)
{
    count(output, now);
    duty_accounts[output].is_on = 0;
}
