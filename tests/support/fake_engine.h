/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine that plays a script, for tests of the client library: split replies, refusals, lost
 * connections, lies. The script is a function that runs on a thread of its own and uses the
 * functions below; it shares no code with the engine.
 */
#ifndef TESTS_SUPPORT_FAKE_ENGINE_H
#define TESTS_SUPPORT_FAKE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stockd/client.h>

struct fake {
    int listener;
    int fd; /* the connection being played */
    char address[64];
    char last_method[64]; /* of the last request; read it while the script is at rest */
    unsigned char last_params[256];
    size_t last_params_len;
    atomic_int connections;
    atomic_int requests;
    void (*script)(struct fake *fake);
    pthread_t thread;
    unsigned char buffer[64 << 10];
    size_t buffered;
};

/* Listens at address and starts the script. */
void fake_start(struct fake *fake, void (*script)(struct fake *fake));

/* Waits for the script's end; close the clients first. */
void fake_join(struct fake *fake);

/* ---- For scripts ---- */

/* Accepts the next connection, closing the one before. */
void fake_accept(struct fake *fake);

/* Reads one request; false at the end of the connection. */
bool fake_request(struct fake *fake, uint32_t *msgid);

void fake_bytes(struct fake *fake, const void *bytes, size_t len);

void fake_pack_pong(stockd_pack *pack, uint32_t msgid);
void fake_pack_changed(stockd_pack *pack, uint64_t number); /* [2, "changed", [number]] */

void fake_pong(struct fake *fake, uint32_t msgid);
void fake_result(struct fake *fake, uint32_t msgid, const void *packed, size_t len);
void fake_refuse(struct fake *fake, uint32_t msgid); /* ["wrong_state", "it is cancelled", {...}] */
/* The refusal `code`, with details {address, term}; address NULL: nil. */
void fake_refuse_node(struct fake *fake, uint32_t msgid, const char *code, const char *address,
                      uint64_t term);

/* Whole scripts. */
void fake_play_pongs(struct fake *fake);
void fake_play_refusals(struct fake *fake);

#endif
