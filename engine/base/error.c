/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/base/error.h"

#include <assert.h>

static const char *const names[CODE_COUNT] = {
#define X(name, text) text,
    CODE_TABLE(X)
#undef X
};

const char *code_name(enum code code)
{
    assert((unsigned)code < CODE_COUNT);
    return names[code];
}
