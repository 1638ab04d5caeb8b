/* SPDX-License-Identifier: Apache-2.0 */
/* What the gdb printers show, made by the engine's own functions; integration/test_gdb.py runs it
 * under gdb up to stop_here(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/log/log.h"
#include "engine/log/record.h"
#include "engine/log/record_layout.h"
#include "engine/store/catalogue.h"
#include "engine/store/id_table.h"
#include "engine/store/pool.h"

enum { POSITION = 96, CAPACITY = 1 << 20 };

struct pool shared_pool, allotted_pool, unused_pool;
struct id_entry held, movement, unused_entry;
struct text sku, no_text;
struct code_text code;
struct log ring;
struct record_head head;
uint64_t id_state;

void stop_here(void);

__attribute__((noinline)) void stop_here(void)
{
    __asm__ volatile("" ::: "memory");
}

static void make_pools(void)
{
    atomic_store(&shared_pool.key, pool_key_word(3, 1, owner_of(POOL_SHARED, 0)));
    atomic_store(&shared_pool.word, word_make(10, 4, 0));
    atomic_store(&allotted_pool.key,
                 pool_key_word(UINT32_MAX - 1, 65535, owner_of(POOL_ALLOTTED, 2)));
    atomic_store(&allotted_pool.word, word_make(WORD_ON_HAND_MOST, WORD_RESERVED_MOST, 63));
}

static void make_ids(void)
{
    uint64_t word = state_word(ENTRY_RESERVATION, STATE_HELD, 3);
    atomic_store(&held.state, word_with_last(word, RECORD_OP) | STATE_BUSY);
    memcpy(held.id, "o-1", 3);
    held.lsn_first = 48;
    held.lsn_last = 96;
    id_state = atomic_load(&held.state);
    atomic_store(&movement.state, state_word(ENTRY_MOVEMENT, STATE_NONE, 5));
    memcpy(movement.id, "a\"b\xc3\xa9", 5);
}

static bool publish(enum record_type type, uint8_t flags, uint16_t client, uint32_t length)
{
    struct record_head *record = calloc(1, length);
    if (!record)
        return false;
    *record = (struct record_head){
        .length = length, .type = (uint8_t)type, .flags = flags, .client = client
    };
    log_publish(&ring, log_claim(&ring, length), record);
    head = *record;
    free(record);
    return true;
}

int main(void)
{
    make_pools();
    make_ids();
    sku = text_of("MUG-RED");
    code.len = 3;
    memcpy(code.at, "web", 3);
    if (log_init(&ring, CAPACITY, 1, POSITION) != 0 || !record_layout(RECORD_OP) ||
        !publish(RECORD_MOVEMENT, MOVE_COUNT, 0, 72) || !publish(RECORD_RESERVE, 1, 2, 120))
        return 1;
    log_claim(&ring, 24);
    stop_here();
    log_destroy(&ring);
    return 0;
}
