/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/requests.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A signal to all processes of the service means stockd, whose end is this one's. The job itself
 * may be interrupted. */
static void set_signals(void (*handler)(int signal))
{
    static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], handler);
}

/* Returns in the parent only. */
static pid_t start(int (*job)(const void *context), const void *context)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t child = fork();
    if (child != 0)
        return child;
    set_signals(SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    exit(getppid() == parent ? job(context) : EXIT_FAILURE);
}

/* Until the job has ended, or the other side. False: the other side. */
static bool wait_for(int fd, pid_t child, int *status)
{
    int child_fd = pidfd_open(child, 0);
    struct pollfd fds[] = {
        { .fd = fd, .events = POLLRDHUP },
        { .fd = child_fd, .events = POLLIN },
    };
    while (child_fd >= 0 && poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    bool ended = child_fd < 0 || (fds[1].revents & POLLIN);
    if (!ended)
        kill(child, SIGKILL);
    waitpid(child, status, 0);
    if (child_fd >= 0)
        close(child_fd);
    return ended;
}

int serve_requests(int fd, int (*job)(const void *context), const void *context)
{
    char request;
    ssize_t got;
    sigset_t none;
    sigemptyset(&none);
    set_signals(SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL); /* stockd starts this with all of them blocked */
    while ((got = recv(fd, &request, sizeof request, 0)) > 0) {
        int status = EXIT_FAILURE << 8; /* as a wait status has it */
        pid_t child = start(job, context);
        if (child > 0 && !wait_for(fd, child, &status))
            return 0;
        if (send(fd, &status, sizeof status, MSG_NOSIGNAL) < 0)
            return 0;
    }
    return got < 0 && errno != ECONNRESET ? -errno : 0;
}
