/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of the client library. Names shared between its files begin with stk_; only stockd_
 * names are public.
 *
 * Each of these uses only those above it:
 *
 *   walk, value, pack     MessagePack, no I/O
 *   buffer, clock         bytes and deadlines
 *   address               dialling
 *   nodes                 which address is next, no I/O
 *   tls                   encryption over what was dialled
 *   state                 the connection's state and invariants, dropping it, failing
 *   io                    single steps on the socket, no MessagePack
 *   response              from frames in the in buffer to replies and notifications
 *   pipeline              requests and responses over the open connection
 *   token                 where the token comes from
 *   connection            options, connecting with `hello`, closing
 *   call                  a blocking call with safe retry
 *   typed                 a function for each method
 */
#ifndef STOCKD_CLIENT_INTERNAL_H
#define STOCKD_CLIENT_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stockd/client.h>

#include "client/nodes.h"
#include "client/walk.h"

enum {
    STK_METHOD_MAX = 64,
    STK_OUT_MAX = 64 << 20,   /* bytes that stockd_send buffers at most */
    STK_READ_SIZE = 64 << 10, /* room offered to each recv */
};

/* ---- buffer: bytes between head and tail; the space before head is reclaimed when needed ---- */

struct stk_buffer {
    unsigned char *data;
    size_t head;
    size_t tail;
    size_t capacity;
};

static inline size_t stk_buffer_len(const struct stk_buffer *buffer)
{
    return buffer->tail - buffer->head;
}

/* Room for size bytes after tail (which may move); false: out of memory, nothing changed. */
bool stk_buffer_ensure(struct stk_buffer *buffer, size_t size);
void stk_buffer_clear(struct stk_buffer *buffer);
void stk_buffer_free(struct stk_buffer *buffer);

/* ---- time -------------------------------------------------------------------------------- */

/* Milliseconds of the monotonic clock; a deadline is one of these. */
typedef int64_t stk_ms;

#define STK_NEVER INT64_MAX

stk_ms stk_now(void);
stk_ms stk_deadline(int timeout_ms); /* negative: STK_NEVER */

/* A time-out for poll: rounded up so that it does not spin, at most INT_MAX, -1 for STK_NEVER. */
int stk_poll_timeout(stk_ms deadline);

/* ---- the client --------------------------------------------------------------------------- */

/*
 * C1: responses come in request order, so the requests in flight are exactly those numbered from
 *     expected to next_msgid - 1 (mod 2^32), and in_flight counts them.
 * C2: without a connection (fd == -1) nothing is in flight and both buffers are empty.
 * C3: in.data does not move between two functions given the client: replies point into it.
 */
struct stockd_client {
    int fd;
    uint32_t next_msgid;
    uint32_t expected;
    size_t in_flight;
    bool write_failed; /* the peer reads no more; what it sent before may still be read */
    struct stk_buffer in;
    struct stk_buffer out;
    struct walk walk; /* over the first frame of in */
    stockd_pack scratch;
    stockd_options options; /* defaults filled in; strings owned */
    struct stk_nodes nodes;
    stk_ms moved_ms; /* when it last left a node */
    char *client_name;
    char *token;
    char *token_file;
    char file_token[256]; /* as it was last read from there */
    char *ca_file, *cert_file, *key_file;
    struct stk_tls *tls; /* from the first connection to a tls:// address on */
    bool encrypted;      /* the connection is over tls */
    unsigned notified;   /* notifications delivered; wraps */
    stockd_reply reply;
    char code[64];
    char message[512];
    char error[2048];
};

/* Asserts C1 and C2. */
void stk_check(const stockd_client *client);

/* Stores an error message and returns status. */
int stk_fail(stockd_client *client, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Likewise, and drops the connection with all that is in flight; the next node is another one. */
int stk_fail_drop(stockd_client *client, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Drops the connection after a failure that is noted: the next node is another one. Returns status.
 */
int stk_leave(stockd_client *client, int status);

/* Closes the connection, if there is one, and forgets all that is in flight. */
void stk_drop(stockd_client *client);

/* ---- address -------------------------------------------------------------------------------- */

/* tls://... */
bool stk_address_encrypted(const char *address);

/* False: it is none that can be dialled, with why filled in. */
bool stk_address_check(const char *address, char *why, size_t size);

/* Copies the host of a valid address (but unix:PATH), without brackets. */
void stk_address_host(const char *address, char *host, size_t size);

/* Returns a connected non-blocking socket, or a negative status with why filled in. */
int stk_dial(const char *address, stk_ms deadline, char *why, size_t size);

/* A peer whose machine falls silent ends an idle connection within seconds. */
void stk_watch_peer(int fd);

/* ---- io: one step each, on a connected client ------------------------------------------------ */

/*
 * Writes what the socket takes: OK when nothing is left, else AGAIN. A peer that reads no more is
 * not an error here: the bytes are discarded, and reading reaches the end of what the peer sent.
 */
int stk_write(stockd_client *client);

/* Reads once: OK if bytes came, AGAIN, or a failure with the connection dropped. */
int stk_read(stockd_client *client);

/* Waits for poll events: OK, or TIMEOUT with the connection kept. */
int stk_wait(stockd_client *client, short events, stk_ms deadline);

/* ---- response ------------------------------------------------------------------------------- */

/*
 * Reads the next response in the in buffer into client->reply: OK or REFUSED, AGAIN if it is
 * incomplete, or a failure with the connection dropped. Delivers the notifications before it.
 */
int stk_next_response(stockd_client *client);

/* ---- pipeline -------------------------------------------------------------------------------- */

/* Checks that the request may be sent: OK or a failure. NULL parameters become []. */
int stk_check_request(stockd_client *client, const char *method, const void **params, size_t *len);

/* One request and its response over the open connection. */
int stk_round_trip(stockd_client *client, const char *method, const void *params, size_t len,
                   stk_ms deadline);

/* Copies the last reply to the caller, if rc says that there is one. */
void stk_copy_reply(const stockd_client *client, int rc, stockd_reply *reply);

/* ---- token ----------------------------------------------------------------------------------- */

/* *token: the one to say hello with, borrowed, or NULL. A failure if its file cannot be read. */
int stk_find_token(stockd_client *client, const char **token);
/* NULL if it is not set. */
const char *stk_token_of_environment(void);

/* ---- connection ------------------------------------------------------------------------------ */

/* Packs the parameters of `hello` into the scratch. */
void stk_pack_hello(stockd_client *client, const char *client_name, const char *token);

/* After a hello: overwrites what its token was copied to. */
void stk_forget_hello(stockd_client *client);

/*
 * Connects to the current node if there is no connection; includes `hello`. A node that fails is
 * left for the next one.
 */
int stk_open(stockd_client *client, stk_ms deadline);

bool stk_has_code(const stockd_reply *reply, const char *code);

/* Sleeps, unless that would end after the deadline: then false, at once. */
bool stk_pause(int64_t pause_ms, stk_ms deadline);

#endif
