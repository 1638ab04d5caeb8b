/* SPDX-License-Identifier: Apache-2.0 */
/* A client's options, connecting with `hello`, closing. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/internal.h"
#include "client/tls.h"

enum {
    DEFAULT_CONNECT_TIMEOUT_MS = 5000,
    DEFAULT_CALL_TIMEOUT_MS = 10000,
    DEFAULT_RETRIES = 3,
    DEFAULT_BACKOFF_MS = 50,
    DEFAULT_MAX_REPLY = 64 << 20,
    FIRST_TRY_MS = 1000, /* to connect to one of several nodes, then longer */
    QUIET_MS = 2000,     /* after so long without trouble a new search begins */
};

/* A copy of an optional string; false: out of memory. */
static bool copy_string(char **out, const char *string)
{
    if (string)
        *out = strdup(string);
    return !string || *out;
}

static int or_default(int value, int standard)
{
    return value == 0 ? standard : value;
}

static stockd_options with_defaults(const stockd_options *given)
{
    stockd_options options = given ? *given : (stockd_options){ 0 };

    options.connect_timeout_ms = or_default(options.connect_timeout_ms, DEFAULT_CONNECT_TIMEOUT_MS);
    options.call_timeout_ms = or_default(options.call_timeout_ms, DEFAULT_CALL_TIMEOUT_MS);
    options.retries = or_default(options.retries, DEFAULT_RETRIES);
    options.backoff_ms = or_default(options.backoff_ms, DEFAULT_BACKOFF_MS);
    if (options.max_reply_bytes == 0)
        options.max_reply_bytes = DEFAULT_MAX_REPLY;
    if (options.retries < 0)
        options.retries = 0;
    if (options.backoff_ms < 0)
        options.backoff_ms = 0;
    if (!options.token && !options.token_file)
        options.token = stk_token_of_environment();
    return options;
}

static stockd_client *new_client(const stockd_options *options)
{
    stockd_client *client = calloc(1, sizeof *client);

    if (!client)
        return NULL;
    client->fd = -1;
    client->options = with_defaults(options);
    stk_walk_start(&client->walk);
    stockd_pack_init(&client->scratch, NULL, 0);
    if (!copy_string(&client->client_name, client->options.client_name) ||
        !copy_string(&client->token, client->options.token) ||
        !copy_string(&client->token_file, client->options.token_file) ||
        !copy_string(&client->ca_file, client->options.ca_file) ||
        !copy_string(&client->cert_file, client->options.cert_file) ||
        !copy_string(&client->key_file, client->options.key_file)) {
        stockd_close(client);
        return NULL;
    }
    client->options.client_name = client->client_name;
    client->options.token = client->token;
    client->options.token_file = client->token_file;
    client->options.ca_file = client->ca_file;
    client->options.cert_file = client->cert_file;
    client->options.key_file = client->key_file;
    stk_check(client);
    return client;
}

void stk_pack_hello(stockd_client *client, const char *client_name, const char *token)
{
    stockd_pack *pack = &client->scratch;

    stockd_pack_reset(pack);
    stockd_pack_array(pack, token ? 2 : 1);
    stockd_pack_str(pack, client_name);
    if (token) {
        stockd_pack_map(pack, 1);
        stockd_pack_str(pack, "token");
        stockd_pack_str(pack, token);
    }
}

void stk_forget_hello(stockd_client *client)
{
    if (client->scratch.capacity > 0)
        explicit_bzero(client->scratch.data, client->scratch.capacity);
    if (client->out.head > 0)
        explicit_bzero(client->out.data, client->out.head);
    if (stk_buffer_len(&client->out) == 0 && client->out.capacity > 0)
        explicit_bzero(client->out.data, client->out.capacity);
    explicit_bzero(client->file_token, sizeof client->file_token);
}

static void free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static int say_hello(stockd_client *client, const char *client_name, const char *token,
                     stk_ms deadline)
{
    /* Not the scratch, which may hold the parameters of the call that is connecting. */
    stockd_pack outer = client->scratch;

    stockd_pack_init(&client->scratch, NULL, 0);
    stk_pack_hello(client, client_name, token);
    int rc = stockd_pack_status(&client->scratch);
    if (rc == STOCKD_OK)
        rc = stk_round_trip(client, "hello", client->scratch.data, client->scratch.len, deadline);
    stk_forget_hello(client);
    stockd_pack_free(&client->scratch);
    client->scratch = outer;
    return rc;
}

/* Reads the files for tls:// addresses, once. */
static int prepare_tls(stockd_client *client, bool encrypted)
{
    const struct stk_tls_files files = { client->ca_file, client->cert_file, client->key_file };
    bool given = files.ca || files.cert || files.key;
    char why[256];

    if (given && !encrypted && !stk_nodes_encrypted(&client->nodes))
        return stk_fail(client, STOCKD_E_ARGUMENT,
                        "%s: certificates are of use at tls://HOST:PORT only",
                        stockd_address(client));
    if (!encrypted)
        return STOCKD_OK;
    if (files.key && !files.cert)
        return stk_fail(client, STOCKD_E_ARGUMENT, "a key is of no use without its certificate");
    if (!client->tls)
        client->tls = stk_tls_new(&files, why, sizeof why);
    return client->tls ? STOCKD_OK : stk_fail(client, STOCKD_E_ARGUMENT, "%s", why);
}

static int cannot_connect(stockd_client *client, int status, const char *why)
{
    return stk_fail(client, status, "%s: cannot connect: %s", stockd_address(client), why);
}

