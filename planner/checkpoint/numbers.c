/* Preloaded into `criu restore`: gives its clone3 the numbers of a task in all pid namespaces, and has inner parts born.
 *
 * CRIU creates every task by libc's syscall(__NR_clone3) with one number (criu/clone-noasan.c). CRPLAN_TABLE names a file with
 * lines `pid NUMBER VECTOR...`, innermost number first, and `birth NUMBER SCRIPT VECTOR...`: in the child that has NUMBER, right
 * after its birth, a helper with the numbers VECTOR runs SCRIPT, which restores an inner part as a child of that task.
 *
 * Threads are created by raw calls in the restored tasks, again with one number. A line `threads NUMBER FILE BORN TASKS VECTOR...`
 * before that of a birth has a second helper trace the tasks of the inner part from when all TASKS of them are born until they have
 * their threads, and put the vectors of FILE into those calls: its lines are `TASK VECTOR...`, with the number that TASK has here.
 *
 * CRPLAN_BORN names a file to which each task of the table adds a byte once all is born in it, CRPLAN_FAILED one that is made where
 * a birth fails, and CRPLAN_SEEN one to which each call that was met adds a line. Nothing of this is mapped in the restored processes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEVELS = 32, LINE = 4096, BELOW = 1024, TRIES = 50000 };

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

/* Reads the next line of `file` that is of this number, with this word or any; returns what is behind the number, NULL at the end. */
static char *next(FILE *file, const char *word, int number, char *line) {
    char *rest, *token;
    while (fgets(line, LINE, file))
        if ((token = strtok_r(line, " \n", &rest)) && (!word || !strcmp(token, word)) && (token = strtok_r(NULL, " \n", &rest)) && atoi(token) == number)
            return rest;
    return NULL;
}

static int numbers(char *line, int *vector) {
    char *rest, *token = strtok_r(line, " \n", &rest);
    int count = 0;
    for (; count < LEVELS && token; token = strtok_r(NULL, " \n", &rest))
        vector[count++] = atoi(token);
    return count;
}

static void note(const char *variable, const char *text) {
    const char *name = getenv(variable);
    int file = name ? open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file >= 0) {
        dprintf(file, "%s", text);
        close(file);
    }
}

static FILE *table(void) {
    const char *name = getenv("CRPLAN_TABLE");
    return name ? fopen(name, "re") : NULL;
}

struct thread {
    int task, count, vector[LEVELS];
};

static struct thread *threads;
static int thread_count;

/* Reads the vectors of all threads; ends the helper where that cannot be done. */
static void read_threads(const char *name) {
    char line[LINE], *rest, *token;
    FILE *file = fopen(name, "re");
    if (!file)
        _exit(1);
    while (fgets(line, sizeof line, file)) {
        threads = realloc(threads, (thread_count + 1) * sizeof *threads);
        if (!threads || !(token = strtok_r(line, " \n", &rest)))
            _exit(1);
        struct thread *one = &threads[thread_count++];
        *one = (struct thread){.task = atoi(token)};
        while (one->count < LEVELS && (token = strtok_r(NULL, " \n", &rest)))
            one->vector[one->count++] = atoi(token);
    }
    fclose(file);
}

static int left_of(int task) {
    int left = 0;
    for (int position = 0; position < thread_count; position++)
        left += threads[position].task == task;
    return left;
}

/* At the entry of a call of `task`: a clone3 with one number of ours is given the vector, below all that its stack holds. */
static void lengthen(int task, const struct ptrace_syscall_info *call) {
    struct clone_args given;
    size_t size = call->entry.args[1] < sizeof given ? call->entry.args[1] : sizeof given;
    struct iovec here = {&given, size}, there = {(void *)(uintptr_t)call->entry.args[0], size};
    int number;
    if (call->entry.nr != SYS_clone3 || process_vm_readv(task, &here, 1, &there, 1, 0) != (ssize_t)size || given.set_tid_size != 1)
        return;
    struct iovec one = {&number, sizeof number}, set = {(void *)(uintptr_t)given.set_tid, sizeof number};
    if (process_vm_readv(task, &one, 1, &set, 1, 0) != sizeof number)
        return;
    for (int position = 0; position < thread_count; position++) {
        struct thread *thread = &threads[position];
        if (thread->task != task || thread->vector[0] != number)
            continue;
        given.set_tid = (call->stack_pointer - BELOW) & ~15UL;
        given.set_tid_size = thread->count;
        struct iovec vector = {thread->vector, sizeof thread->vector}, place = {(void *)(uintptr_t)given.set_tid, sizeof thread->vector};
        if (process_vm_writev(task, &vector, 1, &place, 1, 0) == sizeof thread->vector)
            process_vm_writev(task, &here, 1, &there, 1, 0);
        thread->task = 0;
        return;
    }
}

static long control(int request, int task, long address, long data) {
    return raw(SYS_ptrace, request, task, address, data, 0, 0);
}

