/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/confinement.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "tools/service/notice.h"

/* The sanitizers do more than the engine does: a look for leaks makes a process. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

/* ---- what is refused ---- */

/* Where the kernel returns a call's result to. */
#if defined(__x86_64__)
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#endif

enum { CALLS_MOST = 1024, NAME_MOST = 32 };

/* Written before there is a filter. What has no name is newer than libseccomp. */
static char names[CALLS_MOST][NAME_MOST];

/* Relaxed: a second line would do no harm. */
static _Atomic bool told[CALLS_MOST];

/* Relaxed: no other data depends on it. A lock-free atomic is safe in a signal's handler. */
static _Atomic uint64_t refused;

uint64_t confinement_refused(void)
{
    return atomic_load_explicit(&refused, memory_order_relaxed);
}

static void name_calls(void)
{
    for (int number = 0; number < CALLS_MOST; number++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
        if (name)
            snprintf(names[number], NAME_MOST, "%s", name);
        free(name);
    }
}

#ifdef RESULT
/* Like all that this calls, it may run in the middle of anything: no printf. */
static void tell(int number)
{
    char thread[16] = "", digits[12];
    size_t first = sizeof digits - 1;
    prctl(PR_GET_NAME, thread);
    digits[first] = '\0';
    for (unsigned left = (unsigned)number; left > 0 || !digits[first]; left /= 10)
        digits[--first] = (char)('0' + left % 10);
    const char *const pieces[] = { "refused the system call ",
                                   names[number],
                                   " (",
                                   digits + first,
                                   ") of the thread ",
                                   thread,
                                   ": the engine has no use for it; if you do, --no-seccomp",
                                   NULL };
    const struct notice_field fields[] = {
        { .name = "call", .text = names[number] },
        { .name = "number", .number = (uint64_t)number },
        { .name = "thread", .text = thread },
        { .name = NULL },
    };
    notice_in_signal(LOG_ERR, "confinement", fields, pieces);
}

/* What this build has no name for fails as on a kernel that does not have it either: libraries try
 * new calls, and know what to do then. */
static void on_refused(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    int number = info->si_syscall;
    int saved = errno;
    (void)signal;
    bool known = number >= 0 && number < CALLS_MOST && names[number][0];
    if (known)
        atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    if (known && !atomic_exchange_explicit(&told[number], true, memory_order_relaxed))
        tell(number);
    RESULT(interrupted) = known ? -EPERM : -ENOSYS;
    errno = saved;
}

static int catch_refusals(void)
{
    struct sigaction action = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}
#endif

/* ---- what is allowed ---- */

static int allow(scmp_filter_ctx filter, const char *name, unsigned count,
                 const struct scmp_arg_cmp *conditions)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) /* this libseccomp does not know it, so nothing here uses it */
        return 0;
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, count, conditions);
}

static int answer(scmp_filter_ctx filter, const char *name, int error, unsigned count,
                  const struct scmp_arg_cmp *conditions)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return 0;
    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned)error), number, count,
                                  conditions);
}

static int allow_calls(scmp_filter_ctx filter)
{
    static const char *const serving[] = {
#define SERVING(name) #name,
#define PARTLY(name)
#define STARTING(name)
#include "tools/stockd/system_calls.def"
#undef SERVING
#undef PARTLY
#undef STARTING
    };
    int error = 0;
    for (size_t i = 0; i < sizeof serving / sizeof *serving && !error; i++)
        error = allow(filter, serving[i], 0, NULL);
    return error;
}

/* Memory that a program is loaded into. */
static int allow_memory(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp data = SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int error = allow(filter, "mmap", 1, &data);
    return error ? error : allow(filter, "mprotect", 1, &data);
}

/* A thread, and no process. The flags of clone3 are out of a filter's sight; without it the C
 * library uses clone. */
static int allow_threads(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp thread = SCMP_A0_32(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    const struct scmp_arg_cmp itself = SCMP_A0_32(SCMP_CMP_EQ, (scmp_datum_t)getpid());
    const struct scmp_arg_cmp naming = SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME);
    const struct scmp_arg_cmp asking = SCMP_A0_32(SCMP_CMP_EQ, PR_GET_NAME);
    const struct scmp_arg_cmp tagging = SCMP_A0_32(SCMP_CMP_EQ, PR_SET_VMA);
    const struct scmp_arg_cmp looking = SCMP_A2(SCMP_CMP_EQ, 0); /* a pointer to new limits */
    int error = answer(filter, "clone3", ENOSYS, 0, NULL);
    error = error ? error : allow(filter, "clone", 1, &thread);
    error = error ? error : allow(filter, "kill", 1, &itself);
    error = error ? error : allow(filter, "tgkill", 1, &itself);
    error = error ? error : allow(filter, "prctl", 1, &naming);
    error = error ? error : allow(filter, "prctl", 1, &asking);
    error = error ? error : answer(filter, "prctl", EINVAL, 1, &tagging); /* as an old kernel */
    return error ? error : allow(filter, "prlimit64", 1, &looking);
}

