/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stockd/client.h - the C client of stockd, the real-time stock engine.
 *
 * Link with -lstockd (pkg-config stockd). A first reservation:
 *
 *     #include <stockd/client.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         stockd_client *client;
 *         int rc = stockd_connect(&client, "127.0.0.1:7421", NULL);
 *
 *         stockd_line line = { .sku = "TEE-RED-M", .qty = 2 };
 *         stockd_reservation held;
 *         if (rc == STOCKD_OK)
 *             rc = stockd_reserve(client, "order-1001", "default", &line, 1, NULL, &held);
 *         if (rc == STOCKD_OK)
 *             rc = stockd_confirm(client, "order-1001", NULL);
 *
 *         if (rc == STOCKD_REFUSED)                     // the engine said no
 *             printf("refused: %s\n", stockd_error_message(client));
 *         else if (rc < 0)                              // no response
 *             printf("failed: %s\n", stockd_error_message(client));
 *         stockd_close(client);
 *         return rc != STOCKD_OK;
 *     }
 *
 * Several nodes. "A,B,C" names the nodes of a cluster. A change goes to its primary, wherever that
 * is, and a request whose connection was lost is sent again, with its id, to another one.
 *
 * Return values. Functions that return int return STOCKD_OK (0), STOCKD_REFUSED (1: the engine
 * answered with an error of the protocol), or a negative STOCKD_E_... (there is no answer). After
 * STOCKD_E_TIMEOUT or STOCKD_E_CLOSED it is *unknown* whether a mutation was done: repeat it with
 * the same id, and it is done exactly once.
 *
 * Threads. Only one thread at a time may use a client; the library has no locks and no global
 * state. Different threads may use different clients at once. The library starts no thread,
 * installs no signal handler and never raises SIGPIPE.
 *
 * Units. Times are milliseconds; points in time count from the Unix epoch; quantities are whole
 * units; strings are NUL-terminated UTF-8 unless a length is given.
 *
 * Lifetimes. The client owns whatever points into a reply (stockd_reply, stockd_value, the lines of
 * a stockd_reservation, stockd_error_message); it stays valid until the next function that is given
 * that client. Arguments are read only during the call.
 */
#ifndef STOCKD_CLIENT_H
#define STOCKD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STOCKD_CLIENT_VERSION "0.1.0"

/* Limits of the protocol, in bytes without the NUL. */
#define STOCKD_SKU_MAX 64
#define STOCKD_CODE_MAX 32 /* location, channel */
#define STOCKD_ID_MAX 40   /* operation, reservation */

/* ---- Return values -------------------------------------------------------------------- */

enum stockd_status {
    STOCKD_OK = 0,
    STOCKD_REFUSED = 1,      /* the engine answered with an error: see stockd_reply.code */
    STOCKD_E_ARGUMENT = -1,  /* a bad argument, or a call that the client's state does not allow */
    STOCKD_E_MEMORY = -2,    /* out of memory */
    STOCKD_E_CONNECT = -3,   /* the engine cannot be reached; nothing was done */
    STOCKD_E_TIMEOUT = -4,   /* no answer in time; the connection was dropped */
    STOCKD_E_CLOSED = -5,    /* the connection was lost, or is not open */
    STOCKD_E_PROTOCOL = -6,  /* the peer does not speak the protocol; the connection was dropped */
    STOCKD_E_TOO_LARGE = -7, /* a request or reply over a limit of this library */
    STOCKD_E_AGAIN = -8,     /* not possible without waiting (the try_ functions) */
};

/* A short English text for a status; never NULL. */
const char *stockd_status_text(int status);

/* ---- Values: MessagePack as it came over the wire ------------------------------------- */

/*
 * One MessagePack value, as bytes. The readers below check every bound and are safe on bytes from
 * any source: on a value of another type, or on truncated or hostile bytes, they return false (or
 * STOCKD_KIND_NONE, or 0) and leave the output alone. None of them recurses or allocates. Values
 * inside a reply have been checked: well formed, and nested at most STOCKD_DEPTH_MAX deep.
 */
typedef struct stockd_value {
    const unsigned char *data; /* NULL: no value */
    size_t len;                /* length of this one value in bytes */
} stockd_value;

#define STOCKD_DEPTH_MAX 32

