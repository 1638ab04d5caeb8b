/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/held.h"

#include <assert.h>
#include <stdlib.h>

#include "protocol/call.h"

enum { HELD_FIRST = 16, HELD_KEPT = 128 };

/* ---- the list ---- */

/* Makes room for one more message at the end. */
static bool grow(struct held_list *list)
{
    if (list->start > 0) {
        memmove(list->messages, list->messages + list->start,
                (list->count - list->start) * sizeof *list->messages);
        list->count -= list->start;
        list->start = 0;
    }
    if (list->count < list->capacity / 2) /* so a byte is moved once on average */
        return true;
    uint32_t capacity = list->capacity ? 2 * list->capacity : HELD_FIRST;
    struct held_message *messages = realloc(list->messages, capacity * sizeof *messages);
    if (!messages)
        return false;
    list->messages = messages;
    list->capacity = capacity;
    return true;
}

static bool same_fate(const struct held_message *a, const struct held_message *b)
{
    bool both_stay = a->lsn == 0 && b->lsn == 0 && !a->notification && !b->notification;
    return both_stay || (a->notification && b->notification);
}

bool held_add(struct held_list *list, const struct held_message *message)
{
    const struct held_message *last =
        list->count > list->start ? &list->messages[list->count - 1] : NULL;
    assert(!last || last->offset <= message->offset); /* H1 */
    if (last && same_fate(last, message))
        return true; /* H2 */
    if (list->count == list->capacity && !grow(list))
        return false;
    list->messages[list->count++] = *message;
    return true;
}

void held_forget(struct held_list *list, uint64_t offset)
{
    while (list->start + 1 < list->count && list->messages[list->start + 1].offset <= offset)
        list->start++;
}

void held_clear(struct held_list *list)
{
    list->start = list->count = 0;
    if (list->capacity > HELD_KEPT)
        held_free(list);
}

void held_free(struct held_list *list)
{
    free(list->messages);
    *list = (struct held_list){ 0 };
}

/* ---- when the journal has failed ---- */

/* The first message that does not end at or before the offset. */
static uint32_t message_at(const struct held_list *list, uint64_t offset)
{
    uint32_t at = list->start;
    while (at + 1 < list->count && list->messages[at + 1].offset <= offset)
        at++;
    assert(at < list->count && list->messages[at].offset <= offset);
    return at;
}

bool held_rewrite(const struct held_list *list, struct out *out, uint64_t offset,
                  uint64_t acknowledged, const char *reason)
{
    uint64_t end = out_end(out);
    if (offset == end)
        return true;
    unsigned char *bytes = malloc((size_t)(end - offset));
    if (!bytes)
        return false;
    out_copy(out, offset, bytes);
    out_cut(out, offset);
    struct refusal refusal = { .code = CODE_OK };
    refuse_read_only(&refusal, reason);
    uint64_t from = offset;
    for (uint32_t i = message_at(list, offset); i < list->count; i++) {
        const struct held_message *message = &list->messages[i];
        uint64_t to = i + 1 < list->count ? list->messages[i + 1].offset : end;
        assert(from <= to && to <= end); /* H1 */
        if (message->lsn > acknowledged)
            reply_bad_message(out, message->msgid, &refusal);
        else if (!message->notification)
            out_append(out, bytes + (from - offset), (size_t)(to - from));
        from = to;
    }
    free(bytes);
    return true;
}
