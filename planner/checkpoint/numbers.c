/* Preloaded into `criu restore`: gives its clone3 the numbers of a task in all pid namespaces, and has inner parts born.
 *
 * CRIU creates every task by libc's syscall(__NR_clone3) with one number (criu/clone-noasan.c). CRPLAN_TABLE names a file with
 * lines `pid NUMBER VECTOR...`, innermost number first, and `birth NUMBER SCRIPT VECTOR...`: in the child that has NUMBER, right
 * after its birth, a helper with the numbers VECTOR runs SCRIPT, which restores an inner part as a child of that task. With a line
 * `thread NUMBER FILE FIRST VECTOR...`, a second helper sees to it meanwhile, from when FILE is there, that the next number is FIRST.
 * CRPLAN_SEEN names a file to which each call that was met adds a line. Nothing of this is mapped in the restored processes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEVELS = 32, LINE = 4096 };

static long raw(long number, long a, long b, long c, long d, long e, long f) {
    long result;
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    result = x0;
#else
#error "crplan restore knows x86-64 and aarch64"
#endif
    return result;
}

/* Reads the next line of `file` with this word and number; returns how many numbers its vector has, 0 at the end of the file. */
static int next(FILE *file, const char *word, int number, int *vector, char *script) {
    char line[LINE], *rest;
    while (fgets(line, sizeof line, file)) {
        int count = 0;
        char *token = strtok_r(line, " \n", &rest);
        if (!token || strcmp(token, word) || !(token = strtok_r(NULL, " \n", &rest)) || atoi(token) != number)
            continue;
        if (script && (token = strtok_r(NULL, " \n", &rest)))
            snprintf(script, LINE, "%s", token);
        while (count < LEVELS && (token = strtok_r(NULL, " \n", &rest)))
            vector[count++] = atoi(token);
        return count;
    }
    return 0;
}

static FILE *table(void) {
    const char *name = getenv("CRPLAN_TABLE");
    return name ? fopen(name, "re") : NULL;
}

/* Threads are created by raw calls in the restored tasks, with their innermost number alone. The outer one is the next that is free:
 * it is set again and again, since helpers of CRIU's own are created in between. Returns the helper, 0 where none is needed. */
static long start_watch(int number) {
    int vector[LEVELS], count;
    char name[LINE], text[32];
    FILE *file = table();
    count = file ? next(file, "thread", number, vector, name) : 0;
    if (file)
        fclose(file);
    if (count < 2)
        return 0;
    struct clone_args wanted = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)(vector + 1), .set_tid_size = count - 1};
    pid_t above = getpid();
    long helper = raw(SYS_clone3, (long)&wanted, sizeof wanted, 0, 0, 0, 0);
    if (helper)
        return helper;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != above)
        _exit(0);
    int size = snprintf(text, sizeof text, "%d", vector[0] - 1);
    while (access(name, F_OK))
        usleep(100);
    int last = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    while (pwrite(last, text, size, 0) == size)
        ;
    _exit(1);
}

static int one_birth(const char *script, int *vector, int count) {
    struct clone_args wanted = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)vector, .set_tid_size = count};
    int status = -1;
    long helper = raw(SYS_clone3, (long)&wanted, sizeof wanted, 0, 0, 0, 0);
    if (helper == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        raw(SYS_close_range, 3, ~0U, 0, 0, 0, 0);
        unsetenv("LD_PRELOAD");
        execl("/bin/sh", "sh", script, (char *)NULL);
        _exit(127);
    }
    while (helper > 0 && waitpid(helper, &status, __WALL) < 0 && errno == EINTR)
        ;
    return status;
}

static void births(int number) {
    int vector[LEVELS], count;
    char script[LINE];
    FILE *file = table();
    sigset_t child, before;
    struct timespec now = {0};
    if (!file)
        return;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    long watch = start_watch(number);
    while ((count = next(file, "birth", number, vector, script)))
        if (one_birth(script, vector, count))
            _exit(1);
    if (watch > 0) {
        kill(watch, SIGKILL);
        while (waitpid(watch, NULL, __WALL) < 0 && errno == EINTR)
            ;
    }
    sigtimedwait(&child, NULL, &now);
    sigprocmask(SIG_SETMASK, &before, NULL);
    fclose(file);
}

static long create(struct clone_args *given, long size) {
    struct clone_args wanted = *given;
    int vector[LEVELS], number = given->set_tid_size == 1 ? *(int *)(uintptr_t)given->set_tid : 0;
    FILE *file = number ? table() : NULL;
    int count = file ? next(file, "pid", number, vector, NULL) : 0;
    const char *seen = getenv("CRPLAN_SEEN");
    int report = seen ? open(seen, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file)
        fclose(file);
    if (report >= 0) {
        dprintf(report, "%d %d\n", number, count);
        close(report);
    }
    if (count) {
        wanted.set_tid = (uintptr_t)vector;
        wanted.set_tid_size = count;
    }
    long result = raw(SYS_clone3, (long)&wanted, size < (long)sizeof wanted ? size : (long)sizeof wanted, 0, 0, 0, 0);
    if (result == 0 && number)
        births(number);
    return result;
}

long syscall(long number, ...) {
    long arguments[6], result;
    va_list list;
    va_start(list, number);
    for (int position = 0; position < 6; position++)
        arguments[position] = va_arg(list, long);
    va_end(list);
    if (number == SYS_clone3)
        result = create((struct clone_args *)arguments[0], arguments[1]);
    else
        result = raw(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
    if (result < 0 && result > -4096) {
        errno = -result;
        return -1;
    }
    return result;
}
