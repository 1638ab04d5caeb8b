/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/id_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/log/record_layout.h"
#include "engine/replay/contents.h"
#include "persistence/format.h"

enum { LINE_IDS = 32, FILTER_HASHES = 7, LINE_BIT = 9 }; /* 16 bits per id; 2^9 bits per line */

void id_index_init(struct id_index *index, size_t bytes_max)
{
    *index = (struct id_index){ .bytes_max = bytes_max };
}

uint64_t id_index_hash(struct text id)
{
    uint64_t hash = XXH3_64bits(id.at, id.len);
    return hash ? hash : 1; /* 0 is an empty slot of a set */
}

/* ---- the open span: a set ---- */

static size_t set_slot(const struct id_set *set, uint64_t hash)
{
    assert(hash != 0);
    assert(set->room > 0 && (set->room & (set->room - 1)) == 0);
    size_t slot = hash & (set->room - 1);
    while (set->slots[slot] != 0 && set->slots[slot] != hash)
        slot = (slot + 1) & (set->room - 1);
    return slot;
}

static bool set_grow(struct id_set *set)
{
    struct id_set larger = { .room = set->room ? 2 * set->room : 4096 };
    larger.slots = calloc(larger.room, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < set->room; i++)
        if (set->slots[i] != 0)
            larger.slots[set_slot(&larger, set->slots[i])] = set->slots[i];
    larger.count = set->count;
    free(set->slots);
    *set = larger;
    return true;
}

static bool set_add(struct id_set *set, uint64_t hash)
{
    if (2 * set->count >= set->room && !set_grow(set))
        return false;
    size_t slot = set_slot(set, hash);
    assert(set->count < set->room); /* an empty slot ends each search */
    set->count += set->slots[slot] == 0;
    set->slots[slot] = hash;
    return true;
}

static void set_empty(struct id_set *set)
{
    if (set->count > 0)
        memset(set->slots, 0, set->room * sizeof *set->slots);
    set->count = 0;
}

/* ---- a closed span: a filter ---- */

/* The upper half of an id's hash selects its line, another mix of it the bits there. */
static const unsigned char *filter_line(const struct id_filter *filter, uint64_t hash)
{
    return filter->bits[(hash >> 32) * filter->lines >> 32];
}

static uint64_t filter_bits(uint64_t hash)
{
    uint64_t mixed = hash * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ mixed >> 32;
}

static void filter_add(struct id_filter *filter, uint64_t hash)
{
    assert(filter->lines > 0);
    unsigned char *line = filter->bits[(hash >> 32) * filter->lines >> 32];
    uint64_t bits = filter_bits(hash);
    for (unsigned i = 0; i < FILTER_HASHES; i++, bits >>= LINE_BIT)
        line[bits >> 3 & 63] |= (unsigned char)(1U << (bits & 7));
}

static bool filter_may_have(const struct id_filter *filter, uint64_t hash)
{
    if (filter->lines == 0)
        return false;
    const unsigned char *line = filter_line(filter, hash);
    uint64_t bits = filter_bits(hash);
    bool all = true;
    for (unsigned i = 0; i < FILTER_HASHES; i++, bits >>= LINE_BIT)
        all &= line[bits >> 3 & 63] >> (bits & 7) & 1;
    return all;
}

static bool filter_make(struct id_filter *filter, const struct id_set *set)
{
    filter->lines = (uint32_t)((set->count + LINE_IDS - 1) / LINE_IDS);
    filter->bits = NULL;
    if (filter->lines == 0)
        return true;
    filter->bits = aligned_alloc(64, (size_t)filter->lines * 64);
    if (!filter->bits)
        return false;
    memset(filter->bits, 0, (size_t)filter->lines * 64);
    for (size_t i = 0; i < set->room; i++)
        if (set->slots[i] != 0)
            filter_add(filter, set->slots[i]);
    return true;
}

/* ---- parts ---- */

