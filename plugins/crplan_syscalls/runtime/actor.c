/*
 * The life of a process: its steps in order, each after the steps that it waits for, and then pause.
 *
 * Everything that the plan asks of the kernel is asked here and nowhere else. The calls beside the plan's own are futex
 * (waiting for others), close, and what `settle` does in the children of the executor.
 */
static void hold(void) __attribute__((noreturn));

static void hold(void)
{
	for (;;)
#ifdef SYS_pause
		CALL0(SYS_pause);
#else
		CALL4(SYS_ppoll, NULL, 0, NULL, NULL);
#endif
}

static void live_as_thread(long unused)
{
	(void)unused;
	hold();
}

/* Fail and wait for the end that the watcher brings. */
static void give_up(unsigned step, unsigned process, const char *what, long result)
{
	fail(step, process, what, (int)-result);
	if (steps[step].actor)
		hold();
}

static void live(long process);
static void live_below_executor(long process);

static long create(const struct step *step)
{
	const struct process *child = &processes[step->subject];
	struct clone_arguments arguments = {
		.flags = (uint32_t)step->a,
		.exit_signal = (uint64_t)step->b,
		.set_tid = (uintptr_t)child->set_tid,
		.set_tid_size = (uint64_t)child->levels,
	};
	long number;

	if (step->op == SPAWN) {
		arguments.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
		arguments.exit_signal = 0;
		return spawn(SYS_clone3, (long)&arguments, sizeof arguments, stack_of(step->subject), live_as_thread, 0);
	}
	number = spawn(SYS_clone3, (long)&arguments, sizeof arguments, stack_of(step->subject),
		       step->actor ? live : live_below_executor, step->subject);
	if (!step->actor) {
		if (number > 0)
			board->outside[step->subject] = (int)number;
		if (step == &steps[1]) {
			board->init = board->outside[step->subject];
			/* The init has the only copy of this end now: when it dies, the watcher sees the end of the stream. */
			CALL1(SYS_close, handing_over[1]);
		}
	}
	return number;
}

/* The child's number as its creator must see it; 0 where the plan cannot know. */
static long promised(const struct step *step)
{
	int above = processes[step->subject].levels - processes[step->actor].levels;

	return step->actor ? processes[step->subject].set_tid[above] : 0;
}

static long enter(const struct step *step, const char **what)
{
	long namespace;

	*what = "pidfd_open";
	namespace = CALL2(SYS_pidfd_open, step->a, 0);
	if (namespace < 0)
		return namespace;
	*what = "setns";
	return set_namespace(namespace, CLONE_NEWPID);
}

static long enter_from_outside(const struct step *step, const char **what);
static int outside_number(unsigned process);

/* Mount a file system of the caller's pid namespace nowhere; a descriptor of its top or -errno. */
static long mount_nowhere(const char *kind)
{
	long context = CALL2(SYS_fsopen, kind, 0), result;

	if (context < 0)
		return context;
	result = CALL5(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0);
	if (result >= 0)
		result = CALL3(SYS_fsmount, context, 0, 0);
	CALL1(SYS_close, context);
	return result;
}

/* Let the kernel write a core file of one page at most, where it goes away with the task. */
static long allow_core_file(void)
{
	struct { uint64_t soft, hard; } limit;
	long directory = mount_nowhere("tmpfs");
	long result = directory < 0 ? directory : CALL1(SYS_fchdir, directory);

	if (result >= 0)
		result = CALL4(SYS_prlimit64, 0, RLIMIT_CORE, NULL, &limit);
	limit.soft = 4096;
	return result < 0 ? result : CALL4(SYS_prlimit64, 0, RLIMIT_CORE, &limit, NULL);
}

