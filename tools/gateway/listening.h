/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket, its address, and the file that tells where it is. */
#ifndef GATEWAY_LISTENING_H
#define GATEWAY_LISTENING_H

#include <stddef.h>

/* Listens at HOST:PORT or [IPV6]:PORT. Returns the descriptor, and the address with the port that
 * the kernel chose; or -1 after having said why. */
int listen_at(const char *address, char *bound, size_t size);

/* Splits HOST:PORT into its parts; a host may be in brackets. Returns 0, or -1: it is not that. */
int split_address(const char *address, char *host, size_t host_size, char *port, size_t port_size);

/* Writes the address into the file, atomically. Returns 0, or -1 after having said why. */
int write_ready_file(const char *path, const char *address);

#endif