typedef enum stockd_kind {
    STOCKD_KIND_NONE, /* no value, or not MessagePack */
    STOCKD_KIND_NIL,
    STOCKD_KIND_BOOL,
    STOCKD_KIND_UINT,  /* an integer >= 0, of any width and signedness on the wire */
    STOCKD_KIND_INT,   /* an integer < 0 */
    STOCKD_KIND_FLOAT, /* float 32 or 64 */
    STOCKD_KIND_STR,   /* str or bin: the protocol treats them alike */
    STOCKD_KIND_ARRAY,
    STOCKD_KIND_MAP,
    STOCKD_KIND_EXT,
} stockd_kind;

stockd_kind stockd_value_kind(stockd_value value);

/* Elements of an array, pairs of a map; else 0. Never more than value.len. */
size_t stockd_value_count(stockd_value value);

bool stockd_value_bool(stockd_value value, bool *out);
bool stockd_value_u64(stockd_value value, uint64_t *out);  /* false if negative */
bool stockd_value_i64(stockd_value value, int64_t *out);   /* false if over INT64_MAX */
bool stockd_value_double(stockd_value value, double *out); /* integers too */

/* The bytes of a str or bin, in place: not NUL-terminated, and they may hold NULs. */
bool stockd_value_str(stockd_value value, const char **out, size_t *len);

/* The same as a NUL-terminated copy; false if it needs more than size - 1 bytes. */
bool stockd_value_copy_str(stockd_value value, char *out, size_t size);

/* The value of a string key in a map (the first, if repeated); false if the key is missing. */
bool stockd_map_find(stockd_value map, const char *key, stockd_value *out);

/* Find and read at once: false if the key is missing or its value is of another kind. */
bool stockd_map_u64(stockd_value map, const char *key, uint64_t *out);
bool stockd_map_i64(stockd_value map, const char *key, int64_t *out);
bool stockd_map_str(stockd_value map, const char *key, const char **out, size_t *len);

/* The element at index in an array; takes linear time, so use an iterator to visit all. */
bool stockd_array_at(stockd_value array, size_t index, stockd_value *out);

/*
 * All elements of an array or a map, in order:
 *
 *     stockd_iter it = stockd_iterate(value);
 *     stockd_value key, element;                  // for an array give NULL for the key
 *     while (stockd_next(&it, &key, &element))
 *         ...
 */
typedef struct stockd_iter {
    const unsigned char *at;
    const unsigned char *end;
    size_t left; /* elements or pairs still to come */
    bool pairs;
} stockd_iter;

stockd_iter stockd_iterate(stockd_value value);
bool stockd_next(stockd_iter *it, stockd_value *key, stockd_value *element);

/* ---- Packing parameters ---------------------------------------------------------------- */

/*
 * Parameters are one MessagePack array. The first error is latched (see stockd_pack_status), so
 * pack many values and check once; a call with the result of a failed packing returns
 * STOCKD_E_ARGUMENT, because the length is then 0.
 *
 *     stockd_pack p;
 *     stockd_pack_init(&p, NULL, 0);              // growable; or give a buffer and its size
 *     stockd_pack_array(&p, 2);
 *     stockd_pack_str(&p, "default");
 *     stockd_pack_array(&p, 1);
 *     stockd_pack_str(&p, "TEE-RED-M");
 *     rc = stockd_call(client, "availability", p.data, p.len, STOCKD_RETRY_SAFE, &reply);
 *     stockd_pack_free(&p);
 */
typedef struct stockd_pack {
    unsigned char *data; /* the packed bytes; NULL if there are none */
    size_t len;          /* its length; 0 after an error */
    size_t capacity;     /* private from here on */
    bool fixed;          /* data is the caller's and does not grow */
    int status;
} stockd_pack;

/* With a buffer, packs into it; more than size bytes is STOCKD_E_TOO_LARGE. */
void stockd_pack_init(stockd_pack *pack, void *buffer, size_t size);
void stockd_pack_reset(stockd_pack *pack); /* empties it, clears its error, keeps its memory */
void stockd_pack_free(stockd_pack *pack);  /* may be used again after init */
int stockd_pack_status(const stockd_pack *pack);

void stockd_pack_array(stockd_pack *pack, size_t elements); /* the elements follow */
void stockd_pack_map(stockd_pack *pack, size_t pairs);      /* key, value, key, ... follow */
void stockd_pack_nil(stockd_pack *pack);
void stockd_pack_bool(stockd_pack *pack, bool value);
void stockd_pack_u64(stockd_pack *pack, uint64_t value); /* in the fewest bytes */
void stockd_pack_i64(stockd_pack *pack, int64_t value);  /* in the fewest bytes */
void stockd_pack_double(stockd_pack *pack, double value);
void stockd_pack_str(stockd_pack *pack, const char *string); /* NULL packs nil */
void stockd_pack_str_n(stockd_pack *pack, const char *bytes, size_t len);
void stockd_pack_value(stockd_pack *pack, stockd_value value); /* already MessagePack */