/* End the actor; returns only when that could not be. */
static long leave(const struct step *step)
{
	int own = processes[step->actor].set_tid[0];
	long result;

	if (step->b)
		return CALL1(SYS_exit, step->a >> 8);
	if (!(step->a & 0x7f))
		return CALL1(SYS_exit_group, step->a >> 8);
	if (step->a & CORE_DUMPED && (result = allow_core_file()) < 0)
		return result;
	if (own == 1 && (step->a & 0x7f) == SIGSEGV) {
		/* A namespace's init is deaf to its own signals, but not to a fault of its own. */
		volatile char *nowhere = NULL;

		__asm__("" : "+r"(nowhere));
		*nowhere = 0;
	}
	if (board->deaf & BIT(step->a & 0x7f))
		CALL4(SYS_rt_sigprocmask, SIG_UNBLOCK, &board->deaf, NULL, sizeof board->deaf);
	result = CALL2(SYS_kill, own, step->a & 0x7f);
	return result < 0 ? result : -EINVAL;
}

/* Take a child away that was to end; one that ended before its step did not do all of its work. */
static long reap(const struct step *step)
{
	int number = step->actor ? step->a : outside_number(step->subject);
	unsigned ends = processes[step->subject].ends;
	long result;

	do
		result = CALL4(SYS_wait4, number, NULL, __WALL, NULL);
	while (result == -EINTR);
	if (result < 0)
		return result;
	return ends && look(&board->announced[ends]) == DONE ? 0 : -ECHILD;
}

/* Do one step; 0 or a negative errno, and the call that gave it. */
static long perform(unsigned number, const char **what)
{
	const struct step *step = &steps[number];
	long result = -EINVAL;

	switch (step->op) {
	case CREATE:
	case SPAWN:
		*what = "clone3";
		result = create(step);
		if (result > 0 && promised(step) && result != promised(step)) {
			*what = "clone3 gave another number";
			return -EEXIST;
		}
		return result < 0 ? result : 0;
	case SETSID:
		*what = "setsid";
		result = CALL0(SYS_setsid);
		return result < 0 ? result : 0;
	case SETPGID:
		*what = "setpgid";
		if (!step->actor) {
			/* Group 0 is the executor's own, which a pid namespace around it may not show. */
			result = step->b ? outside_number((unsigned)step->b) : CALL1(SYS_getpgid, 0);
			return result ? CALL2(SYS_setpgid, outside_number(step->subject), result) : -ESRCH;
		}
		return CALL2(SYS_setpgid, step->a, step->b);
	case SUBREAPER:
		*what = "prctl(PR_SET_CHILD_SUBREAPER)";
		return CALL5(SYS_prctl, PR_SET_CHILD_SUBREAPER, step->a, 0, 0, 0);
	case ENTER:
		return step->actor ? enter(step, what) : enter_from_outside(step, what);
	case EXIT:
		*what = "exit";
		announce(number);
		return leave(step);
	case KILL:
		*what = "kill";
		announce(number);
		return CALL2(SYS_kill, step->actor ? step->a : outside_number(step->subject), step->b);
	case REAP:
		*what = "wait4";
		return reap(step);
	case UNSHARE:
		return make_namespaces(step, what);
	case MAP:
		return map_ids(step, what);
	case JOIN:
		return join_namespace(step, what);
	case VERIFY:
	case STOP:
		break;
	}
	return result;
}

/* Do the actor's steps up to the first VERIFY; false when one failed. */
static int act(long process)
{
	unsigned number;

	for (number = processes[process].first; number && steps[number].op < VERIFY; number = steps[number].next) {
		const struct step *step = &steps[number];
		const char *what = "";
		unsigned at;
		long result;

		for (at = step->list; at < step->list + step->count; at++)
			/* wait4 waits for a child's end itself, but the child may have to be adopted before it ends. */
			if (step->op == REAP && lists[at] == processes[step->subject].ends)
				wait_for(&board->announced[lists[at]]);
			else
				wait_for(&board->done[lists[at]]);
		result = perform(number, &what);
		if (result < 0) {
			give_up(number, step->actor ? step->actor : step->subject, what, result);
			return 0;
		}
		if (step->op != EXIT && step->op != KILL)
			mark_done(number);
	}
	return 1;
}

static void live(long process)
{
	if (*processes[process].name)
		CALL5(SYS_prctl, PR_SET_NAME, processes[process].name, 0, 0, 0);
	act(process);
	hold();
}
