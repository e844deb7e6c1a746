/*
 * The rebuild as a guest, where INSIDE: in a pid namespace that is there already and whose init does not die with it.
 *
 * Its executor is a subreaper, and so are the reaper of the plan below it and its keeper above it. So the orphans that one of
 * them leaves become children of the one above, which kills them.
 */

/*
 * Kill the caller's children, and the orphans that become its children by that, until there are none; false when they do not
 * end. Only the caller can reap its child, so the child's number cannot have become that of another process.
 */
static int end_children(int proc, long long limit)
{
	static const struct timespec moment = { 0, 1000000 };
	long own = CALL0(SYS_getpid);
	long long deadline = now() + limit;

	for (;;) {
		char path[WHOLE_LINE], words[4096], *word = words, *end;
		struct text text = { path, path + sizeof path };
		siginfo_t info;
		long result;
		int reaped = 0;

		add_number(&text, own);
		add(&text, "/task/");
		add_number(&text, own);
		add(&text, "/children");
		if (read_file(proc, path, words, sizeof words) > 0)
			/* A blank stands behind each number: one that the end of what was read has cut is left out. */
			for (; (end = strchr(word, ' ')); word = end + 1)
				if (atoi(word) > 1)
					CALL2(SYS_kill, atoi(word), SIGKILL);
		for (;;) {
			memset(&info, 0, sizeof info);
			result = CALL5(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | __WALL, NULL);
			if (result == -ECHILD)
				return 1;
			if (result < 0 || !info.si_pid)
				break;
			reaped = 1;
		}
		if (reaped)
			deadline = now() + limit;
		else if (now() > deadline)
			return 0;
		CALL5(SYS_ppoll, NULL, 0, &moment, NULL, 8);
	}
}

/* Give a number to the program outside, as the kernel translates it: as credentials that name the process. */
static long announce_outside(int number)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char word[] = "ready";
	struct iovec words = { word, sizeof word - 1 };
	struct msghdr message = {
		.msg_iov = &words, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
	};
	struct ucred credentials = { number, getuid(), getgid() };
	long result;

	memset(&control, 0, sizeof control);
	control.head.cmsg_len = CMSG_LEN(sizeof credentials);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_CREDENTIALS;
	memcpy(CMSG_DATA(&control.head), &credentials, sizeof credentials);
	result = CALL3(SYS_sendmsg, guest.outside, &message, 0);
	return result < 0 ? result : 0;
}

/* Tell the program outside with which code the executor ends. */
static void tell_end(int code)
{
	char line[WHOLE_LINE];
	struct text text = { line, line + sizeof line };

	add(&text, "ended ");
	add_number(&text, code);
	CALL6(SYS_sendto, guest.outside, line, (size_t)(text.at - line), 0, NULL, 0);
}