/* A descriptor over which the engine can be spoken to, or a negative status. */
static int dial(stockd_client *client, bool encrypted, stk_ms deadline)
{
    const char *address = stockd_address(client);
    char why[256] = "", host[256];

    int fd = prepare_tls(client, encrypted);
    if (fd != STOCKD_OK)
        return fd;
    fd = stk_dial(address, deadline, why, sizeof why);
    if (fd < 0)
        return cannot_connect(client, fd, why);
    if (stk_nodes_several(&client->nodes))
        stk_watch_peer(fd);
    if (!encrypted)
        return fd;
    stk_address_host(address, host, sizeof host);
    if (stk_tls_begin(client->tls, fd, host, deadline, why, sizeof why) == 0)
        return fd;
    close(fd);
    return cannot_connect(client, STOCKD_E_CONNECT, why);
}

/* One of several nodes may be gone without a word: it must not take all the time there is. */
static stk_ms connect_deadline(const stockd_client *client, stk_ms deadline)
{
    int limit = client->options.connect_timeout_ms;
    int share = FIRST_TRY_MS << (client->nodes.pauses < 4 ? client->nodes.pauses : 4);

    if (stk_nodes_several(&client->nodes) && (limit < 0 || limit > share))
        limit = share;
    stk_ms own = stk_deadline(limit);
    return own < deadline ? own : deadline;
}

/* The connection and its `hello`. */
static int try_open(stockd_client *client, stk_ms deadline)
{
    const char *token;
    bool encrypted = stk_address_encrypted(stockd_address(client));
    int found = stk_find_token(client, &token);

    if (found != STOCKD_OK)
        return found;
    deadline = connect_deadline(client, deadline);
    int fd = dial(client, encrypted, deadline);
    if (fd < 0)
        return fd;
    client->fd = fd;
    client->encrypted = encrypted;
    if (!client->client_name && !token)
        return STOCKD_OK;
    return say_hello(client, client->client_name ? client->client_name : "", token, deadline);
}

int stk_open(stockd_client *client, stk_ms deadline)
{
    if (client->fd >= 0)
        return STOCKD_OK;
    if (client->nodes.count == 0)
        return STOCKD_E_ARGUMENT; /* the message says why */
    stk_nodes_go(&client->nodes);
    int rc = try_open(client, deadline);
    if (rc != STOCKD_OK && rc != STOCKD_E_ARGUMENT)
        stk_leave(client, rc);
    else if (rc != STOCKD_OK)
        stk_drop(client);
    return rc;
}

/* Whether another node may do better. */
static bool may_try_on(const stockd_client *client, int status)
{
    if (status == STOCKD_REFUSED) /* a token that one refuses, all refuse */
        return strcmp(client->reply.code, "overloaded") == 0;
    return status != STOCKD_OK && status != STOCKD_E_ARGUMENT && status != STOCKD_E_MEMORY;
}

/* Each node once, until one answers. */
static int open_any(stockd_client *client)
{
    size_t count = client->nodes.count;
    int rc = stk_open(client, STK_NEVER);

    if (count < 2)
        return rc;
    for (size_t i = 1; i < count && may_try_on(client, rc); i++)
        rc = stk_open(client, STK_NEVER);
    if (rc < 0 && may_try_on(client, rc)) {
        stk_nodes_reasons(&client->nodes, client->error, sizeof client->error);
        return STOCKD_E_CONNECT;
    }
    return rc;
}

int stockd_connect(stockd_client **out, const char *address, const stockd_options *options)
{
    char why[160];
    stockd_client *client = *out = new_client(options);

    if (!client)
        return STOCKD_E_MEMORY;
    if (stk_nodes_read(&client->nodes, address ? address : "", why, sizeof why))
        return open_any(client);
    return stk_fail(client, STOCKD_E_ARGUMENT, "%s: cannot connect: %s", address ? address : "",
                    why);
}

bool stk_has_code(const stockd_reply *reply, const char *code)
{
    return reply->code && strcmp(reply->code, code) == 0;
}

static void redirect(stockd_client *client, stockd_value details)
{
    const char *address = NULL;
    size_t len = 0;
    uint64_t term = 0;

    (void)stockd_map_str(details, "address", &address, &len);
    (void)stockd_map_u64(details, "term", &term);
    stk_nodes_redirect(&client->nodes, address, len, term, client->token || client->token_file);
}

bool stockd_follow(stockd_client *client, const stockd_reply *reply)
{
    if (stk_has_code(reply, "not_primary"))
        redirect(client, reply->details);
    else if (!stk_has_code(reply, "read_only") || !stk_nodes_stopped(&client->nodes, reply->code))
        return false;
    client->moved_ms = stk_now();
    if (stk_nodes_several(&client->nodes))
        stk_nodes_reasons(&client->nodes, client->error, sizeof client->error);
    return true;
}

/* Programs that pipeline come here again and again while there is no primary: not too often. */
static void rest(stockd_client *client)
{
    int64_t past = stk_now() - client->moved_ms;

    if (past > QUIET_MS) {
        stk_nodes_begin(&client->nodes);
    } else if (stk_nodes_several(&client->nodes) || client->nodes.redirected) {
        int64_t pause = stk_nodes_pause(&client->nodes, client->options.backoff_ms);

        if (pause > past)
            (void)stk_pause(pause - past, STK_NEVER);
    }
}

int stockd_reconnect(stockd_client *client)
{
    rest(client);
    stk_drop(client);
    return open_any(client);
}

void stockd_close(stockd_client *client)
{
    if (!client)
        return;
    stk_drop(client);
    stk_buffer_free(&client->in);
    stk_buffer_free(&client->out);
    stockd_pack_free(&client->scratch);
    stk_nodes_free(&client->nodes);
    free(client->client_name);
    explicit_bzero(client->file_token, sizeof client->file_token);
    free_secret(client->token);
    free(client->token_file);
    free(client->ca_file);
    free(client->cert_file);
    free(client->key_file);
    stk_tls_free(client->tls);
    free(client);
}
