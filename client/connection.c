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

static stockd_client *new_client(const char *address, const stockd_options *options)
{
    stockd_client *client = calloc(1, sizeof *client);

    if (!client)
        return NULL;
    client->fd = -1;
    client->options = with_defaults(options);
    stk_walk_start(&client->walk);
    stockd_pack_init(&client->scratch, NULL, 0);
    if (!copy_string(&client->address, address) ||
        !copy_string(&client->client_name, client->options.client_name) ||
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

/* Reads the files of a tls:// address, once. */
static int prepare_tls(stockd_client *client)
{
    const struct stk_tls_files files = { client->ca_file, client->cert_file, client->key_file };
    bool given = files.ca || files.cert || files.key;
    char why[256];

    if (!stk_address_encrypted(client->address))
        return given ? stk_fail(client, STOCKD_E_ARGUMENT,
                                "%s: certificates are of use at tls://HOST:PORT only",
                                client->address)
                     : STOCKD_OK;
    if (files.key && !files.cert)
        return stk_fail(client, STOCKD_E_ARGUMENT, "a key is of no use without its certificate");
    if (!client->tls)
        client->tls = stk_tls_new(&files, why, sizeof why);
    return client->tls ? STOCKD_OK : stk_fail(client, STOCKD_E_ARGUMENT, "%s", why);
}

/* A descriptor over which the engine can be spoken to, or a negative status. */
static int dial(stockd_client *client, stk_ms deadline)
{
    char why[256] = "", host[256];

    int fd = prepare_tls(client);
    if (fd != STOCKD_OK)
        return fd;
    fd = stk_dial(client->address, deadline, why, sizeof why);
    if (fd < 0)
        return stk_fail(client, fd, "%s: cannot connect: %s", client->address, why);
    if (!client->tls)
        return fd;
    stk_address_host(client->address, host, sizeof host);
    if (stk_tls_begin(client->tls, fd, host, deadline, why, sizeof why) == 0)
        return fd;
    close(fd);
    return stk_fail(client, STOCKD_E_CONNECT, "%s: cannot connect: %s", client->address, why);
}

int stk_open(stockd_client *client, stk_ms deadline)
{
    stk_ms own = stk_deadline(client->options.connect_timeout_ms);
    const char *token;

    if (client->fd >= 0)
        return STOCKD_OK;
    int found = stk_find_token(client, &token);
    if (found != STOCKD_OK)
        return found;
    if (own < deadline)
        deadline = own;
    int fd = dial(client, deadline);
    if (fd < 0)
        return fd;
    client->fd = fd;
    if (!client->client_name && !token)
        return STOCKD_OK;

    const char *name = client->client_name ? client->client_name : "";
    int rc = say_hello(client, name, token, deadline);
    if (rc != STOCKD_OK)
        stk_drop(client); /* the message stays */
    return rc;
}

int stockd_connect(stockd_client **out, const char *address, const stockd_options *options)
{
    *out = new_client(address ? address : "", options);
    if (!*out)
        return STOCKD_E_MEMORY;
    return stk_open(*out, STK_NEVER);
}

int stockd_reconnect(stockd_client *client)
{
    stk_drop(client);
    return stk_open(client, STK_NEVER);
}

void stockd_close(stockd_client *client)
{
    if (!client)
        return;
    stk_drop(client);
    stk_buffer_free(&client->in);
    stk_buffer_free(&client->out);
    stockd_pack_free(&client->scratch);
    free(client->address);
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
