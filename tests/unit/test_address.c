/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/address.h"

static char why[256];

static char directory[64];
static char socket_address[128];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "%s", "/tmp/stockd-address-XXXXXX");
    cr_assert(mkdtemp(directory));
    snprintf(socket_address, sizeof socket_address, "unix:%s/socket", directory);
}

static void remove_directory(void)
{
    unlink(socket_address + strlen("unix:"));
    rmdir(directory);
}

TestSuite(address, .init = make_directory, .fini = remove_directory);

Test(address, has_a_form)
{
    static const char *const good[] = { "127.0.0.1:0", "localhost:7421", "[::1]:65535", ":7421",
                                        "unix:/run/stockd.sock" };
    static const char *const bad[] = { "",      "7421",    "host:",  "host:port", "host:65536",
                                       "unix:", "host:-1", "[::1:5", "host: 5" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert(address_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(address_valid(bad[i]), "%s", bad[i]);
}

Test(address, port_0_becomes_a_port)
{
    struct listener listener;
    cr_assert_eq(listener_open(&listener, "127.0.0.1:0", why, sizeof why), 0, "%s", why);
    cr_assert_eq(strncmp(listener.address, "127.0.0.1:", 10), 0);
    cr_assert(strtol(listener.address + 10, NULL, 10) > 0);
    struct listener second;
    cr_assert_eq(listener_open(&second, listener.address, why, sizeof why), -EADDRINUSE);
    cr_assert(strstr(why, listener.address));
    listener_close(&listener);
}

Test(address, it_is_known_who_can_reach_it)
{
    static const struct {
        const char *address;
        enum reach reach;
    } cases[] = {
        { "127.0.0.1:0", REACH_LOCAL },   { "127.9.9.9:0", REACH_LOCAL },
        { "localhost:0", REACH_LOCAL },   { ":0", REACH_ALL },
        { "0.0.0.0:0", REACH_ALL },       { "tls://127.0.0.1:0", REACH_LOCAL },
        { "tls://0.0.0.0:0", REACH_ALL }, { socket_address, REACH_LOCAL },
    };
    struct listener listener;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum reach before;
        cr_assert_eq(address_reach(cases[i].address, &before, why, sizeof why), 0, "%s", why);
        cr_assert_eq(before, cases[i].reach, "%s", cases[i].address);
        cr_assert_eq(listener_open(&listener, cases[i].address, why, sizeof why), 0, "%s", why);
        cr_assert_eq(listener.reach, cases[i].reach, "%s", cases[i].address);
        listener_close(&listener);
    }
}

Test(address, it_is_known_before_it_is_bound)
{
    enum reach reach;
    cr_assert_eq(address_reach("192.0.2.1:0", &reach, why, sizeof why), 0, "%s", why);
    cr_assert_eq(reach, REACH_ADDRESS, "not an address of this machine");
    cr_assert_eq(address_reach("256.1.1.1:0", &reach, why, sizeof why), -EINVAL);
    cr_assert(strstr(why, "256.1.1.1"));
    cr_assert_eq(address_reach("unix:", &reach, why, sizeof why), -EINVAL);
}

Test(address, ipv6_is_looked_at_likewise)
{
    static const struct {
        const char *address;
        enum reach reach;
    } cases[] = { { "[::1]:0", REACH_LOCAL }, { "[::]:0", REACH_ALL } };
    struct listener listener;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int error = listener_open(&listener, cases[i].address, why, sizeof why);
        if (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL)
            cr_skip_test("no IPv6: %s", why);
        cr_assert_eq(error, 0, "%s", why);
        cr_assert_eq(listener.reach, cases[i].reach, "%s", cases[i].address);
        listener_close(&listener);
    }
}

Test(address, a_socket_that_nobody_answers_is_replaced)
{
    struct listener listener;
    struct listener second;
    cr_assert_eq(listener_open(&listener, socket_address, why, sizeof why), 0, "%s", why);
    cr_assert_str_eq(listener.address, socket_address);
    cr_assert_eq(listener_open(&second, socket_address, why, sizeof why), -EADDRINUSE);
    cr_assert(strstr(why, "another server"));
    close(listener.fd); /* as if it had been killed: the file stays */
    cr_assert_eq(listener_open(&second, socket_address, why, sizeof why), 0, "%s", why);
    listener_close(&second);
    cr_assert_eq(access(socket_address + strlen("unix:"), F_OK), -1);
}

/* Connections that nobody accepts fill the backlog: one more would wait for ever. */
static unsigned fill_backlog(const struct sockaddr_un *where, int *fds, unsigned max)
{
    for (unsigned i = 0; i < max; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fds[i], (const struct sockaddr *)where, sizeof *where) < 0) {
            cr_assert_eq(errno, EAGAIN);
            close(fds[i]);
            return i;
        }
    }
    cr_assert_fail("the backlog takes %u connections", max);
    return max;
}

Test(address, a_server_that_accepts_nobody_is_not_waited_for, .timeout = 60)
{
    enum { BACKLOG = 1, CONNECTIONS = 16 };
    const char *path = socket_address + strlen("unix:");
    struct sockaddr_un where = { .sun_family = AF_UNIX };
    cr_assert(strlen(path) < sizeof where.sun_path);
    memcpy(where.sun_path, path, strlen(path));
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server, (const struct sockaddr *)&where, sizeof where), 0);
    cr_assert_eq(listen(server, BACKLOG), 0);
    int fds[CONNECTIONS];
    unsigned count = fill_backlog(&where, fds, CONNECTIONS);
    struct listener listener;
    cr_assert_eq(listener_open(&listener, socket_address, why, sizeof why), -EADDRINUSE);
    cr_assert(strstr(why, "another server"));
    cr_assert_eq(access(path, F_OK), 0);
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
    close(server);
}

Test(address, a_file_that_is_no_socket_stays)
{
    struct listener listener;
    const char *path = socket_address + strlen("unix:");
    FILE *file = fopen(path, "w");
    fputs("precious", file);
    fclose(file);
    cr_assert_eq(listener_open(&listener, socket_address, why, sizeof why), -EEXIST);
    struct stat status;
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_size, 8);
}