/* ---- Connecting ------------------------------------------------------------------------- */

typedef struct stockd_client stockd_client;

/*
 * Called for each notification [2, method, params], in order of arrival, from within the function
 * that is reading. It must not use the client; method is NUL-terminated; both arguments are valid
 * only during the call. Without a callback notifications are dropped.
 */
typedef void stockd_notify_fn(void *context, const char *method, stockd_value params);

/* Zero (or NULL) in a field means its default, so set only the fields that matter. */
typedef struct stockd_options {
    int connect_timeout_ms;   /* default 5,000; -1: no limit; covers `hello` as well */
    int call_timeout_ms;      /* default 10,000; -1: no limit; covers all tries of a call */
    int retries;              /* tries after the first of a retry-safe call: default 3; -1: 0. With
                                 several addresses any other number is as good: time decides */
    int backoff_ms;           /* first pause before a retry, then doubled: default 50 */
    size_t max_reply_bytes;   /* a longer reply is a protocol error: default 64 MiB */
    const char *client_name;  /* with it (or a token) each connection begins with `hello` */
    const char *token;        /* access token, if the engine asks for one; without this and
                                 token_file, the environment's STOCKD_TOKEN, if that is set */
    stockd_notify_fn *notify; /* NULL: notifications are dropped */
    void *notify_context;
    const char *token_file; /* its first line is the token; read at each connection, so that it may
                               be replaced meanwhile */
    /* For tls://HOST:PORT, PEM files, which are read at the first connection. */
    const char *ca_file;   /* authorities that may vouch for the engine; NULL: the system's */
    const char *cert_file; /* a certificate to show the engine; NULL: none */
    const char *key_file;  /* its key; NULL: it is in cert_file, too */
} stockd_options;

/*
 * Connects to "HOST:PORT", "[IPV6]:PORT" or "unix:PATH" (a path beginning with '@' is an abstract
 * name). "tls://HOST:PORT" is encrypted, and the engine must prove by a certificate that it is that
 * host. "A,B,C", up to 16 addresses (so a path has no comma), names the nodes of a cluster: the
 * first that answers is connected to, and stays so until it is lost or refuses a request with
 * `not_primary`. Then
 *
 *   - the next connection is to the node that the refusal names, or else to the next one of the
 *     list, until a call's time is over. A refusal with a lower term than was already seen is old;
 *     the address in it is not followed.
 *   - that node may be one that is not on the list, but is not spoken to less safely. If one on the
 *     list is at tls://, it is too, and must prove its name. A Unix socket must be on the list. A
 *     token goes without TLS only if a HOST:PORT without TLS is on the list.
 *   - a connection attempt takes at most a second at first, then longer, up to connect_timeout_ms;
 *     and a machine that falls silent ends an idle connection within seconds.
 *   - when nothing has helped, stockd_error_message names each address and its reason.
 *
 * Options may be NULL; they and their strings are copied. On success and on failure *out is
 * a client that must be closed, so that stockd_error_message can say what went wrong; it is NULL
 * only if the client cannot be allocated. STOCKD_REFUSED: the engine refused `hello`. After any
 * failure but STOCKD_E_ARGUMENT the client may still be used: the next call tries to connect again.
 */
int stockd_connect(stockd_client **out, const char *address, const stockd_options *options);

/* Closes and frees the client; drops what is in flight. NULL is allowed. */
void stockd_close(stockd_client *client);

/*
 * Drops the connection with all that is in flight, then connects (and says `hello`) once: after a
 * stockd_follow to where that said, after a loss to the next address of a list. Of several
 * addresses each is tried once. Called again and again within seconds, it waits before it begins,
 * from backoff_ms up to half a second: there may be no primary for a moment.
 */
int stockd_reconnect(stockd_client *client);

/* The address that it is or was last connected to, or tried: one of the list, or a primary's. */
const char *stockd_address(const stockd_client *client);

/*
 * The last error in one line, for people; for a refusal "CODE: MESSAGE". "" if there was none. A
 * NULL client gives the text for out of memory.
 */
const char *stockd_error_message(const stockd_client *client);

/* ---- Calls ------------------------------------------------------------------------------ */

/* Either a result or an error; valid until the next function that is given the client. */
typedef struct stockd_reply {
    uint32_t msgid;
    stockd_value result;  /* data is NULL if refused */
    const char *code;     /* the error code, as "insufficient_stock"; NULL if not refused */
    const char *message;  /* the error's text for people; "" if it has none, NULL if not refused */
    stockd_value details; /* the error's details: a map; data is NULL if there are none */
} stockd_reply;

