/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks MessagePack without unpacking it. The bytes come from the network, so nothing here
 * recurses, allocates, or trusts a length: a head that claims more bytes or elements than the limit
 * allows is refused at once, before any memory is taken for it.
 */
#ifndef STOCKD_CLIENT_WALK_H
#define STOCKD_CLIENT_WALK_H

#include <stddef.h>
#include <stdint.h>

#include <stockd/client.h>

/* One head byte, with the length bytes that belong to it. */
struct token {
    stockd_kind kind;   /* UINT also for signed integers whose sign is not known yet */
    unsigned char lead; /* the head byte itself */
    unsigned head;      /* its bytes: 1, and those of a length */
    uint64_t body;      /* bytes that follow the head: digits of a number, or contents */
    uint64_t children;  /* values that follow: elements of an array, 2 for each pair of a map */
};

enum walk_status {
    WALK_DONE,
    WALK_PARTIAL,   /* more bytes are needed */
    WALK_BAD,       /* not MessagePack, or nested too deep */
    WALK_TOO_LARGE, /* the value is, or will be, longer than the limit */
};

/* Reads the head of the value at p. DONE says nothing about whether the body is there. */
enum walk_status stk_token_read(const unsigned char *p, size_t avail, struct token *out);

/* A walk over one value that may be resumed when more bytes have come.
 * W1: pos bytes from the value's start have been accepted; the next token begins there.
 * W2: left[0..depth-1] values are still to come at each open level, and each is at least one byte.
 */
struct walk {
    size_t pos;
    unsigned depth;
    uint64_t left[STOCKD_DEPTH_MAX + 2]; /* the value itself, the frame, and its 32 levels */
};

void stk_walk_start(struct walk *walk);

/* data is the start of the value, always with at least the bytes given before. */
enum walk_status stk_walk_resume(struct walk *walk, const unsigned char *data, size_t len,
                                 size_t limit);

/* The whole length of the value at data, or 0 if it is not all there or is not sound. */
size_t stk_walk_length(const unsigned char *data, size_t len);

/* Big-endian number of 1, 2, 4 or 8 bytes. */
uint64_t stk_load_be(const unsigned char *p, unsigned bytes);

#endif
