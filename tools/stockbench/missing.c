/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/missing.h"

#include <inttypes.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { TOLD_MOST = 8, NAME_MAX_BYTES = 80 };

/* The local address, by which `ss` and the engine's log show the connection. */
static void name_stream(const struct stream *stream, char name[NAME_MAX_BYTES])
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;
    char host[48], port[8];

    snprintf(name, NAME_MAX_BYTES, "fd %d", stockd_fd(stream->client));
    if (getsockname(stockd_fd(stream->client), (struct sockaddr *)&address, &length) < 0 ||
        address.ss_family == AF_UNIX)
        return;
    if (getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(name, NAME_MAX_BYTES, "from %s:%s", host, port);
}

static int bytes_in_queue(const struct stream *stream, unsigned long which)
{
    int bytes = 0;

    return ioctl(stockd_fd(stream->client), which, &bytes) == 0 ? bytes : -1;
}

/*
 * "not taken" counts bytes that the engine's machine has not acknowledged, "not read" those that
 * this generator has not read: if both are 0, the engine has the request and has not answered it.
 */
static void say_stream(const struct load *load, size_t number, uint64_t now)
{
    const struct stream *stream = &load->streams[number];
    const struct batch *oldest = &stream->batch[stream->first_batch & load->mask];
    const struct asked *asked = &stream->asked[stream->expected & load->mask];
    char name[NAME_MAX_BYTES];

    name_stream(stream, name);
    fprintf(stderr,
            "stockbench: connection %zu (%s): %" PRIu32 " missing; the oldest, %s with msgid "
            "%" PRIu32 ", was sent %.3f s ago; bytes: %zu not sent, %d not taken, %d not read, "
            "%zu of a partial reply\n",
            number, name, stream->in_flight, ask_name(asked->kind), stream->expected,
            (double)(now - oldest->time) / 1e9, stream->pending_len,
            bytes_in_queue(stream, SIOCOUTQ), bytes_in_queue(stream, SIOCINQ), stream->partial_len);
}

bool replies_missing(const struct load *load, unsigned after)
{
    uint64_t now = result_now();
    size_t connections = load->options->connections;
    size_t waiting = 0;

    for (size_t i = 0; i < connections; i++)
        waiting += load->streams[i].in_flight > 0;
    fprintf(stderr,
            "stockbench: replies missing after %u s: %zu, on %zu of %zu connections to %s; "
            "%" PRIu64 " came\n",
            after, load->in_flight, waiting, connections, load->options->address, load->replies);
    size_t told = 0;
    for (size_t i = 0; i < connections && told < TOLD_MOST; i++) {
        if (load->streams[i].in_flight > 0) {
            say_stream(load, i, now);
            told++;
        }
    }
    if (waiting > told)
        fprintf(stderr, "stockbench: and %zu more connections\n", waiting - told);
    return false;
}