/* Flags of stockd_call. */
enum {
    /*
     * The request may be sent again on a new connection if the connection was lost before the
     * answer came. Right for every read and for every mutation, whose id tells the engine that it
     * is the same one. Wrong for a partial fulfil or cancel without `op`. (A request that was
     * refused with `not_primary` goes to another node in any case: it was not done.)
     */
    STOCKD_RETRY_SAFE = 1,
};

/*
 * Sends one request and waits up to call_timeout_ms for its response. params is one packed
 * MessagePack array of len bytes, or NULL for none. A lost connection is reopened as needed; with
 * STOCKD_RETRY_SAFE the request is then sent again, after a pause. reply may be NULL.
 * STOCKD_E_ARGUMENT while pipelined requests are in flight.
 *
 * With several addresses, tries go on until call_timeout_ms is over (-1: ten seconds after the last
 * node that answered). A node that does not answer has half of what is left. A refusal `read_only`
 * is taken to another node once, because a node that is cut off does not know that there is another
 * primary; the second such refusal counts.
 */
int stockd_call(stockd_client *client, const char *method, const void *params, size_t len,
                unsigned flags, stockd_reply *reply);

/* ---- Pipelining ------------------------------------------------------------------------- */

/*
 * Send many requests, then receive as many responses: they come in request order. Nothing here
 * reconnects or resends by itself. When the connection is lost, each function returns
 * STOCKD_E_CLOSED and in_flight is 0: call stockd_reconnect and resend, with the same ids, the
 * requests that have had no response.
 *
 * stockd_send only appends to a buffer in memory; STOCKD_E_AGAIN if the buffer is over its limit
 * (64 MiB) and must be flushed first. msgid may be NULL.
 */
int stockd_send(stockd_client *client, const char *method, const void *params, size_t len,
                uint32_t *msgid);

/*
 * stockd_flush writes all that is buffered, and waits up to call_timeout_ms while no byte moves. It
 * keeps reading meanwhile, so a peer that is blocked writing to us cannot deadlock both.
 */
int stockd_flush(stockd_client *client);

/*
 * stockd_receive flushes what is buffered and waits up to call_timeout_ms for the next response:
 * STOCKD_OK or STOCKD_REFUSED with the reply filled in, or a failure. STOCKD_E_ARGUMENT if nothing
 * is in flight.
 */
int stockd_receive(stockd_client *client, stockd_reply *reply);

/* Requests sent (or buffered) that have had no response yet. */
size_t stockd_in_flight(const stockd_client *client);

/*
 * If the reply is the refusal `not_primary`, notes where the next stockd_reconnect is to go, and
 * returns true: this request was not done; send it again then. Of several such replies the first
 * one counts, unless a later one has a later term. `read_only` is such a reply too, if there are
 * several addresses and it is this node's first one. Blocking calls do this by themselves.
 */
bool stockd_follow(stockd_client *client, const stockd_reply *reply);

/*
 * For one thread with many connections: wait with poll or epoll for stockd_fd to be readable, and
 * also writable while stockd_wants_write. Then call try_flush, and try_receive until it returns
 * STOCKD_E_AGAIN. Neither ever waits. stockd_fd is -1 without a connection, and may change after
 * stockd_reconnect. try_receive also delivers notifications, so it may be called with nothing in
 * flight.
 */
int stockd_fd(const stockd_client *client);
bool stockd_wants_write(const stockd_client *client);
int stockd_try_flush(stockd_client *client);
int stockd_try_receive(stockd_client *client, stockd_reply *reply);

/*
 * Waits until a notification arrives or timeout_ms is over (-1: no limit), and delivers all that
 * have arrived. Returns how many, 0 on time-out (the connection stays), or a negative status. Call
 * it only with nothing in flight.
 */
int stockd_wait_notifications(stockd_client *client, int timeout_ms);

/*
 * For a program that makes and reads its own messages, as a load generator does: the bytes of the
 * connection, encrypted if its address says so. How many were taken, 0 if the connection must be
 * waited for, or STOCKD_E_CLOSED, which leaves it to be reconnected or closed. A receive that does
 * not fill the buffer has left nothing that stockd_fd would not announce. Not together with the
 * functions above.
 */
ptrdiff_t stockd_send_bytes(stockd_client *client, const void *bytes, size_t length);
ptrdiff_t stockd_receive_bytes(stockd_client *client, void *bytes, size_t size);

/* ---- The common calls, typed ------------------------------------------------------------- */