/* Traces the tasks until each has its threads. A task that ends before, or is let go, is traced no more. */
static void trace(void) {
    int status, task;
    for (int position = 0; position < thread_count; position++)
        if (control(PTRACE_SEIZE, threads[position].task, 0, PTRACE_O_TRACESYSGOOD) == 0)
            control(PTRACE_INTERRUPT, threads[position].task, 0, 0);
    while ((task = waitpid(-1, &status, __WALL)) > 0) {
        struct ptrace_syscall_info call;
        if (!WIFSTOPPED(status))
            continue;
        int signal = WSTOPSIG(status), event = status >> 16;
        if (signal == (SIGTRAP | 0x80)) {
            if (control(PTRACE_GET_SYSCALL_INFO, task, sizeof call, (long)&call) > 0 && call.op == PTRACE_SYSCALL_INFO_ENTRY)
                lengthen(task, &call);
            signal = 0;
        }
        control(left_of(task) ? PTRACE_SYSCALL : PTRACE_DETACH, task, 0, event ? 0 : signal);
    }
}

/* Starts the helper that sees to the threads of the inner part that is born next; `line` has what is behind the task's number. */
static long start_tracer(char *line) {
    int vector[LEVELS], count = 0;
    char *rest, *file = strtok_r(line, " \n", &rest), *born = strtok_r(NULL, " \n", &rest), *token = strtok_r(NULL, " \n", &rest);
    off_t tasks = token ? atoi(token) : 0;
    struct stat state;
    while (count < LEVELS && (token = strtok_r(NULL, " \n", &rest)))
        vector[count++] = atoi(token);
    struct clone_args wanted = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)vector, .set_tid_size = count};
    pid_t above = getpid();
    long helper = raw(SYS_clone3, (long)&wanted, sizeof wanted, 0, 0, 0, 0);
    if (helper)
        return helper;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != above)
        _exit(0);
    read_threads(file);
    while (stat(born, &state) || state.st_size < tasks)
        usleep(100);
    trace();
    _exit(0);
}

/* Runs a script to its end in a helper; `line` has its name and the helper's numbers. */
static int one_birth(char *line) {
    int vector[LEVELS], status = -1;
    char *rest, *script = strtok_r(line, " \n", &rest);
    struct clone_args wanted = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)vector, .set_tid_size = numbers(rest, vector)};
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
    char line[LINE], *rest;
    FILE *file = table();
    sigset_t child, before;
    struct timespec now = {0};
    long tracer = 0;
    if (!file)
        return;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    while ((rest = next(file, NULL, number, line))) {
        if (!strcmp(line, "threads")) {
            tracer = start_tracer(rest);
        } else if (!strcmp(line, "birth")) {
            int failed = one_birth(rest);
            if (tracer > 0) {
                kill(tracer, SIGKILL);
                while (waitpid(tracer, NULL, __WALL) < 0 && errno == EINTR)
                    ;
            }
            tracer = 0;
            if (failed) {
                note("CRPLAN_FAILED", "");
                _exit(1);
            }
        }
    }
    sigtimedwait(&child, NULL, &now);
    sigprocmask(SIG_SETMASK, &before, NULL);
    fclose(file);
}

static long create(struct clone_args *given, long size) {
    struct clone_args wanted = *given;
    char line[LINE], *rest, seen[64];
    int vector[LEVELS], number = given->set_tid_size == 1 ? *(int *)(uintptr_t)given->set_tid : 0;
    FILE *file = number ? table() : NULL;
    int count = file && (rest = next(file, "pid", number, line)) ? numbers(rest, vector) : 0;
    if (file)
        fclose(file);
    snprintf(seen, sizeof seen, "%d %d\n", number, count);
    note("CRPLAN_SEEN", seen);
    if (count) {
        wanted.set_tid = (uintptr_t)vector;
        wanted.set_tid_size = count;
    }
    long result = raw(SYS_clone3, (long)&wanted, size < (long)sizeof wanted ? size : (long)sizeof wanted, 0, 0, 0, 0);
    if (result == 0 && number)
        births(number);
    if (result == 0 && count)
        note("CRPLAN_BORN", ".");
    return result;
}

static long returned(long result) {
    if (result >= 0 || result <= -4096)
        return result;
    errno = -result;
    return -1;
}

/* CRIU traces the root of an inner part from its birth on, to be told if it dies. Where CRPLAN_LATE is 1, the tracing begins at the
 * next request for it, which comes when its threads are there: until then it is the tracer of threads that traces it. */
long ptrace(int request, ...) {
    static int late;
    long result, word = 0;
    va_list list;
    const char *wanted = getenv("CRPLAN_LATE");
    va_start(list, request);
    int task = va_arg(list, int);
    long address = va_arg(list, long), data = va_arg(list, long);
    va_end(list);
    if (request == PTRACE_SEIZE && !late && wanted && *wanted == '1') {
        late = task;
        return 0;
    }
    if (late > 0 && task == late) {
        for (int tries = 0; tries < TRIES && (result = control(PTRACE_SEIZE, task, 0, 0)) == -EPERM; tries++)
            usleep(100);
        late = -1;
        if (result || request == PTRACE_SEIZE)
            return returned(result);
    }
    if (request != PTRACE_PEEKTEXT && request != PTRACE_PEEKDATA && request != PTRACE_PEEKUSR)
        return returned(control(request, task, address, data));
    result = control(request, task, address, (long)&word);
    return result < 0 ? returned(result) : (errno = 0, word);
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
    return returned(result);
}
