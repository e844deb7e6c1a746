/*
 * What is told to a program that listens, a line each: the steps that are done, the failure, and that all stands.
 *
 * CRPLAN_EVENTS is the descriptor of a pipe. A rebuild does not outlive its listener. Behind the first of several steps stands for each
 * when it was done, in nanoseconds of the executor's CLOCK_MONOTONIC.
 */
#define CLOCKS 32 /* in a line */

static unsigned told; /* steps up to here have been told */
static int64_t began;

static int number_in(const char *variable)
{
	const char *words = getenv(variable);

	return words && *words >= '0' && *words <= '9' ? atoi(words) : -1;
}

static void listen_to_me(void)
{
	listener = number_in("CRPLAN_EVENTS");
	began = now();
}

/* Whether a reader of the events is gone. */
static int is_unheard(void)
{
	static const struct timespec at_once = { 0, 0 };
	struct pollfd pipe = { listener, 0, 0 };

	return listener >= 0 && CALL5(SYS_ppoll, &pipe, 1, &at_once, NULL, 8) > 0;
}

static void tell(const char *words, size_t length)
{
	long written;

	while (listener >= 0 && length) {
		written = CALL3(SYS_write, listener, words, length);
		if (written == -EINTR)
			continue;
		if (written <= 0)
			return;
		words += written;
		length -= (size_t)written;
	}
}

/* A process in a time namespace has another clock: what it cannot have written then is replaced. */
static void add_clock(struct text *text, unsigned step)
{
	int64_t clock = board->clocks[step], now_here = now();

	add(text, " ");
	add_number(text, clock < began || clock > now_here ? now_here : clock);
}

static void tell_done(unsigned first, unsigned last)
{
	for (; first <= last; first += CLOCKS) {
		char line[32 + CLOCKS * 24];
		struct text text = { line, line + sizeof line };
		unsigned step;

		add(&text, "done ");
		add_number(&text, first);
		for (step = first; step <= last && step < first + CLOCKS; step++)
			add_clock(&text, step);
		add(&text, "\n");
		tell(line, (size_t)(text.at - line));
	}
}

/* Tell of the steps that are done, and all before them, since the last time: so a log has them in the order of the plan. */
static void tell_progress(void)
{
	unsigned first = told + 1;

	if (listener < 0)
		return;
	while (told + 1 < STEPS && look(&board->done[told + 1]) == DONE)
		told++;
	if (told >= first)
		tell_done(first, told);
}

/* Tell of all steps that are done, also behind one that is not, and of what failed. */
static void tell_failure(unsigned step, const char *what, const char *error)
{
	static int has_told;
	char line[512];
	struct text text = { line, line + sizeof line };
	unsigned first, last;

	if (listener < 0 || __atomic_exchange_n(&has_told, 1, __ATOMIC_ACQ_REL))
		return;
	if (board) {
		tell_progress();
		for (first = told + 1; first < STEPS; first = last + 1) {
			for (last = first; last < STEPS && look(&board->done[last]) == DONE; last++)
				;
			if (last > first)
				tell_done(first, last - 1);
		}
	}
	add(&text, "failed ");
	add_number(&text, step);
	add(&text, " ");
	add(&text, error);
	add(&text, " ");
	add(&text, what);
	add(&text, "\n");
	tell(line, (size_t)(text.at - line));
}
