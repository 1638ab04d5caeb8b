/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/methods.h"

#include <string.h>

#define METHOD_READS .needs = NEED_NONE
#define METHOD_ASKS .needs = NEED_LSN
#define METHOD_CHANGES .needs = NEED_LOG
#define METHOD_CANCELS .needs = NEED_LOG, .cancels = true

static const struct method methods[] = {
#define X(method, kind, hinted, needed, named)                                                     \
    { .name = #method,                                                                             \
      .number = METHOD_NUMBER_##method,                                                            \
      .length = sizeof #method - 1,                                                                \
      .run = method_##method,                                                                      \
      METHOD_##kind,                                                                               \
      .hint = HINT_##hinted,                                                                       \
      .right = RIGHT_##needed,                                                                     \
      .subject = SUBJECT_##named },
    METHODS(X)
#undef X
};

/*
 * A hash table of the methods, by the length and the first and last bytes of their names: hardly
 * any two share a slot. Filled before any thread starts.
 */
enum { SLOTS = 128 };

static const struct method *slots[SLOTS];

static unsigned slot_of(const char *name, uint32_t length)
{
    unsigned first = (unsigned char)name[0];
    unsigned last = (unsigned char)name[length - 1];
    return (length + 5 * first + 19 * last) % SLOTS;
}

const struct method *methods_all(unsigned *count)
{
    *count = sizeof methods / sizeof *methods;
    return methods;
}

void methods_prepare(void)
{
    if (slots[slot_of(methods[0].name, methods[0].length)])
        return;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        unsigned slot = slot_of(methods[i].name, methods[i].length);
        while (slots[slot])
            slot = (slot + 1) % SLOTS;
        slots[slot] = &methods[i];
    }
}

const struct method *method_named(struct text name)
{
    if (name.len == 0)
        return NULL;
    const struct method *method;
    for (unsigned slot = slot_of(name.at, name.len); (method = slots[slot]);
         slot = (slot + 1) % SLOTS)
        if (method->length == name.len && memcmp(method->name, name.at, name.len) == 0)
            return method;
    return NULL;
}

static bool enter_array(struct wire *wire)
{
    uint32_t count;
    if (wire_short_array(wire, &count))
        return count > 0;
    struct wire_value value = wire_next(wire);
    return value.kind == WIRE_ARRAY && value.count > 0;
}

static void hint_text(struct wire *wire, struct text *text)
{
    if (wire_short_text(wire, text))
        return;
    struct wire_value value = wire_next(wire);
    if (value.kind == WIRE_TEXT)
        *text = value.text;
    else
        wire->bad = true; /* the method will report the error */
}

void method_hints(const struct method *method, struct wire params, struct text *id,
                  struct text *sku)
{
    struct text channel;
    if (method->hint == HINT_NONE || !enter_array(&params))
        return;
    switch (method->hint) {
    case HINT_NONE:
        break;
    case HINT_ID:
        hint_text(&params, id);
        break;
    case HINT_ID_SKU:
        hint_text(&params, id);
        hint_text(&params, sku);
        break;
    case HINT_ORDER:
        hint_text(&params, id);
        hint_text(&params, &channel);
        if (!params.bad && enter_array(&params) && enter_array(&params))
            hint_text(&params, sku);
        break;
    case HINT_SALE:
        hint_text(&params, id);
        hint_text(&params, &channel);
        hint_text(&params, &channel); /* the location */
        if (!params.bad && enter_array(&params) && enter_array(&params))
            hint_text(&params, sku);
        break;
    case HINT_LINES:
        hint_text(&params, &channel);
        if (!params.bad && enter_array(&params) && enter_array(&params))
            hint_text(&params, sku);
        break;
    case HINT_SKUS:
        hint_text(&params, &channel);
        if (!params.bad && enter_array(&params))
            hint_text(&params, sku);
        break;
    }
}
