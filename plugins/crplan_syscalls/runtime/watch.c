/*
 * The watcher: a second thread of the executor that never creates anything.
 *
 * It fetches the container's proc instance, notices ended processes, failures, signals and standstill, and checks its share
 * of the tasks.
 */
#define WATCHER_STACK (256 * 1024)
#define TICK 50000000L
#define STANDSTILL 100000000LL

static long long patience;	/* nanoseconds without progress that are a failure */

/* How long what was killed may take to end. */
#define AT_THE_END 5000000000LL

/*
 * Kill the init, which takes the namespace along, and reap all children; false when they do not end.
 *
 * Where the plan has calls for this (kill, wait4), others are taken here, so that a trace tells them apart. The tracer of a
 * member can keep it, and with it the init, for as long as it likes.
 */
static int end_all(void)
{
	long long deadline = now() + (patience > AT_THE_END ? patience : AT_THE_END);
	struct pollfd end = { -1, POLLIN, 0 };
	static const struct timespec moment = { 0, 1000000 }, at_once = { 0, 0 };
	siginfo_t info;
	long result;

	if (INSIDE)
		return end_children(board->proc, patience > AT_THE_END ? patience : AT_THE_END);
	do {
		/* The main thread may be creating the init at this very moment: then it is known a little later. */
		if (end.fd < 0 && *(volatile int *)&board->init > 0) {
			end.fd = (int)CALL2(SYS_pidfd_open, board->init, 0);
			if (end.fd >= 0)
				CALL4(SYS_pidfd_send_signal, end.fd, SIGKILL, NULL, 0);
		}
		memset(&info, 0, sizeof info);
		result = CALL5(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | __WALL, NULL);
		if (result == -ECHILD)
			return 1;
		/* Where a filter forbids that call, another may do; what can only be seen to have ended is this program's parent's to reap. */
		if (result < 0 && result != -EINTR && CALL4(SYS_wait4, -1, NULL, WNOHANG | __WALL, NULL) < 0
		    && CALL5(SYS_ppoll, &end, 1, &at_once, NULL, 8) == 1)
			return 1;
		if (!info.si_pid)
			CALL5(SYS_ppoll, NULL, 0, &moment, NULL, 8);
	} while (now() < deadline);
	return 0;
}

/* Write a line, for which a full pipe has the time of a step, and a signal to end cuts that short; 0 or a negative errno. */
static long write_all(int file, const char *words, size_t length)
{
	static const struct timespec tick = { 0, TICK };
	long long deadline = now() + patience;

	while (length) {
		struct pollfd room = { file, POLLOUT, 0 };
		long ready = CALL5(SYS_ppoll, &room, 1, &tick, NULL, 8), written;

		if (ready <= 0) {
			if (file == 1 && board && board->stop)
				return -EINTR;
			if (now() > deadline)
				return -ETIMEDOUT;
			continue;
		}
		written = CALL3(SYS_write, file, words, length < PIPE_BUF ? length : PIPE_BUF);
		if (written == -EINTR || written == -EAGAIN)
			continue;
		if (written <= 0)
			return written ? written : -EIO;
		words += written;
		length -= (size_t)written;
	}
	return 0;
}

/* Say in one line what failed, and where. */
static void complain(unsigned step, unsigned process, const char *what, const char *error)
{
	char line[512];
	struct text text = { line, line + sizeof line };

	add(&text, "crplan: step ");
	add_number(&text, step);
	add(&text, " (");
	add(&text, step ? rules[steps[step].rule] : "executor");
	add(&text, "): task ");
	add_number(&text, at_level_0(process));
	add(&text, ": ");
	add(&text, what);
	add(&text, ": ");
	add(&text, error);
	add(&text, "\n");
	tell_failure(step, what, error);
	write_all(2, line, (size_t)(text.at - line));
}

static void end_with(int code) __attribute__((noreturn));

static void end_with(int code)
{
	if (INSIDE)
		tell_end(code);
	for (;;)
		CALL1(SYS_exit_group, code);
}

/* End everything and the program. */
static void finish(int code) __attribute__((noreturn));

static void finish(int code)
{
	if (!end_all()) {
		complain(0, steps[1].subject, "the namespace's init does not end", "ETIMEDOUT");
		code = 1;
	}
	end_with(code);
}

static void report_and_finish(unsigned step, unsigned process, const char *what, const char *error) __attribute__((noreturn));

static void report_and_finish(unsigned step, unsigned process, const char *what, const char *error)
{
	int ended;

	/* The main thread may come here at the same time. */
	if (__atomic_exchange_n(&board->reported, 1, __ATOMIC_ACQ_REL))
		hold();
	/* A write to a stream that no process reads can block: so it comes last. */
	ended = end_all();
	complain(step, process, what, error);
	if (!ended)
		complain(0, steps[1].subject, "the namespace's init does not end", "ETIMEDOUT");
	end_with(1);
}

