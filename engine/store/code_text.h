/* SPDX-License-Identifier: Apache-2.0 */
/* Inline texts of the catalogue, so that a copy of a struct is a copy of everything. */
#ifndef STOCKD_ENGINE_STORE_CODE_TEXT_H
#define STOCKD_ENGINE_STORE_CODE_TEXT_H

#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/base/text.h"

struct code_text {
    uint8_t len;
    char at[CODE_MAX];
};

struct name_text {
    uint8_t len;
    char at[NAME_MAX_BYTES];
};

/* At most CODE_MAX bytes. */
void code_text_set(struct code_text *to, struct text from);

static inline struct text code_text(const struct code_text *c)
{
    return (struct text){ c->at, c->len };
}

static inline struct text name_text(const struct name_text *n)
{
    return (struct text){ n->at, n->len };
}

#endif
