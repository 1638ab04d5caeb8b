/* SPDX-License-Identifier: Apache-2.0 */
#include "client/walk.h"

#include <assert.h>

uint64_t stk_load_be(const unsigned char *p, unsigned bytes)
{
    uint64_t value = 0;

    assert(bytes >= 1);
    assert(bytes <= 8);
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

/* What the head bytes 0xc0 to 0xdf mean. */
struct form {
    unsigned char kind;   /* stockd_kind; NONE: not a head byte */
    unsigned char length; /* length bytes after the head byte */
    unsigned char body;   /* fixed bytes of body (an ext has its type byte) */
};

static const struct form forms[32] = {
    [0x00] = { STOCKD_KIND_NIL, 0, 0 },   [0x01] = { STOCKD_KIND_NONE, 0, 0 },
    [0x02] = { STOCKD_KIND_BOOL, 0, 0 },  [0x03] = { STOCKD_KIND_BOOL, 0, 0 },
    [0x04] = { STOCKD_KIND_STR, 1, 0 },   [0x05] = { STOCKD_KIND_STR, 2, 0 },
    [0x06] = { STOCKD_KIND_STR, 4, 0 },   [0x07] = { STOCKD_KIND_EXT, 1, 1 },
    [0x08] = { STOCKD_KIND_EXT, 2, 1 },   [0x09] = { STOCKD_KIND_EXT, 4, 1 },
    [0x0a] = { STOCKD_KIND_FLOAT, 0, 4 }, [0x0b] = { STOCKD_KIND_FLOAT, 0, 8 },
    [0x0c] = { STOCKD_KIND_UINT, 0, 1 },  [0x0d] = { STOCKD_KIND_UINT, 0, 2 },
    [0x0e] = { STOCKD_KIND_UINT, 0, 4 },  [0x0f] = { STOCKD_KIND_UINT, 0, 8 },
    [0x10] = { STOCKD_KIND_UINT, 0, 1 },  [0x11] = { STOCKD_KIND_UINT, 0, 2 },
    [0x12] = { STOCKD_KIND_UINT, 0, 4 },  [0x13] = { STOCKD_KIND_UINT, 0, 8 },
    [0x14] = { STOCKD_KIND_EXT, 0, 2 },   [0x15] = { STOCKD_KIND_EXT, 0, 3 },
    [0x16] = { STOCKD_KIND_EXT, 0, 5 },   [0x17] = { STOCKD_KIND_EXT, 0, 9 },
    [0x18] = { STOCKD_KIND_EXT, 0, 17 },  [0x19] = { STOCKD_KIND_STR, 1, 0 },
    [0x1a] = { STOCKD_KIND_STR, 2, 0 },   [0x1b] = { STOCKD_KIND_STR, 4, 0 },
    [0x1c] = { STOCKD_KIND_ARRAY, 2, 0 }, [0x1d] = { STOCKD_KIND_ARRAY, 4, 0 },
    [0x1e] = { STOCKD_KIND_MAP, 2, 0 },   [0x1f] = { STOCKD_KIND_MAP, 4, 0 },
};

/* Heads that carry their own value or length: everything outside 0xc0 to 0xdf. */
static void short_token(unsigned char lead, struct token *out)
{
    *out = (struct token){ .kind = STOCKD_KIND_UINT, .lead = lead, .head = 1 };
    if (lead >= 0xe0) {
        out->kind = STOCKD_KIND_INT;
    } else if (lead >= 0xa0) {
        out->kind = STOCKD_KIND_STR;
        out->body = lead & 0x1f;
    } else if (lead >= 0x90) {
        out->kind = STOCKD_KIND_ARRAY;
        out->children = lead & 0x0f;
    } else if (lead >= 0x80) {
        out->kind = STOCKD_KIND_MAP;
        out->children = 2 * (uint64_t)(lead & 0x0f);
    }
}

enum walk_status stk_token_read(const unsigned char *p, size_t avail, struct token *out)
{
    if (avail == 0)
        return WALK_PARTIAL;
    if (p[0] < 0xc0 || p[0] >= 0xe0) {
        short_token(p[0], out);
        return WALK_DONE;
    }

    const struct form *form = &forms[p[0] - 0xc0];
    if (form->kind == STOCKD_KIND_NONE)
        return WALK_BAD;
    if (avail < 1U + form->length)
        return WALK_PARTIAL;

    uint64_t length = form->length ? stk_load_be(p + 1, form->length) : 0;
    *out = (struct token){
        .kind = (stockd_kind)form->kind, .lead = p[0], .head = 1U + form->length, .body = form->body
    };
    if (form->kind == STOCKD_KIND_ARRAY)
        out->children = length;
    else if (form->kind == STOCKD_KIND_MAP)
        out->children = 2 * length;
    else
        out->body += length;
    return WALK_DONE;
}

void stk_walk_start(struct walk *walk)
{
    walk->pos = 0;
    walk->depth = 1;
    walk->left[0] = 1;
}

/* Counts one token: closes the levels that it completes, opens its own. */
static enum walk_status walk_accept(struct walk *walk, const struct token *token, size_t limit)
{
    uint64_t size = token->head + token->body;

    if (size > limit - walk->pos || token->children > limit - walk->pos - size)
        return WALK_TOO_LARGE;
    walk->left[walk->depth - 1]--;
    if (token->children > 0) {
        if (walk->depth == sizeof walk->left / sizeof walk->left[0])
            return WALK_BAD;
        walk->left[walk->depth++] = token->children;
    }
    walk->pos += size;
    while (walk->depth > 0 && walk->left[walk->depth - 1] == 0)
        walk->depth--;
    return WALK_DONE;
}

enum walk_status stk_walk_resume(struct walk *walk, const unsigned char *data, size_t len,
                                 size_t limit)
{
    while (walk->depth > 0) {
        struct token token;

        /* The last body may extend past the bytes that have come: W1 lets pos run ahead of len. */
        if (walk->pos >= len)
            return walk->pos < limit ? WALK_PARTIAL : WALK_TOO_LARGE;
        enum walk_status status = stk_token_read(data + walk->pos, len - walk->pos, &token);
        if (status == WALK_DONE)
            status = walk_accept(walk, &token, limit);
        if (status == WALK_PARTIAL && len >= limit)
            return WALK_TOO_LARGE;
        if (status != WALK_DONE)
            return status;
    }
    assert(walk->pos <= limit);
    return walk->pos <= len ? WALK_DONE : WALK_PARTIAL;
}

size_t stk_walk_length(const unsigned char *data, size_t len)
{
    struct walk walk;

    stk_walk_start(&walk);
    return stk_walk_resume(&walk, data, len, len) == WALK_DONE ? walk.pos : 0;
}