/*
 * Each is one stockd_call, retry-safe where that is sound. Outputs may be NULL; they are written
 * only on STOCKD_OK. After STOCKD_REFUSED, stockd_last_reply has code, message and details. An
 * answer that does not follow the protocol is STOCKD_E_PROTOCOL.
 */

/* The reply of the last call, receive or typed call that returned STOCKD_OK or STOCKD_REFUSED. */
const stockd_reply *stockd_last_reply(const stockd_client *client);

/* A random id (32 hexadecimal digits, from the system's generator) for a mutation. */
void stockd_make_id(char out[STOCKD_ID_MAX + 1]);

int stockd_ping(stockd_client *client);

typedef struct stockd_server {
    char server[64];
    char version[64];
    uint64_t protocol;
    uint64_t lsn;
} stockd_server;

/* token may be NULL. If the options name a client, each new connection does this by itself. */
int stockd_hello(stockd_client *client, const char *client_name, const char *token,
                 stockd_server *out);

typedef struct stockd_line {
    const char *sku;
    int64_t qty;
    const char *location; /* NULL: the engine chooses; only `reserve` uses it */
} stockd_line;

typedef struct stockd_reserve_options {
    int64_t ttl_ms; /* 0: as the channel says */
    const char *at; /* location for collection; NULL: none */
    bool confirm;   /* confirms at once */
} stockd_reserve_options;

#define STOCKD_STATE_MAX 15

typedef struct stockd_reservation {
    uint64_t lsn;
    char state[STOCKD_STATE_MAX + 1]; /* "held", "confirmed", ... */
    int64_t expires_ms;               /* 0: no deadline */
    stockd_value lines;               /* [[sku, location, qty, ready_ms], ...] */
} stockd_reservation;

/* All lines or none. options may be NULL. */
int stockd_reserve(stockd_client *client, const char *id, const char *channel,
                   const stockd_line *lines, size_t count, const stockd_reserve_options *options,
                   stockd_reservation *out);

typedef struct stockd_step {
    uint64_t lsn;
    char state[STOCKD_STATE_MAX + 1]; /* after the step */
} stockd_step;

int stockd_confirm(stockd_client *client, const char *id, stockd_step *out);

/*
 * With lines NULL (and count 0): all that is left. op names a partial step, so that it is done once
 * even if requested twice; without op a partial step is not resent after a lost connection.
 */
int stockd_fulfil(stockd_client *client, const char *id, const stockd_line *lines, size_t count,
                  const char *op, stockd_step *out);
int stockd_cancel(stockd_client *client, const char *id, const stockd_line *lines, size_t count,
                  const char *op, stockd_step *out);

typedef struct stockd_level {
    uint64_t lsn;
    int64_t on_hand;
    int64_t available;
} stockd_level;

/* The method `receive`, which takes stock in. ref may be NULL. */
int stockd_receive_stock(stockd_client *client, const char *id, const char *sku,
                         const char *location, int64_t qty, const char *ref, stockd_level *out);

/*
 * A notification "changed", as sent after `subscribe`: what is now available of an item on a
 * channel. The strings point into the value and are not NUL-terminated.
 */
typedef struct stockd_changed {
    const char *channel;
    size_t channel_len; /* at most STOCKD_CODE_MAX */
    const char *sku;
    size_t sku_len; /* at most STOCKD_SKU_MAX */
    int64_t available;
    uint64_t lsn;
} stockd_changed;

/*
 * Reads [channel, sku, available, lsn]: the params of such a notification, as the callback gets
 * them, or an element of the list `changes` in a reply to `changes`. False if it is neither.
 */
bool stockd_read_changed(stockd_value params, stockd_changed *out);

/*
 * Subscribes the options' notify callback to the changes on a channel (NULL: on all), from now on,
 * or since *since_lsn if that is not NULL. lsn may be NULL; everything up to *lsn was known or
 * follows. A subscription ends with its connection, even if a later call reconnects: then, or after
 * a failure of stockd_wait_notifications, subscribe again from the last LSN.
 */
int stockd_subscribe(stockd_client *client, const char *channel, const uint64_t *since_lsn,
                     uint64_t *lsn);

/* What stockd_availability writes for an SKU that the engine does not know. */
#define STOCKD_UNKNOWN_SKU INT64_MIN

/* available[i] is for skus[i]; available must have room for count. lsn may be NULL. */
int stockd_availability(stockd_client *client, const char *channel, const char *const *skus,
                        size_t count, int64_t *available, uint64_t *lsn);

#ifdef __cplusplus
}
#endif

#endif
