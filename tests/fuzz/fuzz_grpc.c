/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a server sends over HTTP/2, to two calls under way, in pieces: the first byte
 * says how long each is.
 *
 *   G1  A reply stays within its room.
 *   G2  A call that ended well has one whole message.
 *   G3  A call that has ended stays as it ended; one that a server has not ended, has not ended.
 *   G4  What is to be sent has an end.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS = 2, REQUEST = 300, REPLY = 64, OUTPUT_MAX = 1 << 20 };

static uint8_t requests[CALLS][REQUEST];

static void check(const struct grpc_call *call)
{
    size_t length;
    assert(call->reply_length <= call->reply_room); /* G1 */
    assert(memchr(call->message, '\0', sizeof call->message));
    if (call->end == GRPC_STATUS)
        assert(call->status >= 0 && call->status <= GRPC_STATUS_LAST);
    if (call->end == GRPC_STATUS && call->status == GRPC_OK) {
        grpc_reply(call, &length);
        assert(length == call->reply_length - GRPC_PREFIX); /* G2 */
    }
}

static bool send_all(struct grpc *grpc)
{
    uint8_t output[4096];
    size_t sum = 0, length;
    bool good;
    while ((length = grpc_send(grpc, output, sizeof output, &good)) > 0) {
        sum += length;
        assert(sum < OUTPUT_MAX); /* G4 */
    }
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grpc_call calls[CALLS];
    enum grpc_end ends[CALLS] = { GRPC_UNDER_WAY, GRPC_UNDER_WAY };
    if (size < 1)
        return -1;
    struct grpc *grpc = grpc_create("localhost:2379", false);
    assert(grpc);
    uint8_t *replies = malloc(CALLS * REPLY);
    assert(replies);
    for (unsigned i = 0; i < CALLS; i++) {
        calls[i] = (struct grpc_call){ .path = "/a/b",
                                       .request = requests[i],
                                       .request_length = REQUEST,
                                       .reply = replies + i * REPLY,
                                       .reply_room = REPLY };
        bool opened = grpc_open(grpc, &calls[i]);
        assert(opened);
    }
    bool good = send_all(grpc);
    size_t piece = data[0] ? data[0] : size;
    for (size_t at = 1; good && at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        good = grpc_receive(grpc, data + at, length) && send_all(grpc) && !grpc_over(grpc);
        for (unsigned i = 0; i < CALLS; i++) {
            check(&calls[i]);
            assert(ends[i] == GRPC_UNDER_WAY || ends[i] == calls[i].end); /* G3 */
            ends[i] = calls[i].end;
        }
    }
    grpc_destroy(grpc);
    for (unsigned i = 0; i < CALLS; i++)
        assert(ends[i] == calls[i].end); /* G3 */
    free(replies);
    return 0;
}
