/*
 * Puppets: processes and threads that carry out one command after the other.
 *
 * puppets PATH          makes an arena, a pid namespace of its own, with seat 0 in it
 * puppets PATH SEAT     is the same program after execve
 *
 * PATH is this program. Descriptor 3 is shared memory: a head, and a slot for each seat. A seat sleeps on its slot's `request`,
 * does what the slot says, and wakes who sleeps on `done`. Descriptor 4 is the arena's own proc, 5 a pidfd of the container's
 * init. The arena and all in it die with the caller.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEATS 1024
#define STACK 16384
#define NEWPID 0x20000000
#define NEWUSER 0x10000000
#define NEWTIME 0x80
#define PLACES 48

struct head {
	int32_t arena;
	char unused[4092];
};

struct slot {
	uint32_t request, taken, done;
	int32_t word, argument[3], length;
	int64_t result;
	int32_t vector[PLACES];
	int32_t pid;
	char unused[20];
};

struct shared {
	struct head head;
	struct slot slots[SEATS];
};

enum { CLONE = 1, THREAD, SETSID, SETPGID, SUBREAPER, ENTER, ENTER_ROOT, EXEC, EXIT, END, KILL, WAIT, OUTSIDER, SPLIT, UNSHARE, JOIN, ALIKE, OWN_GROUP, OTHER_GROUP };

/* By the bits of TABLES and SPACES in histories.py. */
static const uint64_t tables[] = {CLONE_VM, CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_SYSVSEM};
static const uint64_t spaces[] = {NEWUSER, 0x20000, 0x4000000, 0x8000000, 0x40000000, 0x2000000, NEWTIME};
/* KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_SYSVSEM */
static const int compared[] = {1, 2, 3, 4, 6};

static struct shared *shared;
static char *path;

static void serve(long seat, uint32_t last) __attribute__((noreturn));

static long futex(uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void answer(struct slot *slot, uint32_t request, long result)
{
	slot->result = result < 0 ? -errno : result;
	__atomic_store_n(&slot->done, request, __ATOMIC_SEQ_CST);
	futex(&slot->done, FUTEX_WAKE, 1);
}

static long clone_with(struct slot *slot, uint64_t flags, int signal, char *stack)
{
	int32_t numbers[32];
	struct clone_args args = {.flags = flags, .exit_signal = signal};

	memcpy(numbers, slot->vector, sizeof numbers);
	args.set_tid = (uintptr_t)numbers;
	args.set_tid_size = slot->length;
	if (!stack)
		return syscall(SYS_clone3, &args, sizeof args);
	args.stack = (uintptr_t)stack;
	args.stack_size = STACK;
	/* A thread has no frame to return to: its seat waits for it in a register. */
	long seat = slot->argument[0];
#if defined(__x86_64__)
	long result;
	register long kept __asm__("r12") = seat;
	__asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tmov %%r12, %%rdi\n\txor %%esi, %%esi\n\t"
			 "call *%[serve]\n\t1:"
			 : "=a"(result)
			 : "a"((long)SYS_clone3), "D"(&args), "S"(sizeof args), "r"(kept), [serve] "r"(serve)
			 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long result __asm__("x0") = (long)&args;
	register long size __asm__("x1") = sizeof args;
	register long number __asm__("x8") = SYS_clone3;
	register long kept __asm__("x19") = seat;
	register void *entry __asm__("x20") = serve;
	__asm__ volatile("svc 0\n\tcbnz x0, 1f\n\tmov x29, xzr\n\tmov x0, x19\n\tmov x1, xzr\n\tblr x20\n\t1:"
			 : "+r"(result)
			 : "r"(size), "r"(number), "r"(kept), "r"(entry)
			 : "memory");
#else
	long result = -ENOSYS;
	(void)seat;
#endif
	if (result < 0) {
		errno = -result;
		return -1;
	}
	return result;
}

static void hold_root(int pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);
	if (fd != 5) {
		dup2(fd, 5);
		close(fd);
	} else {
		fcntl(5, F_SETFD, 0);
	}
}

static uint64_t flags_of(const uint64_t *names, int bits)
{
	uint64_t flags = 0;
	for (int place = 0; bits >> place; place++)
		if (bits >> place & 1)
			flags |= names[place];
	return flags;
}

