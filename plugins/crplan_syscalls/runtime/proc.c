/*
 * The container's own proc instance: mounted nowhere by its init, handed to the executor over a socket, attached to no mount point.
 *
 * Numbers in it begin at level 0. Everything that is said about a task comes from its `status` and `stat`.
 */
#define WHOLE_LINE 64

/* Send a descriptor, or -errno of what failed, over a socket. */
static long send_descriptor(int socket, long descriptor)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	int number = (int)descriptor;
	struct iovec word = { &number, sizeof number };
	struct msghdr message = { .msg_iov = &word, .msg_iovlen = 1 };

	if (descriptor >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		*(int *)(void *)CMSG_DATA(&control.head) = number;
	}
	return CALL3(SYS_sendmsg, socket, &message, 0);
}

/* Receive what `send_descriptor` sent; -EPIPE when the sender has gone. */
static int receive_descriptor(int socket)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	int number = 0;
	struct iovec word = { &number, sizeof number };
	struct msghdr message = {
		.msg_iov = &word, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
	};
	long got;

	do
		got = CALL3(SYS_recvmsg, socket, &message, MSG_CMSG_CLOEXEC);
	while (got == -EINTR);
	if (got <= 0)
		return got ? (int)got : -EPIPE;
	if (number < 0)
		return number;
	if (message.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return message.msg_controllen >= CMSG_LEN(sizeof(int)) ? *(int *)(void *)CMSG_DATA(&control.head) : -EPROTO;
}

/* Read a file below `directory` into `buffer` as a string; its length or -errno. */
static long read_file(int directory, const char *path, char *buffer, size_t size)
{
	long file = CALL4(SYS_openat, directory, path, O_RDONLY | O_CLOEXEC, 0), got;

	if (file < 0)
		return file;
	got = CALL3(SYS_read, file, buffer, size - 1);
	CALL1(SYS_close, file);
	if (got >= 0)
		buffer[got] = 0;
	return got;
}

static long read_task(int pid, const char *file, char *buffer, size_t size)
{
	char path[WHOLE_LINE];
	struct text text = { path, path + sizeof path };

	add_number(&text, pid);
	add(&text, file);
	return read_file(board->proc, path, buffer, size);
}

enum life { LIVES, ENDING, LEADER_ENDED, ENDED };

/*
 * Whether a process has ended, and with which wait status. An init that is `ENDING` waits until its namespace is empty, and
 * that may need the executor to reap. Where only the `LEADER_ENDED`, other threads are there still.
 */
static enum life life_of(int pid, int *status)
{
	char buffer[1024], *field, *last;
	int at, ended;

	*status = -1;
	if (read_task(pid, "/stat", buffer, sizeof buffer) <= 0 || !(field = strrchr(buffer, ')')) || strlen(field) < 3)
		return ENDED;
	last = strrchr(field, ' ');
	ended = strchr("ZXx", field[2]) != NULL;
	if (ended)
		*status = atoi(last);
	/* Field 9 of stat holds the task's flags, field 20 the number of its threads; the state is field 3. */
	for (at = 2; at < (ended ? 20 : 9) && field; at++)
		field = strchr(field + 1, ' ');
	if (ended)
		return field && atoi(field) > 1 ? LEADER_ENDED : ENDED;
	return field && strtoul(field, NULL, 10) & 4 /* PF_EXITING */ ? ENDING : LIVES;
}

/* The signal by which a process tells its parent of its end, field 38 of stat; -1 where there is no such process. */
static int exit_signal_of(int pid)
{
	char buffer[1024], *field;
	int at;

	if (read_task(pid, "/stat", buffer, sizeof buffer) <= 0 || !(field = strrchr(buffer, ')')))
		return -1;
	for (at = 2; at < 38 && field; at++)
		field = strchr(field + 1, ' ');
	return field ? atoi(field) : -1;
}

/* Open a pid namespace by its init for the executor, who is outside and has no number for it. */
static long enter_from_outside(const struct step *step, const char **what)
{
	char path[WHOLE_LINE];
	struct text text = { path, path + sizeof path };
	long namespace, result;

	*what = "open of the pid namespace";
	if (step->a) {
		wait_for(&board->proc_open);
		add_number(&text, step->a);
		add(&text, "/ns/pid");
		namespace = CALL4(SYS_openat, board->proc, path, O_RDONLY | O_CLOEXEC, 0);
	} else {
		namespace = CALL2(SYS_pidfd_open, CALL0(SYS_getpid), 0);
	}
	if (namespace < 0)
		return namespace;
	*what = "setns";
	result = CALL2(SYS_setns, namespace, CLONE_NEWPID);
	CALL1(SYS_close, namespace);
	return result;
}

static int same_namespace(int directory, const char *path, const struct stat *namespace)
{
	struct stat seen;

	return !fstatat(directory, path, &seen, 0) && seen.st_ino == namespace->st_ino && seen.st_dev == namespace->st_dev;
}

/* Read the numbers of one line of `status` into `numbers`, as many as fit; how many there are. */
static int numbers_of(const char *line, int *numbers, int room)
{
	int count = 0;
	char *end;

	for (;; line = end) {
		long number = strtol(line, &end, 10);

		if (end == line)
			return count;
		if (count < room)
			numbers[count] = (int)number;
		count++;
	}
}

/*
 * The number by which the executor's own namespace knows a process that another created: the entry before level 0 in the
 * `NSpid` of the process that has the same number in the same namespace. The caller's /proc may belong to any namespace above.
 */
static int search_outside(unsigned process)
{
	char path[WHOLE_LINE], buffer[4096];
	struct text text = { path, path + sizeof path };
	struct stat namespace;
	long directory, got, at;
	int found = 0;

	add_number(&text, at_level_0(process));
	add(&text, "/ns/pid");
	if (fstatat(board->proc, path, &namespace, 0) < 0)
		return 0;
	directory = CALL4(SYS_openat, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (directory < 0)
		return 0;
	while (!found && (got = CALL3(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
		for (at = 0; at < got && !found; at += *(unsigned short *)(void *)(buffer + at + 16)) {
			const char *name = buffer + at + 19;
			char status[4096], *line;
			int numbers[64], count;

			if (*name < '0' || *name > '9')
				continue;
			text.at = path;
			add(&text, name);
			add(&text, "/status");
			if (read_file((int)directory, path, status, sizeof status) <= 0 || !(line = strstr(status, "\nNSpid:")))
				continue;
			count = numbers_of(line + 7, numbers, 64);
			if (count > processes[process].levels && count <= 64
			    && numbers[count - 1] == processes[process].set_tid[0]) {
				text.at = path;
				add(&text, name);
				add(&text, "/ns/pid");
				if (same_namespace((int)directory, path, &namespace))
					found = numbers[count - 1 - processes[process].levels];
			}
		}
	}
	CALL1(SYS_close, directory);
	return found;
}

static int outside_number(unsigned process)
{
	if (INSIDE)
		return at_level_0(process);
	if (!board->outside[process]) {
		wait_for(&board->proc_open);
		board->outside[process] = search_outside(process);
	}
	return board->outside[process];
}
