/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/evidence.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/history/history.h"

static int count(void *context, const struct history_event *event)
{
    history_count_returned(context, event);
    return 0;
}

struct return_evidence evidence_gather(const unsigned char *records, size_t length,
                                       struct text reservation, uint32_t item)
{
    _Alignas(8) unsigned char record[RECORD_MAX];
    struct history history;
    struct history_query query = {
        .kind = HISTORY_RETURNED,
        .filter = { .subject = HISTORY_ID, .item = item, .id_len = (uint8_t)reservation.len }
    };
    assert(reservation.len <= ID_MAX);
    memcpy(query.filter.id, reservation.at, reservation.len);
    history_open(&history, &query.filter);
    for (size_t at = 0; at < length;) {
        uint32_t n;
        memcpy(&n, records + at, sizeof n);
        memcpy(record, records + at, n);
        at += n;
        const struct record_head *head = (const struct record_head *)(const void *)record;
        if (history_take(&history, head, at, 0, count, &query) == 0)
            continue;
        fprintf(stderr, "evidence: the record that ends at LSN %zu cannot be read\n", at);
        exit(1);
    }
    history_close(&history);
    query.evidence.upto = length;
    return query.evidence;
}
