/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one durable write alone costs on a directory's disk: writes of 4 KiB, one after another,
 * with O_DIRECT | O_DSYNC into a file that was filled with zeros before (as a journal's segment
 * is), so that no write has to change the file's metadata.
 *
 *     bench-disk_sync DIRECTORY [WRITES [BYTES]]
 *
 * prints one JSON object. No durable reply can be faster than this.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ALIGNMENT = 4096, MAX_BYTES = 16 << 20, MAX_WRITES = 1000000, FILE_BYTES = 32 << 20 };

static void fatal(const char *what, int error)
{
    fprintf(stderr, "disk_sync: %s: %s\n", what, strerror(error));
    exit(2);
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void write_at(int fd, const void *bytes, size_t len, off_t at)
{
    ssize_t n = pwrite(fd, bytes, len, at);

    if (n < 0)
        fatal("write", errno);
    if ((size_t)n != len)
        fatal("write", EIO);
}

/* A new file of FILE_BYTES zeros, already unlinked: it goes when the program ends. */
static int make_file(const char *directory, void *zeros, size_t bytes)
{
    char path[PATH_MAX];

    int len = snprintf(path, sizeof path, "%s/disk_sync.%d", directory, (int)getpid());
    if (len < 0 || (size_t)len >= sizeof path)
        fatal(directory, ENAMETOOLONG);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_DIRECT | O_DSYNC, 0600);
    if (fd < 0)
        fatal(path, errno);
    unlink(path);
    for (off_t at = 0; at < FILE_BYTES; at += (off_t)bytes)
        write_at(fd, zeros, bytes, at);
    if (fsync(fd) < 0)
        fatal("fsync", errno);
    return fd;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Fills us with the time of each write, sorted; returns their sum. */
static double measure(int fd, unsigned char *block, size_t bytes, double *us, size_t writes)
{
    double sum = 0;

    for (size_t i = 0; i < writes; i++) {
        off_t at = (off_t)(i * bytes % FILE_BYTES);
        double begin = now_us();

        memset(block, (int)(i & 0xff), bytes);
        write_at(fd, block, bytes, at);
        us[i] = now_us() - begin;
        sum += us[i];
    }
    qsort(us, writes, sizeof *us, by_value);
    return sum;
}

static size_t parse_number(const char *text, size_t max)
{
    char *end;

    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno || end == text || *end || number < 1 || number > max) {
        fprintf(stderr, "disk_sync: '%s' is not a number from 1 to %zu\n", text, max);
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: bench-disk_sync DIRECTORY [WRITES [BYTES]]\n");
        return 2;
    }
    size_t writes = argc > 2 ? parse_number(argv[2], MAX_WRITES) : 2000;
    size_t bytes = argc > 3 ? parse_number(argv[3], MAX_BYTES) : 4096;
    if (bytes % ALIGNMENT != 0 || FILE_BYTES % bytes != 0) {
        fprintf(stderr, "disk_sync: BYTES must divide %d and be a multiple of %d\n", FILE_BYTES,
                ALIGNMENT);
        return 2;
    }
    unsigned char *block = aligned_alloc(ALIGNMENT, bytes);
    double *us = calloc(writes, sizeof *us);
    if (!block || !us)
        fatal("memory", ENOMEM);

    memset(block, 0, bytes);
    int fd = make_file(argv[1], block, bytes);
    double sum = measure(fd, block, bytes, us, writes);
    printf("{\"bytes\":%zu,\"writes\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"mean_us\":%.1f}\n",
           bytes, writes, us[writes / 2], us[writes * 99 / 100], sum / (double)writes);
    close(fd);
    free(us);
    free(block);
    return 0;
}