static unsigned first_pending(void)
{
	unsigned step;

	for (step = 1; step < STEPS && (steps[step].op >= VERIFY || look(&board->done[step]) == DONE); step++)
		;
	return step < STEPS ? step : 0;
}

/* Whether the process that an EXIT or KILL step ends has ended, or its leading thread where the step is about that alone. */
static int has_ended_as(const struct step *step)
{
	int status;
	enum life life = life_of(at_level_0(step->subject), &status);

	return life == ENDED || (life == LEADER_ENDED && step->op == EXIT && step->b);
}

/* Mark the steps done whose processes have ended since they were announced; true when some have yet to end. */
static int settle_ends(void)
{
	static uint32_t first;
	uint32_t at, end = look(&board->leaving);
	int pending = 0;

	for (at = first; at < end; at++) {
		uint32_t step = look(&board->leaves[at]);

		if (!step) {
			pending = 1;
			continue;
		}
		if (look(&board->done[step]) != DONE) {
			if (has_ended_as(&steps[step]))
				mark_done(step);
			else
				pending = 1;
		}
		if (!pending)
			first = at + 1;
	}
	return pending;
}

/* Fail when a process that has been created and was not to end has ended. */
static void look_for_the_dead(void)
{
	unsigned step;

	for (step = 1; step < STEPS && !board->stop; step++) {
		unsigned process = steps[step].subject, ends, blame;
		int status;

		if (steps[step].op != CREATE || look(&board->done[step]) != DONE)
			continue;
		ends = processes[process].ends;
		if ((ends && look(&board->announced[ends]) == DONE)
		    || life_of(at_level_0(process), &status) == LIVES
		    || (ends && look(&board->announced[ends]) == DONE))
			continue;
		for (blame = processes[process].first; blame && look(&board->done[blame]) == DONE; blame = steps[blame].next)
			;
		fail(blame ? blame : step, process, "the process was killed", ESRCH);
		return;
	}
}

static void look_after_init(void)
{
	siginfo_t info;
	unsigned ends = processes[steps[1].subject].ends;

	memset(&info, 0, sizeof info);
	if (board->init > 0 && !(ends && look(&board->announced[ends]) == DONE)
	    && !CALL5(SYS_waitid, P_PID, board->init, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL)
	    && info.si_pid == board->init) {
		unsigned step = first_pending();

		fail(step ? step : 1, steps[1].subject, "the init was killed", ESRCH);
	}
}

static const char *signal_name(int number)
{
	return number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : number == SIGHUP ? "SIGHUP" : "SIGQUIT";
}

static void stop_if_asked(void)
{
	if (look(&board->failed))
		report_and_finish(board->failed_step, board->failed_process, board->why,
				  board->error ? error_name(board->error) : "mismatch");
	if (board->stop) {
		unsigned step = first_pending();

		report_and_finish(step, steps[step ? step : 1].subject, "interrupted", signal_name(board->stop));
	}
}

/* Wait until no step is left but VERIFY. */
static void watch_steps(void)
{
	uint32_t left = look(&board->left);
	long long moved = now(), looked = 0, cost = 0;

	for (;;) {
		uint32_t bell = look(&board->bell);
		int pending;
		long long time;

		stop_if_asked();
		tell_progress();
		if (is_unheard())
			fail(first_pending(), steps[1].subject, "the reader of the events has ended", EPIPE);
		pending = board->proc >= 0 && settle_ends();
		if (!look(&board->left) && board->proc >= 0)
			return;
		look_after_init();
		time = now();
		if (look(&board->left) != left) {
			left = look(&board->left);
			moved = time;
		} else if (time - moved > patience) {
			unsigned step = first_pending();

			fail(step, concerned(&steps[step]), "no progress", ETIMEDOUT);
		} else if (time - moved > STANDSTILL && time - looked > STANDSTILL + 2 * cost && board->proc >= 0) {
			looked = time;
			look_for_the_dead();
			cost = now() - looked;
		}
		if (!look(&board->failed))
			sleep_on(&board->bell, bell, pending ? 100000 : TICK);
	}
}

static void watch(long unused)
{
	static const uint64_t all = ~(uint64_t)0;
	int proc = board->proc;

	(void)unused;
	/* Signals are the main thread's: its children inherit its mask, this thread has none. */
	CALL4(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
	if (!INSIDE)
		proc = receive_descriptor(handing_over[0]);
	if (proc >= 0) {
		board->proc = proc;
		raise_flag(&board->proc_open);
	} else if (proc != -EPIPE) {
		fail(1, steps[1].subject, "no proc instance for the new namespace", -proc);
	}
	watch_steps();
	raise_flag(&board->checking);
	verify_share();
	stop_if_asked();
	raise_flag(&board->verified);
	hold();
}
