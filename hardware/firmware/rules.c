#include "rules.h"

#include <string.h>
#include <util/atomic.h>

#include "bytes.h"
#include "outputs.h"

enum { BEAMS_AT = 0, OUTPUTS_AT = 2, LENGTH_AT = 4, WINDOW_AT = 6 };

typedef struct {
    uint8_t words[RULE_CRC_AT]; /* as written */
    uint32_t set_at;            /* the moment of that */
    uint32_t window;            /* ticks; 0: there is no rule */
    uint32_t length;            /* ticks */
    uint8_t beams;
    uint8_t outputs;
    uint8_t is_spent;
} rule_t;

static rule_t rules[N_RULES];
static uint8_t awaited; /* beams of any rule: most edges are nobody's, and shall take no time */

static uint32_t left_of(const rule_t *rule, uint32_t now)
{
    uint32_t elapsed = now - rule->set_at;

    return elapsed < rule->window ? rule->window - elapsed : 0;
}

/* The inverse of ticks_of_ms, rounded up. */
static uint16_t ms_of_ticks(uint32_t ticks)
{
    return (uint16_t)((2 * ticks + 123) / 125);
}

static void note_awaited(void)
{
    awaited = 0;
    for (const rule_t *rule = rules; rule < rules + N_RULES; rule++)
        if (rule->window && !rule->is_spent)
            awaited |= rule->beams;
}

/* Take a rule, unless it is the last one once more: a request that is repeated, because its answer was lost, shall not
 * fire twice. */
static void take(rule_t *rule, const rule_t *wanted)
{
    uint32_t now = clock_now();

    if (left_of(rule, now) && memcmp(rule->words, wanted->words, sizeof rule->words) == 0)
        return;
    *rule = *wanted;
    rule->set_at = now;
    note_awaited();
}

uint8_t rules_write(uint8_t which, const uint8_t *payload)
{
    rule_t rule = {
        .window = ticks_of_ms(word_at(payload + WINDOW_AT)),
        .length = ticks_of_ms(word_at(payload + LENGTH_AT)),
        .beams = payload[BEAMS_AT] & BEAMS,
        .outputs = payload[OUTPUTS_AT] & ALL_OUTPUTS,
    };

    if (rule.window && !(rule.beams && rule.outputs && rule.length))
        return 0;
    memcpy(rule.words, payload, sizeof rule.words);
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        take(&rules[which], &rule);
    }
    return 1;
}

void rules_read(uint8_t which, uint8_t *payload)
{
    const rule_t *rule = &rules[which];
    uint32_t left = 0;

    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        if (!rule->is_spent)
            left = left_of(rule, clock_now());
    }
    /* The rest changes by a write only, and this is the answer to one, or to a read. */
    payload[BEAMS_AT] = rule->beams;
    payload[OUTPUTS_AT] = rule->outputs;
    memcpy(payload + LENGTH_AT, rule->words + LENGTH_AT, sizeof(uint16_t));
    put_word(payload + WINDOW_AT, ms_of_ticks(left));
}

void rules_fire(uint8_t risen, uint32_t now)
{
    if (!(risen & awaited))
        return;
    for (rule_t *rule = rules; rule < rules + N_RULES; rule++) {
        if (!(rule->beams & risen) || rule->is_spent || !left_of(rule, now))
            continue;
        rule->is_spent = 1;
        outputs_pulse(rule->outputs, rule->length);
    }
    note_awaited();
}

void rules_clear(void)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        for (rule_t *rule = rules; rule < rules + N_RULES; rule++)
            rule->window = 0;
        awaited = 0;
    }
}

void rules_second(uint32_t began)
{
    for (rule_t *rule = rules; rule < rules + N_RULES; rule++)
        if (!left_of(rule, began))
            rule->window = 0;
    note_awaited();
}