/* The index at which the part with that key is, or would be. */
static size_t part_place(const struct id_index *index, uint64_t key)
{
    size_t from = 0, to = index->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (index->parts[middle]->key < key)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static struct id_part *part_of(const struct id_index *index, uint64_t key)
{
    size_t place = part_place(index, key);
    bool found = place < index->count && index->parts[place]->key == key;
    return found ? index->parts[place] : NULL;
}

struct id_part *id_index_find(struct id_index *index, uint64_t key)
{
    struct id_part *part = part_of(index, key);
    if (part)
        part->used = index->query;
    return part;
}

static bool grow_parts(struct id_index *index)
{
    size_t room = index->room ? 2 * index->room : 64;
    struct id_part **parts = realloc(index->parts, room * sizeof(void *));
    if (!parts)
        return false;
    index->parts = parts;
    index->room = room;
    return true;
}

static void count_bytes(struct id_index *index, struct id_part *part, size_t bytes)
{
    part->bytes += bytes;
    index->bytes += bytes;
}

static struct id_part *make_part(struct id_index *index, uint64_t key)
{
    struct id_part *part = id_index_find(index, key);
    if (part || (index->count == index->room && !grow_parts(index)))
        return part;
    part = calloc(1, sizeof *part);
    if (!part)
        return NULL;
    *part = (struct id_part){ .key = key, .used = index->query };
    count_bytes(index, part, sizeof *part);
    size_t place = part_place(index, key);
    assert(place == index->count || index->parts[place]->key > key);
    assert(index->count < index->room);
    struct id_part **at = &index->parts[place];
    memmove(at + 1, at, (index->count - place) * sizeof(void *));
    *at = part;
    index->count++;
    return part;
}

void id_index_forget(struct id_index *index, uint64_t key)
{
    size_t place = part_place(index, key);
    struct id_part *part = part_of(index, key);
    if (!part)
        return;
    if (part->open)
        set_empty(&index->set);
    for (uint32_t i = 0; i < part->span_count; i++)
        free(part->spans[i].filter.bits);
    assert(index->bytes >= part->bytes && index->count > 0);
    index->bytes -= part->bytes;
    free(part->spans);
    free(part);
    index->count--;
    struct id_part **at = &index->parts[place];
    memmove(at, at + 1, (index->count - place) * sizeof(void *));
}

void id_index_destroy(struct id_index *index)
{
    while (index->count > 0)
        id_index_forget(index, index->parts[index->count - 1]->key);
    assert(index->bytes == 0);
    free(index->parts);
    free(index->set.slots);
    *index = (struct id_index){ 0 };
}

void id_index_begin(struct id_index *index)
{
    index->query++;
    index->full = false;
}

/* Drops parts that this query has not used until the bound holds; if that is not enough, the part
 * that has just grown. */
static void keep_bound(struct id_index *index, const struct id_part *part)
{
    while (index->bytes > index->bytes_max) {
        const struct id_part *oldest = NULL;
        for (size_t i = 0; i < index->count; i++) {
            const struct id_part *other = index->parts[i];
            if (other->used < index->query && (!oldest || other->used < oldest->used))
                oldest = other;
        }
        if (!oldest) {
            index->full = true;
            oldest = part;
        }
        bool own = oldest == part;
        id_index_forget(index, oldest->key);
        if (own)
            return;
    }
}

/* ---- spans ---- */

bool id_span_may_have(const struct id_index *index, const struct id_part *part, uint32_t span,
                      uint64_t hash)
{
    assert(span < part->span_count);
    if (part->open && span + 1 == part->span_count)
        return index->set.room > 0 && index->set.slots[set_slot(&index->set, hash)] == hash;
    return filter_may_have(&part->spans[span].filter, hash);
}

/* Gives the last span its filter. False: out of memory. */
static bool close_span(struct id_index *index, struct id_part *part)
{
    assert(part->span_count > 0);
    struct id_span *span = &part->spans[part->span_count - 1];
    assert(part->open);
    if (!filter_make(&span->filter, &index->set))
        return false;
    index->ids += index->set.count;
    part->open = false;
    set_empty(&index->set);
    count_bytes(index, part, (size_t)span->filter.lines * 64);
    return true;
}

/* There is one set, so a span open in another part is closed first. False: out of memory, or no
 * room within the bound. */
static bool close_others(struct id_index *index, const struct id_part *but)
{
    for (size_t i = 0; i < index->count; i++) {
        struct id_part *other = index->parts[i];
        if (!other->open || other == but)
            continue;
        if (!close_span(index, other))
            return false;
        keep_bound(index, other);
        return !index->full;
    }
    return true;
}

static struct id_span *open_span(struct id_index *index, struct id_part *part)
{
    if (!close_others(index, part))
        return NULL;
    if (part->span_count == part->span_room) {
        uint32_t room = part->span_room ? 2 * part->span_room : 4;
        struct id_span *spans = realloc(part->spans, room * sizeof *spans);
        if (!spans)
            return NULL;
        count_bytes(index, part, (room - part->span_room) * sizeof *spans);
        part->spans = spans;
        part->span_room = room;
    }
    assert(part->spans);
    assert(part->span_count < part->span_room);
    assert(!part->open && index->set.count == 0); /* D2: one open span, and one set */
    struct id_span *span = &part->spans[part->span_count++];
    *span = (struct id_span){ 0 };
    part->open = true;
    return span;
}

/* ---- segments ---- */

static bool add_record(struct id_index *index, const struct record_head *record)
{
    struct text ids[RECORD_IDS];
    int count = record_ids(record, ids);
    for (int i = 0; i < count; i++)
        if (!set_add(&index->set, id_index_hash(ids[i])))
            return false;
    return count >= 0;
}

static bool add_records(struct id_index *index, const unsigned char *at, uint32_t length)
{
    struct record_cursor records = records_of(at, length, 0);
    const struct record_head *record;
    while ((record = record_next(&records))) {
        if (!add_record(index, record))
            return false;
    }
    return records.left == 0;
}

static bool add_batch(struct id_index *index, struct id_part *part, uint64_t offset,
                      const struct batch_header *header, const unsigned char *records)
{
    struct id_span *span = part->open ? &part->spans[part->span_count - 1] : NULL;
    if (!span) {
        span = open_span(index, part);
        if (!span)
            return false;
        span->offset = offset;
        span->first_lsn = header->first_lsn;
    }
    span->end = offset + batch_span(header->length);
    span->end_lsn = batch_end_lsn(header);
    if (!add_records(index, records, header->length))
        return false;
    return span->end - span->offset < ID_SPAN_BYTES || close_span(index, part);
}

void id_index_add_batch(struct id_index *index, uint64_t sequence, uint64_t offset,
                        const struct batch_header *header, const unsigned char *records)
{
    assert(offset >= BLOCK_BYTES && offset % BLOCK_BYTES == 0);
    struct id_part *part = index->full ? NULL : make_part(index, id_key_segment(sequence));
    if (!part)
        return;
    uint64_t end = part->span_count > 0 ? part->spans[part->span_count - 1].end : BLOCK_BYTES;
    if (offset != end) /* already known, or after a gap */
        return;
    if (!add_batch(index, part, offset, header, records))
        id_index_forget(index, part->key);
    else
        keep_bound(index, part);
}

void id_index_complete(struct id_index *index, uint64_t sequence, uint64_t lsn)
{
    struct id_part *part = part_of(index, id_key_segment(sequence));
    if (part && part->span_count > 0 && part->spans[part->span_count - 1].end_lsn == lsn)
        part->complete = true;
}

/* ---- snapshots ---- */

static bool add_entries(struct id_index *index, const unsigned char *at, size_t left)
{
    while (left > 0) {
        struct contents_entry entry;
        memcpy(&entry, at, sizeof entry);
        assert(entry.length <= left);
        struct text id = { (const char *)at + sizeof entry +
                               entry.draw_count * sizeof(struct contents_draw),
                           entry.id_len };
        bool told = entry.kind == ENTRY_RESERVATION || entry.kind == ENTRY_SUPPLY;
        if (told && !set_add(&index->set, id_index_hash(id)))
            return false;
        at += entry.length;
        left -= entry.length;
    }
    return true;
}

void id_index_add_block(struct id_index *index, uint64_t lsn, const unsigned char *ids,
                        size_t length)
{
    struct id_part *part = index->full ? NULL : make_part(index, id_key_snapshot(lsn));
    if (!part || part->complete)
        return;
    if (!open_span(index, part) || !add_entries(index, ids, length) || !close_span(index, part))
        id_index_forget(index, part->key);
    else
        keep_bound(index, part);
}

void id_index_complete_snapshot(struct id_index *index, uint64_t lsn, uint64_t blocks)
{
    struct id_part *part = part_of(index, id_key_snapshot(lsn));
    if (part && part->span_count == blocks)
        part->complete = true;
    else
        id_index_forget(index, id_key_snapshot(lsn)); /* some of it could not be kept */
}
