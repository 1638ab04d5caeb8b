/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from the network, to the transport that encrypts. The first byte of the input says how they
 * come: to a link that nobody has spoken to yet, or after a handshake, as steps of two bytes (what,
 * how much) and the bytes that they need.
 *
 *   F1  What is delivered is what the client wrote, in order, whatever else came between.
 *   F2  After a changed record, or bytes that the client did not write, nothing is delivered.
 *   F3  A link that has failed delivers nothing any more.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tls_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WRITTEN_MOST = 1 << 16, PIECE = 16384 };

enum step { STEP_WRITE, STEP_JUNK, STEP_CHANGED, STEP_NEW_KEY, STEP_END, STEPS };

struct play {
    struct tls_peer peer;
    unsigned char written[WRITTEN_MOST];
    size_t length, delivered;
    bool spoilt; /* F2 */
    bool over;   /* F3 */
};

static struct tls_rig rig;

static void check(struct play *play, const struct received *received)
{
    assert(!play->over || received->length == 0);               /* F3 */
    assert(received->length <= play->length - play->delivered); /* F1 */
    if (received->length > 0)
        assert(!memcmp(play->written + play->delivered, received->bytes, received->length));
    play->delivered += received->length;
    play->over |= received->failed || received->ended;
}

static void deliver(struct play *play, const unsigned char *bytes, size_t length, size_t piece)
{
    for (size_t at = 0; at < length && !play->over; at += piece) {
        size_t left = length - at;
        struct received received =
            tls_peer_deliver(&play->peer, bytes + at, left < piece ? left : piece, NULL);
        check(play, &received);
    }
    if (!play->over && !tls_peer_fetch(&rig, &play->peer))
        play->over = true;
}

/* What the client wants to send; `change` flips a bit of it. */
static void pass_on(struct play *play, size_t piece, unsigned change)
{
    const unsigned char *cipher;
    unsigned char *copy;
    size_t length = tls_peer_cipher(&play->peer, &cipher);
    if (length == 0)
        return;
    copy = malloc(length);
    assert(copy);
    memcpy(copy, cipher, length);
    tls_peer_taken(&play->peer);
    if (change)
        copy[change * 31 % length] ^= (unsigned char)(1U << (change & 7));
    size_t before = play->delivered;
    deliver(play, copy, length, piece);
    assert(!play->spoilt || play->delivered == before); /* F2 */
    play->spoilt |= change != 0;
    free(copy);
}

static void take_step(struct play *play, enum step step, unsigned much, const uint8_t *data,
                      size_t size)
{
    size_t length = size < much ? size : much;
    switch (step) {
    case STEP_WRITE:
    case STEP_CHANGED:
        if (length == 0 || length > WRITTEN_MOST - play->length ||
            SSL_write(play->peer.ssl, data, (int)length) != (int)length)
            return;
        memcpy(play->written + play->length, data, length);
        play->length += length;
        pass_on(play, step == STEP_CHANGED ? PIECE : 1 + much % 64,
                step == STEP_CHANGED ? much : 0);
        return;
    case STEP_JUNK: {
        size_t before = play->delivered;
        deliver(play, data, length, PIECE);
        assert(play->delivered == before); /* F2 */
        play->spoilt |= length > 0;
        return;
    }
    case STEP_NEW_KEY:
        SSL_key_update(play->peer.ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_do_handshake(play->peer.ssl);
        pass_on(play, PIECE, 0);
        return;
    case STEP_END:
        SSL_shutdown(play->peer.ssl);
        pass_on(play, PIECE, 0);
        return;
    case STEPS:
        return;
    }
}

static void after_a_handshake(struct play *play, const uint8_t *data, size_t size)
{
    const char *why;
    if (!tls_peer_shake_hands(&rig, &play->peer, &why))
        abort();
    while (size >= 2 && !play->over) {
        enum step step = data[0] % STEPS;
        unsigned much = data[1];
        data += 2;
        size -= 2;
        take_step(play, step, much, data, size);
        size_t used = step == STEP_NEW_KEY || step == STEP_END ? 0 : size < much ? size : much;
        data += used;
        size -= used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct play play;
    static bool open;
    if (!open)
        tls_rig_open(&rig, NULL);
    open = true;
    if (size == 0)
        return 0;
    play.length = play.delivered = 0;
    play.spoilt = play.over = false;
    tls_peer_open(&rig, &play.peer);
    if (data[0] & 1)
        after_a_handshake(&play, data + 1, size - 1);
    else
        deliver(&play, data + 1, size - 1, 1 + (size_t)data[0] * 8);
    tls_peer_close(&rig, &play.peer);
    return 0;
}
