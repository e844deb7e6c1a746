/*
 * System calls without the C library.
 *
 * A created process has no thread-local storage of its own and must not touch errno, so it calls the kernel directly; every
 * call returns the negative errno when it fails. `spawn` is a clone whose child continues on another stack although the
 * kernel was given none: the child leaves its creator's stack before it touches it.
 */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#endif
#ifndef SYS_fsconfig
#define SYS_fsconfig 431
#endif
#ifndef SYS_fsmount
#define SYS_fsmount 432
#endif
#ifndef CLONE_NEWPID
#define CLONE_NEWPID 0x20000000
#endif
#ifndef __WALL
#define __WALL 0x40000000
#endif

struct clone_arguments {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

#if defined(__x86_64__) && !defined(__ILP32__)

#define OWN_STACKS 1

static inline long raw(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "+a"(number)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return number;
}

static inline long spawn(long number, long a, long b, void *stack, void (*life)(long), long argument)
{
	register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0;
	register void *top __asm__("r12") = stack;
	register void (*start)(long) __asm__("r13") = life;
	register long row __asm__("r14") = argument;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %%r12, %%rsp\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r14, %%rdi\n\t"
			 "call *%%r13\n\t"
			 "ud2\n"
			 "1:"
			 : "+a"(number)
			 : "D"(a), "S"(b), "d"(0), "r"(r10), "r"(r8), "r"(top), "r"(start), "r"(row)
			 : "rcx", "r11", "memory");
	return number;
}

#elif defined(__aarch64__) && !defined(__ILP32__)

#define OWN_STACKS 1

static inline long raw(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

static inline long spawn(long number, long a, long b, void *stack, void (*life)(long), long argument)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = 0;
	register long x3 __asm__("x3") = 0, x4 __asm__("x4") = 0;
	register void *top __asm__("x9") = stack;
	register void (*start)(long) __asm__("x10") = life;
	register long row __asm__("x11") = argument;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov sp, x9\n\t"
			 "mov x29, xzr\n\t"
			 "mov x30, xzr\n\t"
			 "mov x0, x11\n\t"
			 "blr x10\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(top), "r"(start), "r"(row)
			 : "memory");
	return x0;
}

#else
#error "the calls in kernel.c are written for x86-64 and aarch64"
#endif

#define CALL0(number) raw(number, 0, 0, 0, 0, 0, 0)
#define CALL1(number, a) raw(number, (long)(a), 0, 0, 0, 0, 0)
#define CALL2(number, a, b) raw(number, (long)(a), (long)(b), 0, 0, 0, 0)
#define CALL3(number, a, b, c) raw(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL4(number, a, b, c, d) raw(number, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define CALL5(number, a, b, c, d, e) raw(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define CALL6(number, a, b, c, d, e, f) raw(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static const char *error_name(int error)
{
	switch (error) {
#define NAME(name) case name: return #name
	NAME(E2BIG); NAME(EACCES); NAME(EAGAIN); NAME(EBADF); NAME(EBUSY); NAME(ECHILD); NAME(EDEADLK); NAME(EEXIST);
	NAME(EFAULT); NAME(EINTR); NAME(EINVAL); NAME(EIO); NAME(EMFILE); NAME(EMLINK); NAME(ENAMETOOLONG); NAME(ENFILE);
	NAME(ENODEV); NAME(ENOENT); NAME(ENOMEM); NAME(ENOSPC); NAME(ENOSYS); NAME(ENOTDIR); NAME(ENXIO); NAME(EOPNOTSUPP);
	NAME(EPERM); NAME(EPIPE); NAME(EPROTO); NAME(ERANGE); NAME(EROFS); NAME(ESRCH); NAME(ETIMEDOUT); NAME(EUSERS);
#undef NAME
	default: return "unknown errno";
	}
}
