/*
 * What stands, held against the plan: every VERIFY step, and that no other process is there.
 *
 * By now no step is left that could change a fact. The executor's two threads share the work.
 */
#define CHUNK 64
#define NUMBERS (4 * 1024 * 1024 + 1) /* what pids may be below (PID_MAX_LIMIT) */

struct seen {
	char state;
	int parent, group, session, threads;
	int levels, pids[LEVELS + 1];
};

static int starts(const char *line, const char *word, size_t length)
{
	return !memcmp(line, word, length);
}

/* Read what `status` says; the vectors begin at level 0. */
static void parse_status(char *line, struct seen *seen)
{
	memset(seen, 0, sizeof *seen);
	for (; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		if (*line == 'N' && line[1] == 'S') {
			if (starts(line, "NSpid:", 6))
				seen->levels = numbers_of(line + 6, seen->pids, LEVELS + 1);
			else if (starts(line, "NSpgid:", 7))
				numbers_of(line + 7, &seen->group, 1);
			else if (starts(line, "NSsid:", 6))
				numbers_of(line + 6, &seen->session, 1);
		} else if (*line == 'P' && starts(line, "PPid:", 5)) {
			seen->parent = atoi(line + 5);
		} else if (*line == 'S' && starts(line, "State:\t", 7)) {
			seen->state = line[7];
		} else if (*line == 'T' && starts(line, "Threads:", 8)) {
			seen->threads = atoi(line + 8);
			return;
		}
	}
}

static int mismatch(unsigned step, const char *what, int seen, int wanted)
{
	char why[WHOLE_LINE * 2];
	struct text text = { why, why + sizeof why };

	add(&text, what);
	add(&text, " is ");
	add_number(&text, seen);
	add(&text, ", not ");
	add_number(&text, wanted);
	fail(step, steps[step].subject, why, 0);
	return 0;
}

static int verify_vector(unsigned step, unsigned process, const struct seen *seen)
{
	int level;

	if (seen->levels != processes[process].levels)
		return mismatch(step, "the number of levels", seen->levels, processes[process].levels);
	for (level = 0; level < seen->levels; level++) {
		int wanted = processes[process].set_tid[seen->levels - 1 - level];

		if (seen->pids[level] != wanted)
			return mismatch(step, "a number", seen->pids[level], wanted);
	}
	return 1;
}

static int verify_threads(unsigned number, char *buffer, size_t size)
{
	const struct step *step = &steps[number];
	struct seen seen;
	unsigned at;

	for (at = step->list; at < step->list + step->count; at++) {
		char path[WHOLE_LINE];
		struct text text = { path, path + sizeof path };
		long got;

		add(&text, "/task/");
		add_number(&text, at_level_0(lists[at]));
		add(&text, "/status");
		got = read_task(at_level_0(step->subject), path, buffer, size);
		if (got <= 0) {
			fail(number, lists[at], "the thread is not there", got ? (int)-got : ESRCH);
			return 0;
		}
		parse_status(buffer, &seen);
		if (!verify_vector(number, lists[at], &seen))
			return 0;
		if (seen.state == 'Z' || seen.state == 'X') {
			fail(number, lists[at], "the thread has ended", 0);
			return 0;
		}
	}
	return 1;
}

static int verify(unsigned number, char *buffer, size_t size)
{
	const struct step *step = &steps[number];
	int pid = at_level_0(step->subject), zombie = step->d >= 0, status = -1;
	struct seen seen;
	long got = read_task(pid, "/status", buffer, size);

	if (got <= 0) {
		fail(number, step->subject, "the task is not there", got ? (int)-got : ESRCH);
		return 0;
	}
	parse_status(buffer, &seen);
	if (!verify_vector(number, step->subject, &seen))
		return 0;
	if (seen.parent != step->a)
		return mismatch(number, "the parent", seen.parent, step->a);
	if (seen.group != step->b)
		return mismatch(number, "the process group", seen.group, step->b);
	if (seen.session != step->c)
		return mismatch(number, "the session", seen.session, step->c);
	if ((seen.state == 'Z' || seen.state == 'X') != zombie) {
		fail(number, step->subject, zombie ? "the task lives, and should be a zombie" : "the task has ended", 0);
		return 0;
	}
	if (step->count ? seen.threads != (int)step->count + 1 : seen.threads > 1)
		return mismatch(number, "the number of threads", seen.threads, (int)step->count + 1);
	if (step->count && !verify_threads(number, buffer, size))
		return 0;
	if (zombie && (life_of(pid, &status) < LEADER_ENDED || status != step->d))
		return mismatch(number, "the exit status", status, step->d);
	if (step->e >= 0 && exit_signal_of(pid) != step->e)
		return mismatch(number, "the exit signal", exit_signal_of(pid), step->e);
	return 1;
}

