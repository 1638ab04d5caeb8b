/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an answer of etcd: the first byte says to what question.
 *
 *   C1  What is read lies within the bytes, which are a heap block of just their size.
 *   C2  After a good answer, walking it meets nothing bad, and as much as the answer says.
 *   C3  The results are of the kinds that the transaction asked for.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/etcd_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct etcd_branches branches = {
    .then_count = 2,
    .otherwise_count = 3,
    .then = { ETCD_OP_PUT, ETCD_OP_DELETE },
    .otherwise = { ETCD_OP_RANGE, ETCD_OP_PUT, ETCD_OP_RANGE },
};

static volatile unsigned read_sum; /* so that the reads are not optimised away */

static unsigned sum_of(struct text text)
{
    unsigned sum = 0;
    for (uint32_t i = 0; i < text.len; i++)
        sum += (unsigned char)text.at[i];
    return sum;
}

static unsigned walk_pairs(const struct etcd_found *found)
{
    struct etcd_pairs pairs = found->pairs;
    struct etcd_pair pair;
    uint32_t seen = 0;
    unsigned sum = 0;
    while (etcd_next_pair(&pairs, &pair)) {
        assert(pair.key.len > 0);
        sum += sum_of(pair.key) + sum_of(pair.value); /* C1: AddressSanitizer looks */
        seen++;
    }
    assert(!pairs.rest.bad); /* C2 */
    assert(seen == found->pair_count);
    assert(found->count >= seen);
    return sum;
}

static unsigned walk_results(const struct etcd_answer *answer)
{
    const uint8_t *kinds = answer->succeeded ? branches.then : branches.otherwise;
    uint32_t count = answer->succeeded ? branches.then_count : branches.otherwise_count;
    struct etcd_results results = answer->results;
    struct etcd_result result;
    uint32_t seen = 0;
    unsigned sum = 0;
    while (etcd_next_result(&results, &result)) {
        assert(seen < count && result.kind == kinds[seen]); /* C3 */
        if (result.kind == ETCD_OP_RANGE)
            sum += walk_pairs(&result.found);
        seen++;
    }
    assert(!results.rest.bad);
    assert(seen == count);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct etcd_answer answer;
    unsigned sum = 0;
    if (size < 1 || size > 4096)
        return -1;
    enum etcd_method method = (enum etcd_method)(data[0] & 3);
    uint8_t *bytes = malloc(size > 1 ? size - 1 : 1);
    assert(bytes);
    memcpy(bytes, data + 1, size - 1);
    struct text message = { (const char *)bytes, (uint32_t)size - 1 };
    if (etcd_decode(method, &branches, message, &answer)) {
        assert(answer.cluster_id != 0);
        if (method == ETCD_RANGE)
            sum += walk_pairs(&answer.found);
        if (method == ETCD_TXN)
            sum += walk_results(&answer);
        if (method == ETCD_STATUS)
            sum += sum_of(answer.member.version) + sum_of(answer.member.alarm);
    }
    read_sum = sum;
    free(bytes);
    return 0;
}
