/*
 * What the tables below are made of.
 *
 * Processes and steps are named by their row; row 0 of the processes is this program itself, the executor, and row 0 of the
 * steps is unused. The tables hold no pointers, so they stay on the pages of the file and every process reads the same copy.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CORE_DUMPED 0x80 /* in a wait status */
#define RULE_BYTES 64

#ifndef LEVELS
#define LEVELS 32 /* MAX_PID_NS_LEVEL of the kernel */
#endif

enum kind { EXECUTOR, TASK, THREAD, HELPER, REAPER };

/*
 * A process or thread. `first` is its first step, 0 for none; `ends` is the step that ends it, 0 when it stays. `set_tid` is
 * its number at each of its `levels`, innermost first, as clone3 wants it. It has the first 15 bytes of its `name`.
 */
struct process {
	enum kind kind;
	unsigned first, ends;
	int levels;
	int set_tid[LEVELS];
	char name[16];
};

/*
 * What a step does; `subject` is the process that it is about, and numbers are as the actor sees them.
 *
 *   CREATE    a: clone3 flags, b: exit signal       EXIT    a: wait status, b: the leading thread alone
 *   SPAWN     a thread                              KILL    a: number of the subject, b: signal
 *   SETSID                                          REAP    a: number of the subject
 *   SETPGID   a: number of the target, b: group     VERIFY  a, b, c: parent, group and session at level 0,
 *   SUBREAPER a: on or off                                  d: wait status of a zombie, -1 for the living
 *                                                   e: exit signal, -1 for any
 *   ENTER     a: number of an init, or of itself    UNSHARE a: flags of namespaces
 *   JOIN      a: number of the subject, b: the flag of a namespace
 *   STOP      the last of all, and done by the executor
 *   MAP       a, c: where the uid_map begins in `maps`, and its length, d, e: the same of the gid_map; b: its own ids instead
 */
enum op { CREATE, SPAWN, SETSID, SETPGID, SUBREAPER, ENTER, EXIT, KILL, REAP, UNSHARE, JOIN, MAP, VERIFY, STOP };

/*
 * A step. `count` entries of the table `lists` from `list` on are the steps of other processes that must be done first; for
 * VERIFY they are the rows of the other threads. `next` is the actor's next step, 0 after its last.
 */
struct step {
	enum op op;
	unsigned actor, subject;
	int a, b, c, d, e;
	unsigned list, count, next, rule;
};

/* What the VERIFY `step` says of the namespace of another kind than pid that its subject is in: the one that `holder` made. */
struct place {
	unsigned step, kind, holder;
};
