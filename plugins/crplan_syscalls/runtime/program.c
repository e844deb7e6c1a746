/*
 * The program: the executor is the main thread and does the steps of actor 0.
 *
 * The namespace's init dies with it by PR_SET_PDEATHSIG, and with the init everything that was made.
 */
static int own_pidfd;

/* Signals that ask for the end, and those that the executor takes otherwise than what it creates. */
#define END_SIGNALS (BIT(SIGTERM) | BIT(SIGINT) | BIT(SIGHUP) | BIT(SIGQUIT))

static const int taken[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE };

static void on_signal(int number)
{
	board->stop = number;
	ring();
}

/* What a child of the executor does before its steps. The init also makes the proc instance and sees to its own end. */
static void live_below_executor(long process)
{
	static const char default_action[64];
	struct pollfd executor = { own_pidfd, POLLIN, 0 };
	long proc;
	size_t at;

	for (at = 0; at < sizeof taken / sizeof *taken; at++)
		CALL4(SYS_rt_sigaction, taken[at], default_action, NULL, 8);
	if (board->deaf & END_SIGNALS)
		CALL4(SYS_rt_sigprocmask, SIG_BLOCK, &board->deaf, NULL, sizeof board->deaf);
	if (process == (long)steps[1].subject) {
		struct timespec at_once = { 0, 0 };

		CALL5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		/* A process that died before that call sends no signal. */
		if (CALL5(SYS_ppoll, &executor, 1, &at_once, NULL, 8) != 0)
			CALL1(SYS_exit_group, 1);
		if (INSIDE)
			/* No init: orphans come to it as to the nearest subreaper. */
			CALL5(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	}
	if (process == (long)steps[1].subject && !INSIDE) {
		proc = mount_nowhere("proc");
		/* In a user namespace of its own it takes a mount namespace of its own. */
		if (proc == -EPERM && steps[1].a & CLONE_NEWUSER && CALL1(SYS_unshare, CLONE_NEWNS) >= 0)
			proc = mount_nowhere("proc");
		send_descriptor(handing_over[1], proc);
	} else {
		proc = board->proc;
	}
	if (KEEPS_PROC) {
		if (proc != OWN_PROC)
			CALL3(SYS_dup3, proc, OWN_PROC, O_CLOEXEC);
		CALL3(SYS_close_range, OWN_PROC + 1, ~0U, 0);
	} else {
		CALL3(SYS_close_range, 3, ~0U, 0);
	}
	if (process == (long)steps[1].subject)
		wait_for(&board->proc_open);
	live(process);
}

static void refuse(const char *what, int error) __attribute__((noreturn));

static void refuse(const char *what, int error)
{
	complain(0, ROOT, what, error_name(error));
	_exit(1);
}

/* A zombie that left a core file leaves one again: only where that file goes to a directory of the task's choice. */
static void refuse_core_files(void)
{
	char pattern[WHOLE_LINE], line[WHOLE_LINE * 4];
	struct text text = { line, line + sizeof line };
	unsigned step;

	if (read_file(AT_FDCWD, "/proc/sys/kernel/core_pattern", pattern, sizeof pattern) <= 0 || !strchr("|@/", pattern[0]))
		return;
	for (step = 1; step < STEPS; step++)
		if (steps[step].op == EXIT && steps[step].a & CORE_DUMPED) {
			add(&text, "crplan: cannot do this plan: task ");
			add_number(&text, at_level_0(steps[step].actor));
			add(&text, " left a core file, and core_pattern hands core files to others on this machine\n");
			write_all(2, line, (size_t)(text.at - line));
			_exit(3);
		}
}

static int has_capability(int number)
{
	char buffer[4096], *line;

	if (read_file(AT_FDCWD, "/proc/self/status", buffer, sizeof buffer) <= 0 || !(line = strstr(buffer, "\nCapEff:")))
		return !geteuid();
	return (int)(strtoull(line + 8, NULL, 16) >> number & 1);
}

static int write_file(const char *path, const char *words)
{
	int file = open(path, O_WRONLY | O_CLOEXEC), result;

	if (file < 0)
		return -1;
	result = write(file, words, strlen(words)) == (ssize_t)strlen(words) ? 0 : -1;
	close(file);
	return result;
}

/* Without root's rights over itself, uid 0 may not be mapped: the ids stay unmapped, which is enough for all but the looks. */
static void map_own_id(const char *path, long id)
{
	char line[WHOLE_LINE];
	struct text text = { line, line + sizeof line };

	add(&text, "0 ");
	add_number(&text, id);
	add(&text, " 1\n");
	write_file(path, line);
}

/* Without CAP_SYS_ADMIN, take it in a user namespace, or say what forbids that. */
static void gain_capabilities(void)
{
	long uid = geteuid(), gid = getegid(), result;
	char buffer[WHOLE_LINE];

	if (has_capability(21))
		return;
	result = CALL1(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS);
	if (result < 0) {
		int error = (int)-result;

		if (read_file(AT_FDCWD, "/proc/sys/user/max_user_namespaces", buffer, sizeof buffer) > 0 && atol(buffer) == 0)
			refuse("no root, and /proc/sys/user/max_user_namespaces is 0", error);
		if (read_file(AT_FDCWD, "/proc/sys/kernel/unprivileged_userns_clone", buffer, sizeof buffer) > 0
		    && atol(buffer) == 0)
			refuse("no root, and /proc/sys/kernel/unprivileged_userns_clone is 0", error);
		refuse("no root, and no user namespace: unshare", error);
	}
	if (!has_capability(21))
		refuse("no root, and a user namespace here gives no capabilities (see apparmor_restrict_unprivileged_userns)", EPERM);
	write_file("/proc/self/setgroups", "deny");
	map_own_id("/proc/self/uid_map", uid);
	map_own_id("/proc/self/gid_map", gid);
}

/*
 * Take the signals that ask for the end. SIGTERM ends this program always; the others stay ignored where they were from the
 * start, as `nohup` and a shell's `&` want it.
 */
static void reset_signals(void)
{
	struct sigaction action, before;
	uint64_t blocked = board->deaf & ~END_SIGNALS;
	int number;

	memset(&action, 0, sizeof action);
	action.sa_flags = SA_RESTART;
	for (number = 1; number < NSIG; number++) {
		action.sa_handler = number < 64 && END_SIGNALS & BIT(number) ? on_signal : number == SIGPIPE ? SIG_IGN : SIG_DFL;
		if (action.sa_handler == on_signal && number != SIGTERM && !sigaction(number, NULL, &before)
		    && before.sa_handler == SIG_IGN)
			continue;
		sigaction(number, &action, NULL);
	}
	CALL4(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, NULL, sizeof blocked);
}

/* Open closed standard streams to nothing, the wrong way round, before other files take their place: to use them fails as before. */
static void fill_standard_streams(void)
{
	int number;

	for (number = 0; number <= 2; number++)
		if (fcntl(number, F_GETFD) < 0)
			open("/dev/null", number ? O_RDONLY : O_WRONLY);
}

static void allow_descriptors(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void make_board(void)
{
	size_t words = (size_t)PROCESSES + 5 * (size_t)STEPS;
	size_t size = (sizeof *board + words * sizeof(uint32_t) + 4095) & ~(size_t)4095;
	size_t stack_size = (size_t)(PROCESSES + 1) * STACK_SIZE;
	char *memory = mmap(NULL, size + stack_size + WATCHER_STACK, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned step;

	if (memory == MAP_FAILED)
		refuse("mmap", errno);
	board = (struct board *)(void *)memory;
	stacks = memory + size;
	board->clocks = (int64_t *)(void *)(board + 1);
	board->outside = (int *)(void *)(board->clocks + STEPS);
	board->done = (uint32_t *)(board->outside + PROCESSES);
	board->leaves = board->done + STEPS;
	board->announced = board->leaves + STEPS;
	board->proc = guest.proc;
	board->proc_open = INSIDE ? DONE : PENDING;
	board->next_check = 1;
	/* Under a tracer even an ignored SIGCHLD interrupts a clone, which then shows twice. */
	board->deaf = BIT(SIGCHLD);
	for (step = 1; step < STEPS; step++) {
		board->left += steps[step].op < VERIFY;
		if (steps[step].op == CREATE && steps[step].b > 0 && steps[step].b <= 64)
			board->deaf |= BIT(steps[step].b);
	}
}

static void set_patience(void)
{
	const char *words = getenv("CRPLAN_TIMEOUT");
	char *end;
	double seconds = words ? strtod(words, &end) : 30;

	if (words && (end == words || *end || !(seconds > 0) || seconds > 1e9)) {
		static const char line[] = "crplan: CRPLAN_TIMEOUT is not a number of seconds\n";

		write_all(2, line, sizeof line - 1);
		_exit(2);
	}
	patience = (long long)(seconds * 1e9);
}

/* Hold until a signal or the end of the root; returns when all is to end. */
static void hold_until_the_end(int root)
{
	static const struct timespec tick = { 0, TICK * 4 };
	const struct timespec *look_each = NULL;
	sigset_t before, asking;
	unsigned step;
	size_t at;
	int status;
	struct pollfd ends[2] = { { (int)CALL2(SYS_pidfd_open, root, 0), POLLIN, 0 }, { listener, 0, 0 } };

	sigemptyset(&asking);
	for (at = 0; at < sizeof taken / sizeof *taken; at++)
		sigaddset(&asking, taken[at]);
	sigprocmask(SIG_BLOCK, &asking, &before);
	/* A root that is a zombie by plan has no end to wait for. */
	if (processes[ROOT].ends)
		ends[0].fd = -1;
	/* An init does not end while a killed child of the executor's is not reaped: then its end has to be looked for. */
	for (step = 2; step < STEPS; step++)
		if (steps[step].op == CREATE && !steps[step].actor && ends[0].fd >= 0)
			look_each = &tick;
	while (!board->stop && ppoll(ends, 2, look_each, &before) <= 0)
		if (look_each && life_of(at_level_0(ROOT), &status) != LIVES)
			break;
}

static void be_ready(void)
{
	int root = outside_number(ROOT);
	char line[WHOLE_LINE];
	struct text text = { line, line + sizeof line };
	long result;

	if (!root)
		report_and_finish(0, ROOT, "the number of the root outside", "ESRCH");
	if (INSIDE) {
		result = announce_outside(root);
	} else {
		add(&text, "ready ");
		add_number(&text, root);
		add(&text, "\n");
		tell(line, (size_t)(text.at - line));
		result = write_all(1, line, (size_t)(text.at - line));
	}
	if (result < 0) {
		stop_if_asked();
		report_and_finish(0, ROOT, "the ready line cannot be written to standard output", error_name((int)-result));
	}
	hold_until_the_end(root);
}

/* Make a group where children are put back into the program's own, and that has no number in this pid namespace. */
static void have_group(void)
{
	unsigned number;

	for (number = 1; number < STEPS; number++)
		if (steps[number].op == SETPGID && !steps[number].actor && !steps[number].b && !CALL1(SYS_getpgid, 0))
			CALL2(SYS_setpgid, 0, 0);
}

/* What comes before anything else: streams, the time that a step has, and the reader of the events. */
static void begin(void)
{
	fill_standard_streams();
	signal(SIGPIPE, SIG_IGN);
	set_patience();
	allow_descriptors();
	listen_to_me();
}

/* Rebuild, hold, and end everything. */
static void rebuild(void) __attribute__((noreturn));

static void rebuild(void)
{
	struct rlimit no_core;
	char *watcher_stack;
	long watcher;

	make_board();
	reset_signals();
	if (!INSIDE)
		gain_capabilities();
	/* One byte is no core file, and tells the kernel to call no handler of core dumps either. */
	getrlimit(RLIMIT_CORE, &no_core);
	no_core.rlim_cur = no_core.rlim_max ? 1 : 0;
	setrlimit(RLIMIT_CORE, &no_core);
	have_group();
	own_pidfd = (int)CALL2(SYS_pidfd_open, CALL0(SYS_getpid), 0);
	if (own_pidfd < 0)
		refuse("pidfd_open", -own_pidfd);
	if (!INSIDE && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, handing_over))
		refuse("socketpair", errno);
	watcher_stack = stacks + (size_t)(PROCESSES + 1) * STACK_SIZE + WATCHER_STACK;
	share_memory(watcher_stack);
	watcher = spawn_beside(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, watcher_stack,
			       watch);
	if (watcher < 0)
		refuse("clone", (int)-watcher);
	act(0);
	wait_for(&board->checking);
	verify_share();
	wait_for(&board->verified);
	verify_places();
	if (!look(&board->failed))
		verify_nobody_else();
	stop_tasks();
	stop_if_asked();
	tell_progress();
	be_ready();
	finish(0);
}
