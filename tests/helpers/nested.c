/* nested DIRECTORY NAME TREE: a tree of processes that count, in memory and each in a file of its own in DIRECTORY.
 *
 * TREE describes what the process does before it counts: `(TREE)` a child, `[TREE]` a child in a new pid namespace, with a session,
 * mounts and /proc of its own, `S` setsid, `G` a process group of its own, `t` a thread, `Z` end at once, which leaves a zombie, `|`
 * a pipe and `f` an open file that all below share.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static volatile unsigned long counted;

static const char *end_of(const char *tree) {
    int depth = 1;
    for (; depth; tree++)
        depth += (*tree == '(' || *tree == '[') - (*tree == ')' || *tree == ']');
    return tree;
}

static void *idle(void *unused) {
    for (;;)
        usleep(50000);
    return unused;
}

static void count(const char *directory, const char *name) {
    char path[512], line[32];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (;;) {
        snprintf(line, sizeof line, "%019lu\n", ++counted);
        if (pwrite(file, line, 20, 0) != 20)
            exit(1);
        usleep(5000);
    }
}

static int child(int nested) {
    int own = open("/proc/self/ns/pid", O_RDONLY);
    if (nested && unshare(CLONE_NEWPID))
        exit(2);
    int pid = fork();
    if (pid && nested && setns(own, CLONE_NEWPID))
        exit(3);
    close(own);
    return pid;
}

int main(int count_of, char **arguments) {
    const char *directory = arguments[1], *tree = arguments[3];
    char name[300];
    int children = 0, held[2];
    pthread_t thread;
    snprintf(name, sizeof name, "%s", arguments[2]);
    int null = open("/dev/null", O_RDWR);
    for (int descriptor = 0; descriptor < 3; descriptor++)
        dup2(null, descriptor);
    if (count_of < 5)
        close_range(3, ~0U, 0);
    while (*tree && *tree != ')' && *tree != ']') {
        char word = *tree++;
        if (word == 'S')
            setsid();
        else if (word == 'G')
            setpgid(0, 0);
        else if (word == 'Z')
            return 7;
        else if (word == 't')
            pthread_create(&thread, NULL, idle, NULL);
        else if (word == '|' && pipe(held))
            return 4;
        else if (word == 'f')
            held[0] = open("/etc/passwd", O_RDONLY);
        if (word != '(' && word != '[')
            continue;
        const char *end = end_of(tree);
        children++;
        if (child(word == '[') == 0) {
            char below[300];
            snprintf(below, sizeof below, "%.200s%c%d", name, word == '[' ? 'n' : 'c', children);
            if (word == '[') {
                /* Its program is opened again, so that nothing of it lies in the mounts of its parent. */
                setsid();
                if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("proc", "/proc", "proc", 0, NULL))
                    return 5;
                char *rest = strndup(tree, end - tree), program[512];
                program[readlink("/proc/self/exe", program, sizeof program - 1)] = 0;
                execl(program, program, directory, below, rest, count_of > 4 || strpbrk(arguments[3], "|f") ? "keep" : NULL, NULL);
                return 6;
            }
            snprintf(name, sizeof name, "%.250s", below);
            children = 0;
            continue;
        }
        tree = end;
    }
    count(directory, name);
}