/* Take VERIFY steps, some at a time, until none is left or one has failed. */
static void verify_share(void)
{
	char buffer[4096];

	for (;;) {
		unsigned number = __atomic_fetch_add(&board->next_check, CHUNK, __ATOMIC_ACQ_REL);
		unsigned end = number + CHUNK;

		if (number >= STEPS)
			return;
		for (; number < end && number < STEPS; number++) {
			if (look(&board->failed) || board->stop)
				return;
			if (steps[number].op != VERIFY)
				continue;
			if (!verify(number, buffer, sizeof buffer))
				return;
			board->clocks[number] = clock_now();
			__atomic_store_n(&board->done[number], DONE, __ATOMIC_RELEASE);
		}
	}
}

static int same_place(unsigned process, const char *kind, const struct stat *namespace)
{
	char path[WHOLE_LINE];
	struct text text = { path, path + sizeof path };

	if (!process)
		add(&text, "/proc/self");
	else
		add_number(&text, at_level_0(process));
	add(&text, "/ns/");
	add(&text, kind);
	return same_namespace(board->proc, path, namespace);
}

/* Who is in the namespace that another made is in the very same; who made one is not in the executor's. */
static void verify_places(void)
{
	static const char *const kinds[] = { "time", "mnt", "cgroup", "uts", "ipc", "user", "net" };
	const struct place *place;

	for (place = places; place->step && !look(&board->failed); place++) {
		unsigned subject = steps[place->step].subject;
		const char *kind = kinds[place->kind];
		char path[WHOLE_LINE], why[WHOLE_LINE * 2];
		struct text text = { path, path + sizeof path };
		struct stat namespace;
		int own = place->holder == subject;

		add_number(&text, at_level_0(subject));
		add(&text, "/ns/");
		add(&text, kind);
		if (fstatat(board->proc, path, &namespace, 0) < 0) {
			fail(place->step, subject, path, errno);
		} else if (same_place(own ? 0 : place->holder, kind, &namespace) == own) {
			text = (struct text){ why, why + sizeof why };
			add(&text, "the ");
			add(&text, kind);
			add(&text, " namespace is not that of ");
			add_number(&text, place->holder ? at_level_0(place->holder) : 0);
			fail(place->step, subject, why, 0);
		}
	}
}

/* The parent of a process, field 4 of stat; 0 where there is no such process. */
static int parent_of(int pid)
{
	char buffer[1024], *field;

	if (read_task(pid, "/stat", buffer, sizeof buffer) <= 0 || !(field = strrchr(buffer, ')')) || strlen(field) < 4)
		return 0;
	return atoi(field + 4);
}

/* Count the processes of the proc instance, and note each one's parent where that is wanted; a negative errno. */
static int list_processes(int *parents)
{
	static char buffer[65536];
	long directory = CALL4(SYS_openat, board->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), got = directory, at;
	int found = 0;

	while (directory >= 0 && (got = CALL3(SYS_getdents64, directory, buffer, sizeof buffer)) > 0)
		for (at = 0; at < got; at += *(unsigned short *)(void *)(buffer + at + 16)) {
			int pid = buffer[at + 19] >= '0' && buffer[at + 19] <= '9' ? atoi(buffer + at + 19) : 0;

			found += pid > 0;
			if (parents && pid > 0 && pid < NUMBERS)
				parents[pid] = parent_of(pid);
		}
	CALL1(SYS_close, directory);
	return got < 0 ? (int)got : found;
}

/* Count the descendants of this program in a namespace where others live; a negative errno. */
static int count_descendants(void)
{
	int *parents = mmap(NULL, NUMBERS * sizeof(int), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int own = (int)CALL0(SYS_getpid), count = 0, number, at, hops, listed;

	if (parents == MAP_FAILED)
		return -ENOMEM;
	listed = list_processes(parents);
	for (number = 1; listed > 0 && number < NUMBERS; number++) {
		/* What was read while others came and went may lead in a circle. */
		for (at = parents[number], hops = 0; at > 0 && at != own && hops < listed; at = parents[at])
			hops++;
		count += at == own;
	}
	munmap(parents, NUMBERS * sizeof(int));
	return listed < 0 ? listed : count;
}

/*
 * Count what stands; every one that VERIFY names has been seen, so a greater number means a stranger. A reaper belongs to no
 * image: the plan may leave it out.
 */
static void verify_nobody_else(void)
{
	int expected = 0, found = INSIDE ? count_descendants() : list_processes(NULL);
	unsigned number, last = 0, reaper = steps[1].subject;

	if (processes[reaper].kind == REAPER)
		expected++;
	for (number = 1; number < STEPS; number++)
		if (steps[number].op == VERIFY) {
			expected += steps[number].subject != reaper || processes[reaper].kind != REAPER;
			last = number;
		}
	if (found < 0)
		fail(last, 1, "the list of processes", -found);
	else if (found != expected)
		mismatch(last, "the number of processes", found, expected);
}
