/* SPDX-License-Identifier: Apache-2.0 */
/* Where to listen: HOST:PORT, [IPV6]:PORT or unix:PATH; TLS is spoken at tls://HOST:PORT. */
#ifndef STOCKD_PROTOCOL_ADDRESS_H
#define STOCKD_PROTOCOL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

enum { ADDRESS_MAX = 320 };

struct tls;
struct transport;

enum reach {
    REACH_LOCAL,   /* loopback or a Unix socket: this machine alone */
    REACH_ADDRESS, /* one address that other machines can reach */
    REACH_ALL,     /* every address of the machine */
};

struct listener {
    int fd;
    const struct transport *transport; /* of its connections; the opener sets it */
    bool unix_socket;
    bool encrypted;  /* tls:// */
    struct tls *tls; /* of its connections, if it is encrypted; the opener sets it */
    enum reach reach;
    char address[ADDRESS_MAX]; /* as bound: port 0 replaced by the kernel's choice */
    char path[112];            /* of a Unix socket, to remove it; else empty */
};

/* True if the text has the form of an address. */
bool address_valid(const char *address);

/* True if the address begins with tls:// */
bool address_encrypted(const char *address);

/* Looks up how far an address can be reached from, and binds nothing. Returns as listener_open. */
int address_reach(const char *address, enum reach *reach, char *why, size_t size);

/* Binds and listens. Returns 0, or -errno with one line in why (size bytes). */
int listener_open(struct listener *listener, const char *address, char *why, size_t size);

/* Closes the listener and removes the socket's file. */
void listener_close(struct listener *listener);

#endif