/* The C library asks netlink which kinds of addresses the machine has, and does well without. */
static int allow_sockets(scmp_filter_ctx filter)
{
    static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };
    enum { KIND = 0xf };
    const struct scmp_arg_cmp netlink = SCMP_A0_32(SCMP_CMP_EQ, AF_NETLINK);
    int error = answer(filter, "socket", EAFNOSUPPORT, 1, &netlink);
    for (size_t i = 0; i < sizeof families / sizeof *families && !error; i++) {
        const struct scmp_arg_cmp streams[] = {
            SCMP_A0_32(SCMP_CMP_EQ, (scmp_datum_t)families[i]),
            SCMP_A1_32(SCMP_CMP_MASKED_EQ, KIND, SOCK_STREAM),
        };
        const struct scmp_arg_cmp datagrams[] = {
            SCMP_A0_32(SCMP_CMP_EQ, (scmp_datum_t)families[i]),
            SCMP_A1_32(SCMP_CMP_MASKED_EQ, KIND, SOCK_DGRAM),
        };
        error = allow(filter, "socket", 2, streams);
        error = error ? error : allow(filter, "socket", 2, datagrams);
    }
    return error;
}

static int allow_devices(scmp_filter_ctx filter)
{
    static const unsigned requests[] = { TCGETS, FIONBIO, FIONREAD, SIOCOUTQ };
    int error = 0;
    for (size_t i = 0; i < sizeof requests / sizeof *requests && !error; i++) {
        const struct scmp_arg_cmp request = SCMP_A1_32(SCMP_CMP_EQ, requests[i]);
        error = allow(filter, "ioctl", 1, &request);
    }
    return error;
}

/* ---- what is loaded later ---- */

/* The C library loads what /etc/nsswitch.conf names for hosts at the first search, and a filter
 * lets nothing be loaded. What is loaded here it finds. */
static void load_resolvers(void)
{
    char line[512], library[64];
    FILE *file = fopen("/etc/nsswitch.conf", "re");
    while (file && fgets(line, sizeof line, file)) {
        char *rest, *word = strtok_r(line, " \t\n", &rest);
        if (!word || strcmp(word, "hosts:") != 0)
            continue;
        while ((word = strtok_r(NULL, " \t\n", &rest))) {
            snprintf(library, sizeof library, "libnss_%.40s.so.2", word);
            if (word[0] != '[') /* "[NOTFOUND=return]" */
                dlopen(library, RTLD_NOW);
        }
    }
    if (file)
        fclose(file);
}

/* ---- all of it ---- */

void confine_first(const struct options *options)
{
    bool secrets = options->tokens[0] || options->tls_key[0] || options->redis_password_file[0];
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (secrets && !options->core_dumps && !SANITIZED)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int load_filter(void)
{
#ifdef RESULT
    uint32_t refuse = SCMP_ACT_TRAP;
    int error = catch_refusals();
#else
    uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    int error = 0;
#endif
    scmp_filter_ctx filter = error ? NULL : seccomp_init(refuse);
    if (!filter)
        return error ? error : -ENOMEM;
    error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* all threads */
    error = error ? error : seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
    error =
        error ? error : seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    error = error ? error : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree */
    error = error ? error : allow_calls(filter);
    error = error ? error : allow_memory(filter);
    error = error ? error : allow_threads(filter);
    error = error ? error : allow_sockets(filter);
    error = error ? error : allow_devices(filter);
    error = error ? error : seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

/* Of the mirror's Redis; nothing else has to look for a host. */
static bool looks_up_hosts(const struct options *options)
{
    return options->redis[0] && strncmp(options->redis, "unix:", strlen("unix:")) != 0;
}

bool confine(const struct options *options, char *why, size_t size)
{
    if (options->no_seccomp)
        notice(LOG_WARNING, "confinement", "system calls are not filtered (--no-seccomp)");
    if (options->no_seccomp || SANITIZED)
        return true;
    if (looks_up_hosts(options))
        load_resolvers();
    name_calls();
    int error = load_filter();
    if (error)
        snprintf(why, size, "cannot filter system calls: %s; --no-seccomp goes without",
                 strerror(-error));
    return !error;
}
