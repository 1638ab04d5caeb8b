/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a job each time another program asks for it. stockd starts this early and asks later, when
 * it may start no program any more; so whoever takes stockd over can have this one job done, and no
 * other.
 */
#ifndef STOCKD_TOOLS_STOCK_JOURNAL_REQUESTS_H
#define STOCKD_TOOLS_STOCK_JOURNAL_REQUESTS_H

/* For each message that comes from fd, a connected socket, runs job in a child process, and
 * sends its wait status back: one job at a time. Ends when the other side does, and ends the job
 * with it. 0, or -errno. The job returns the child's exit status. */
int serve_requests(int fd, int (*job)(const void *context), const void *context);

#endif
