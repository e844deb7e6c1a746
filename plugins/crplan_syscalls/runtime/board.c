/*
 * The board: memory that all processes of the rebuild share.
 *
 * It says which steps are done and holds the first failure, and every process has its stack there. Where no process sleeps on a
 * step, marking it done is one store and no system call.
 */
#define STACK_SIZE 2048
#define NOBODY 0xffffffffu

enum progress { PENDING, AWAITED, DONE };

struct board {
	uint32_t bell;		/* changes when the watcher should look */
	uint32_t left;		/* steps not yet done, VERIFY aside */
	uint32_t proc_open;	/* the watcher has the container's proc instance */
	uint32_t checking;	/* every step is done, VERIFY may begin */
	uint32_t next_check;	/* rows of `steps` up to here are taken for VERIFY */
	uint32_t checkers;	/* threads that still VERIFY */
	uint32_t verified;	/* the watcher has nothing more to say */
	uint32_t leaving;	/* entries of `leaves` that are taken */
	uint32_t claimed, failed, reported;
	unsigned failed_step;
	unsigned failed_process;
	int error;		/* errno, or 0 for a mismatch */
	char why[160];
	int init;		/* the namespace's init, as the executor sees it */
	int proc;		/* descriptor of the container's proc instance */
	uint64_t deaf;		/* signals that ending children send: all processes block them */
	volatile sig_atomic_t stop;
	int64_t *clocks;	/* when each step was done, where a program listens */
	int *outside;		/* the executor's own children by its own numbers, for each process */
	uint32_t *done;		/* for each step */
	uint32_t *leaves;	/* EXIT and KILL steps whose process is about to end */
	uint32_t *announced;	/* the same, as flags */
};

#define BIT(signal) ((uint64_t)1 << ((signal) - 1))

static struct board *board;
static int handing_over[2];	/* the socket pair that brings the proc instance */
static char *stacks;
static int listener = -1; /* a pipe to a program that listens */

/* Where INSIDE: the proc instance of the namespace, and the link to the program outside of it. */
static struct { int proc, outside; } guest = { -1, -1 };

struct text {
	char *at, *end;
};

/* Loops that the compiler must not turn into calls of the C library: tasks use them on their small stacks. */
#define KEEP_LOOP() __asm__ volatile("")

static void add(struct text *text, const char *words)
{
	for (; *words && text->at < text->end - 1; words++) {
		*text->at++ = *words;
		KEEP_LOOP();
	}
	*text->at = 0;
}

static void add_number(struct text *text, long number)
{
	char digits[24];
	int at = sizeof digits - 1;
	unsigned long rest = number < 0 ? 0 - (unsigned long)number : (unsigned long)number;

	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (number < 0)
		digits[--at] = '-';
	add(text, digits + at);
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* The clock as a task reads it, by a call: the library's way may need more stack than it has. */
static int64_t clock_now(void)
{
	struct timespec time = { 0, 0 };

	CALL2(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static uint32_t look(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void sleep_on(uint32_t *word, uint32_t value, long nanoseconds)
{
	struct timespec pause = { nanoseconds / 1000000000, nanoseconds % 1000000000 };

	CALL4(SYS_futex, word, FUTEX_WAIT, value, nanoseconds ? &pause : NULL);
}

static void wake(uint32_t *word)
{
	CALL3(SYS_futex, word, FUTEX_WAKE, INT_MAX);
}

static void ring(void)
{
	__atomic_add_fetch(&board->bell, 1, __ATOMIC_RELEASE);
	wake(&board->bell);
}

/* Wait until a flag is up; a process that fails ends everything, so no process needs to look for failures. */
static void wait_for(uint32_t *flag)
{
	uint32_t seen;

	while ((seen = look(flag)) != DONE) {
		uint32_t pending = PENDING;

		if (seen == AWAITED
		    || __atomic_compare_exchange_n(flag, &pending, AWAITED, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			sleep_on(flag, AWAITED, 0);
	}
}

static void raise_flag(uint32_t *flag)
{
	if (__atomic_exchange_n(flag, DONE, __ATOMIC_ACQ_REL) == AWAITED)
		wake(flag);
}

static void mark_done(unsigned step)
{
	/* Counted first: once the flag is up, another actor may kill this one. */
	uint32_t left;

	if (listener >= 0)
		board->clocks[step] = clock_now();
	left = __atomic_sub_fetch(&board->left, 1, __ATOMIC_ACQ_REL);
	raise_flag(&board->done[step]);
	if (!left)
		ring();
}

/* Say that the step's process is about to end; the watcher marks the step done when it has ended. */
static void announce(unsigned step)
{
	uint32_t at = __atomic_fetch_add(&board->leaving, 1, __ATOMIC_ACQ_REL);

	raise_flag(&board->announced[step]);
	__atomic_store_n(&board->leaves[at], step, __ATOMIC_RELEASE);
	ring();
}

/* Record a failure, the first one only; error 0 is a mismatch. */
static void fail(unsigned step, unsigned process, const char *what, int error)
{
	if (!__atomic_exchange_n(&board->claimed, 1, __ATOMIC_ACQ_REL)) {
		struct text why = { board->why, board->why + sizeof board->why };

		add(&why, what);
		board->failed_step = step;
		board->failed_process = process;
		board->error = error;
		__atomic_store_n(&board->failed, 1, __ATOMIC_RELEASE);
		ring();
	}
}

static int at_level_0(unsigned process)
{
	return process ? processes[process].set_tid[processes[process].levels - 1] : 0;
}

static void *stack_of(long process)
{
	return stacks + (process + 1) * STACK_SIZE;
}
