/* SPDX-License-Identifier: Apache-2.0 */
/* By which ids a question may come to a record. */
#include <assert.h>

#include "engine/book.h"

struct ids {
    struct text *at;
    int count;
};

static void add(struct ids *ids, struct text id)
{
    assert(ids->count < BOOK_RECORD_IDS);
    if (id.len > 0)
        ids->at[ids->count++] = id;
}

static bool movement_ids(const struct record_head *record, struct ids *ids)
{
    struct movement_record r;
    struct record_reader reader = record_open(record, &r, sizeof r);
    add(ids, record_text(&reader, r.id_len));
    struct text ref = record_text(&reader, r.ref_len);
    if (record->flags == MOVE_RETURN)
        add(ids, ref);
    return !reader.bad;
}

static bool op_ids(const struct record_head *record, struct ids *ids)
{
    struct op_record r;
    struct record_reader reader = record_open(record, &r, sizeof r);
    add(ids, record_text(&reader, r.id_len));
    add(ids, record_text(&reader, r.op_len));
    return !reader.bad;
}

static bool step_ids(const struct record_head *record, struct ids *ids)
{
    struct step_head_record r;
    struct record_reader reader = record_open(record, &r, sizeof r);
    add(ids, record_text(&reader, r.id_len));
    add(ids, record_text(&reader, r.op_len));
    return !reader.bad;
}

/* Of a record type whose first text is its id. */
#define FIRST_ID(type)                                                                             \
    do {                                                                                           \
        struct type r;                                                                             \
        struct record_reader reader = record_open(record, &r, sizeof r);                           \
        add(&ids, record_text(&reader, r.id_len));                                                 \
        good = !reader.bad;                                                                        \
    } while (0)

int book_record_ids(const struct record_head *record, struct text at[BOOK_RECORD_IDS])
{
    struct ids ids = { .at = at };
    bool good = true;
    switch (record->type) {
    case RECORD_MOVEMENT:
        good = movement_ids(record, &ids);
        break;
    case RECORD_ALLOT:
        FIRST_ID(allot_record);
        break;
    case RECORD_RESERVE:
        FIRST_ID(reserve_record);
        break;
    case RECORD_EXTEND:
        FIRST_ID(extend_record);
        break;
    case RECORD_CONFIRM:
        FIRST_ID(confirm_record);
        break;
    case RECORD_FULFIL:
    case RECORD_CANCEL:
        good = step_ids(record, &ids);
        break;
    case RECORD_OP:
        good = op_ids(record, &ids);
        break;
    case RECORD_EXPIRE:
        FIRST_ID(expire_record);
        break;
    case RECORD_VOID:
    case RECORD_ITEM:
    case RECORD_LOCATION:
    case RECORD_CHANNEL:
    case RECORD_CLIENT:
    case RECORD_UNDONE:
        break; /* no question by an id comes to it */
    default:
        return -1; /* who knows */
    }
    return good ? ids.count : -1;
}