static long join(int number, uint64_t flags)
{
	int fd = syscall(SYS_pidfd_open, number ? number : getpid(), 0);
	if (fd < 0)
		return -1;
	long result = syscall(SYS_setns, fd, flags);
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

static void put(const char *name, const char *text)
{
	int fd = openat(4, name, O_WRONLY);
	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		errno = 0;
	close(fd);
}

static long unshare_spaces(uint64_t flags)
{
	long result = syscall(SYS_unshare, flags);
	if (!result && flags & NEWUSER) {
		/* Who has no id in its user namespace makes none below. */
		put("self/setgroups", "deny");
		put("self/uid_map", "0 0 1");
		put("self/gid_map", "0 0 1");
	}
	if (result || !(flags & NEWTIME))
		return result;
	int fd = openat(4, "self/ns/time_for_children", O_RDONLY);
	if (fd < 0)
		return -1;
	result = syscall(SYS_setns, fd, NEWTIME);
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

/* Replaces each process number by the place of the first one that has the same table. */
static long alike(struct slot *slot)
{
	int32_t first[PLACES];
	for (int place = 0; place < slot->length; place++) {
		first[place] = place;
		for (int before = 0; before < place; before++) {
			if (first[before] != before)
				continue;
			long order = syscall(SYS_kcmp, slot->vector[place], slot->vector[before], compared[slot->argument[0]], 0, 0);
			if (order < 0)
				return -1;
			if (!order) {
				first[place] = before;
				break;
			}
		}
	}
	memcpy(slot->vector, first, sizeof first);
	return 0;
}

static long carry_out(struct slot *slot, long seat)
{
	/* A copy: the child comes to read it when the creator's slot may hold the next command. */
	int32_t argument[3] = {slot->argument[0], slot->argument[1], slot->argument[2]};
	long result;
	int status;

	switch (slot->word) {
	case CLONE: {
		uint64_t flags = (argument[1] & 1 ? NEWPID : 0) | (argument[1] & 2 ? CLONE_PARENT : 0) | flags_of(tables, argument[1] >> 2);
		char *stack = NULL;
		/* In the memory of another a child needs a stack of its own. */
		if (flags & CLONE_VM)
			stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		result = clone_with(slot, flags, argument[2], stack);
		if (!result) {
			seat = argument[0];
			if (seat == 1)
				hold_root(getpid());
			serve(seat, 0);
		}
		if (result > 0 && argument[0] == 1)
			hold_root(result);
		return result;
	}
	case THREAD: {
		char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		return clone_with(slot, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, 0, stack);
	}
	case SETSID:
		return setsid();
	case SETPGID:
		return syscall(SYS_setpgid, argument[0], argument[1]);
	case SUBREAPER:
		return prctl(PR_SET_CHILD_SUBREAPER, argument[0]);
	case ENTER:
		return join(argument[0], NEWPID);
	case ENTER_ROOT:
		return syscall(SYS_setns, 5, NEWPID);
	case EXEC: {
		char digits[16];
		int at = 15;
		digits[at] = 0;
		do
			digits[--at] = '0' + seat % 10;
		while (seat /= 10);
		return execv(path, (char *[]){"puppets", path, digits + at, NULL});
	}
	case EXIT:
		syscall(SYS_exit_group, argument[0]);
		break;
	case END:
		syscall(SYS_exit, argument[0]);
		break;
	case KILL:
		return kill(argument[0], argument[1]);
	case WAIT:
		result = wait4(argument[0], &status, WNOHANG | __WALL, NULL);
		if (!result)
			errno = EAGAIN;
		return result > 0 ? status : -1;
	case OUTSIDER:
		result = fork();
		if (!result) {
			if (argument[1] == 1)
				setsid();
			if (argument[1] == 2)
				setpgid(0, 0);
			serve(argument[0], 0);
		}
		shared->slots[argument[0]].pid = result;
		return result < 0 ? -1 : 0;
	case SPLIT:
		return syscall(SYS_unshare, flags_of(tables, argument[0]));
	case UNSHARE:
		return unshare_spaces(flags_of(spaces, argument[0]));
	case JOIN:
		return join(argument[0], flags_of(spaces, argument[1]));
	case ALIKE:
		return alike(slot);
	case OWN_GROUP:
		return syscall(SYS_setpgid, argument[0], getpgrp());
	case OTHER_GROUP:
		return syscall(SYS_setpgid, argument[0], getpgid(shared->slots[argument[1]].pid));
	}
	errno = ENOSYS;
	return -1;
}

static void serve(long seat, uint32_t last)
{
	struct slot *slot = &shared->slots[seat];
	for (;;) {
		uint32_t request = __atomic_load_n(&slot->request, __ATOMIC_SEQ_CST);
		if (request == last) {
			futex(&slot->request, FUTEX_WAIT, last);
			continue;
		}
		last = request;
		__atomic_store_n(&slot->taken, request, __ATOMIC_SEQ_CST);
		answer(slot, request, carry_out(slot, seat));
	}
}

static void be_arena(void)
{
	int fs = syscall(SYS_fsopen, "proc", 0);
	syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0);
	int mount = syscall(SYS_fsmount, fs, 0, 0);
	if (mount < 0)
		_exit(3);
	if (mount != 4) {
		dup2(mount, 4);
		close(mount);
	}
	if (fs != 4)
		close(fs);
	int player = fork();
	if (!player) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* A process outside leaves its children to seat 0. */
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		/* So its group has a number here, which it can name. */
		setsid();
		serve(0, 0);
	}
	shared->slots[0].pid = player;
	shared->slots[0].taken = ~0u;
	futex(&shared->slots[0].taken, FUTEX_WAKE, 1);
	while (wait4(-1, NULL, __WALL, NULL) != player)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	path = argv[1];
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
	if (shared == MAP_FAILED)
		return 4;
	if (argc > 2) {
		long seat = atol(argv[2]);
		struct slot *slot = &shared->slots[seat];
		uint32_t request = slot->request;
		answer(slot, request, 0);
		serve(seat, request);
	}
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (syscall(SYS_unshare, NEWPID))
		return 5;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int arena = fork();
	if (!arena) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		be_arena();
	}
	shared->head.arena = arena;
	int status;
	while (wait4(arena, &status, 0, NULL) != arena)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}
