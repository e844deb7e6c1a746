/*
 * The program as the executor `c` of `crplan run`: it gets its plan as a file, and where that is for a pid namespace that is there
 * already, it starts two processes in it.
 *
 * The keeper comes first, and below it is the executor, whose first child is the plan's reaper. The executor ends all when the
 * keeper dies, the keeper when this program dies. An executor that has lost its keeper is for the namespace's init to reap.
 */
static sigset_t asking; /* signals that ask for the end */

static void hold_back_signals(void)
{
	static const int ending[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction before;
	sigset_t held;
	size_t at;

	sigemptyset(&asking);
	sigemptyset(&held);
	for (at = 0; at < sizeof ending / sizeof *ending; at++) {
		sigaddset(&held, ending[at]);
		if (ending[at] == SIGTERM)
			signal(SIGTERM, SIG_DFL);
		if (!sigaction(ending[at], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaddset(&asking, ending[at]);
	}
	signal(SIGCHLD, SIG_DFL);
	sigaddset(&held, SIGCHLD);
	sigprocmask(SIG_BLOCK, &held, NULL);
}

/* Create a process with a number in the namespace that was entered, as fork does; 0 in the child. */
static long born(int number)
{
	struct clone_arguments arguments = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1
	};

	return CALL2(SYS_clone3, &arguments, sizeof arguments);
}

static int hung_up(int link)
{
	static const struct timespec at_once = { 0, 0 };
	struct pollfd end = { link, 0, 0 };

	return CALL5(SYS_ppoll, &end, 1, &at_once, NULL, 8) > 0;
}

/* The exit code that stands for how a process of this program ended. */
static int code_of(int status, const char *killed)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	complain(0, ROOT, killed, "killed");
	return 1;
}

static void execute(long keeper, int link, int proc) __attribute__((noreturn));

static void execute(long keeper, int link, int proc)
{
	CALL5(SYS_prctl, PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	if (CALL0(SYS_getppid) != keeper)
		_exit(1);
	CALL5(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	guest.proc = proc;
	guest.outside = link;
	rebuild();
}

static void keep(int link) __attribute__((noreturn));

/* As the keeper: start the executor, pass signals on, and end what it leaves behind. */
static void keep(int link)
{
	sigset_t heard = asking;
	long proc, executor, keeper = CALL0(SYS_getpid);
	int status = 0, number;

	sigaddset(&heard, SIGCHLD);
	CALL5(SYS_prctl, PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	CALL5(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	proc = mount_nowhere("proc");
	if (proc < 0)
		refuse("no proc instance for the namespace", (int)-proc);
	executor = born((int)plan->executor);
	if (executor < 0)
		refuse("the executor inside", (int)-executor);
	if (!executor)
		execute(keeper, link, (int)proc);
	if (hung_up(link))
		CALL2(SYS_kill, executor, SIGTERM);
	for (;;) {
		number = sigwaitinfo(&heard, NULL);
		if (waitpid((pid_t)executor, &status, WNOHANG))
			break;
		if (number > 0 && number != SIGCHLD)
			CALL2(SYS_kill, executor, number);
	}
	end_children((int)proc, AT_THE_END);
	_exit(code_of(status, "the executor was killed"));
}

/* Say that the root stands with this number, as it is seen from here. */
static void say_ready(int number)
{
	char line[WHOLE_LINE];
	struct text text = { line, line + sizeof line };

	add(&text, "ready ");
	add_number(&text, number);
	add(&text, "\n");
	tell(line, (size_t)(text.at - line));
	write_all(1, line, (size_t)(text.at - line));
}

/* Take a message from inside; the exit code that the executor told, `code` where it told none, and -2 when both have ended. */
static int heard_from_inside(int link, int code)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
	} control;
	char words[WHOLE_LINE];
	struct iovec room = { words, sizeof words - 1 };
	struct msghdr message = {
		.msg_iov = &room, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
	};
	long got = CALL3(SYS_recvmsg, link, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *each;

	if (got <= 0)
		return got == -EINTR ? code : -2;
	words[got] = 0;
	if (!strncmp(words, "ended ", 6))
		return atoi(words + 6);
	for (each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each))
		if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_CREDENTIALS) {
			struct ucred credentials;

			memcpy(&credentials, CMSG_DATA(each), sizeof credentials);
			say_ready(credentials.pid);
		}
	return code;
}

/* Stay outside: start the keeper, pass signals in and the root's number out; the exit code. */
static int visit(int space)
{
	static const struct timespec at_once = { 0, 0 }, tick = { 0, TICK };
	int link[2], on = 1, status = 0, code = -1, heard, number;
	long keeper, result;

	hold_back_signals();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link)
	    || setsockopt(link[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on))
		refuse("socketpair", errno);
	result = CALL2(SYS_setns, space, CLONE_NEWPID);
	keeper = result < 0 ? result : born((int)plan->keeper);
	if (keeper < 0)
		refuse("the pid namespace cannot be entered", (int)-keeper);
	CALL1(SYS_close, space);
	if (!keeper) {
		CALL1(SYS_close, link[0]);
		keep(link[1]);
	}
	CALL1(SYS_close, link[1]);
	for (;;) {
		struct pollfd end = { link[0], POLLIN, 0 };

		if (CALL5(SYS_ppoll, &end, 1, &tick, NULL, 8) > 0) {
			heard = heard_from_inside(link[0], code);
			if (heard == -2)
				break;
			code = heard;
		}
		number = sigtimedwait(&asking, NULL, &at_once);
		if (number > 0)
			CALL2(SYS_kill, keeper, number);
	}
	while (waitpid((pid_t)keeper, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) || code < 0 ? code_of(status, "the keeper was killed") : code;
}

int main(void)
{
	begin();
	if (!load_plan(number_in("CRPLAN_PLAN"))) {
		static const char line[] = "crplan: this program is the executor of `crplan run`, which gives it a plan\n";

		write_all(2, line, sizeof line - 1);
		return 2;
	}
	refuse_core_files();
	if (INSIDE)
		return visit(number_in("CRPLAN_INTO"));
	rebuild();
}
