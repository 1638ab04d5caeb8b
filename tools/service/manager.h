/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service tells its manager (sd_notify(3)): datagrams of lines NAME=VALUE to the socket that
 * the environment's NOTIFY_SOCKET names. Without one, all of this does nothing. One that
 * does not read for some seconds loses what it is told.
 */
#ifndef STOCKD_TOOLS_SERVICE_MANAGER_H
#define STOCKD_TOOLS_SERVICE_MANAGER_H

/* Opens the socket, and takes its name out of the environment: it is not for processes that this
 * one starts. Before there are threads. */
void manager_find(void);

/* Any thread. `status` is a line for people: systemctl status shows it. */
void manager_ready(const char *status);
void manager_status(const char *status);
void manager_stopping(void);

#endif
