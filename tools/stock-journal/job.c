/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A copy of a directory may lack the file: then there is nothing to lock. */
static int lock_file(const struct job *job, const char *name, enum file_lock lock, int *fd)
{
    struct path path;
    *fd = -1;
    if (path_join(&path, job->directory, name) != 0)
        return -ENAMETOOLONG;
    int opened = file_system.open(NULL, path.text, O_RDONLY);
    if (opened < 0)
        return opened == -ENOENT ? 0 : opened;
    *fd = opened;
    return file_system.lock(NULL, opened, lock);
}

int job_open(struct job *job, enum file_lock lock)
{
    job->readers_fd = -1;
    int error = lock_file(job, "lock", lock, &job->lock_fd); /* an engine's is exclusive */
    if (!error)
        error =
            lock_file(job, "snapshot/" SNAPSHOT_READERS, FILE_LOCK_SHARED_WAIT, &job->readers_fd);
    if (!error)
        error = path_join(&job->segments, job->directory, "journal");
    if (!error)
        return EXIT_GOOD;
    if (error == -EWOULDBLOCK)
        fprintf(stderr, "stock-journal: an engine is running on %s\n", job->directory);
    else
        fprintf(stderr, "stock-journal: %s: %s\n", job->directory, strerror(-error));
    job_close(job);
    return EXIT_USAGE;
}

void job_close(struct job *job)
{
    if (job->lock_fd >= 0)
        file_system.close(NULL, job->lock_fd);
    if (job->readers_fd >= 0)
        file_system.close(NULL, job->readers_fd);
    job->lock_fd = job->readers_fd = -1;
}

static void say(void *context, int level, const char *line)
{
    (void)context, (void)level;
    fprintf(stderr, "stock-journal: %s\n", line);
}

int job_find_base(struct job *job, struct error *why)
{
    struct recovery_base_options options = {
        .files = &file_system,
        .directory = job->directory,
        .say = say,
    };
    return recovery_base_load(&options, &job->base, why);
}

int job_follow(struct job *job, struct replay_options *options, void *context,
               struct replay_result *result)
{
    struct error why = { "" };
    int status = job_open(job, FILE_LOCK_SHARED);
    if (status != EXIT_GOOD)
        return status;
    struct journal_position start;
    int error = recovery_base_oldest(&file_system, job->directory, &start, &why);
    options->start = &start;
    options->files = &file_system;
    options->directory = job->segments.text;
    options->context = context;
    if (!error)
        error = replay_files(options, result, &why);
    job_close(job);
    if (error)
        fprintf(stderr, "stock-journal: %s\n", why.text);
    return !error ? EXIT_GOOD : error == -EILSEQ ? EXIT_DAMAGED : EXIT_USAGE;
}

struct time_text time_text(uint64_t ms)
{
    struct time_text made;
    struct tm utc;
    char when[32];
    time_t seconds = (time_t)(ms / 1000);
    gmtime_r(&seconds, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(made.text, sizeof made.text, "%s.%03uZ", when, (unsigned)(ms % 1000));
    return made;
}
