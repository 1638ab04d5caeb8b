/* SPDX-License-Identifier: Apache-2.0 */
/*
 * USDT probes of the provider `stockd`, for perf, bpftrace and gdb: PROBE(name, argument...) with
 * up to four integers or pointers. A probe is one no-op and a note in the ELF file until a tracer
 * puts a trap there; without <sys/sdt.h> (Debian: systemtap-sdt-dev) it is nothing. Its arguments
 * are computed even if no tracer runs: pass only values that are at hand.
 *
 * docs/TRACING.md lists the probes and their arguments; integration/probes compares.
 */
#ifndef STOCKD_ENGINE_BASE_PROBE_H
#define STOCKD_ENGINE_BASE_PROBE_H

#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define PROBE_COUNTED(_1, _2, _3, _4, count, ...) STAP_PROBE##count
#define PROBE_BY_COUNT(...) PROBE_COUNTED(__VA_ARGS__, 4, 3, 2, 1, )
#define PROBE(name, ...) PROBE_BY_COUNT(__VA_ARGS__)(stockd, name, __VA_ARGS__)
#else
#define PROBE(name, ...) ((void)0)
#endif

#endif
