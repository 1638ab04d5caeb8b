/* SPDX-License-Identifier: Apache-2.0 */
/* The options of stockd, from its command line and its config file, which have the same names. */
#ifndef STOCKD_TOOLS_STOCKD_OPTIONS_H
#define STOCKD_TOOLS_STOCKD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LISTEN_MAX = 16, VALUE_MAX = 512, REDIS_PREFIX_MAX = 60 };

struct options {
    char data[VALUE_MAX];
    char listen[LISTEN_MAX][VALUE_MAX];
    unsigned listen_count;
    char durability[VALUE_MAX];
    char tls_cert[VALUE_MAX], tls_key[VALUE_MAX], tls_client_ca[VALUE_MAX];
    char tls_min[VALUE_MAX]; /* "1.2" or "1.3" */
    uint64_t tls_handshake_ms;
    char ready_file[VALUE_MAX];
    char config[VALUE_MAX];
    char http[VALUE_MAX];
    char log_format[VALUE_MAX], log_level[VALUE_MAX];
    char redis[VALUE_MAX], redis_prefix[VALUE_MAX], redis_user[VALUE_MAX];
    char redis_password_file[VALUE_MAX];
    uint64_t redis_database, redis_stream_length, redis_timeout_ms, redis_rate;
    uint64_t workers;
    uint64_t items, pools, reservations, remember_s, events;
    uint64_t segment_bytes, log_bytes, reports_memory;
    uint64_t compact_bytes, archive_max_bytes, archive_days;
    char archive[VALUE_MAX]; /* "yes" or "no" */
    uint64_t max_connections, max_message_bytes, max_message_elements, max_nesting;
    uint64_t max_order_lines, max_query_skus;
    uint64_t subscriber_ms, reader_ms, max_input_bytes, message_ms, client_memory;
    char tokens[VALUE_MAX];
    uint64_t hello_bytes, hello_ms, max_strangers, max_strangers_each;
    uint64_t token_rate, token_burst, token_connections, token_subscriptions; /* 0: no limit */
    bool help, version, init, check_config, insecure, no_seccomp, core_dumps;
};

/* False, and one line in why (size bytes): what is wrong, and where. */
bool options_read(struct options *options, int argc, char **argv, char *why, size_t size);

/* From now on the log is as they say. False: one of them is another word; it has no effect. Also
 * for options that could not all be read. */
bool options_apply_log(const struct options *options);

/* One of the addresses is tls:// */
bool options_encrypt(const struct options *options);

void options_print_help(void);

#endif
