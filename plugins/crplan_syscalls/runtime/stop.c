/*
 * Stopped tasks: the executor stops them from outside, where no init is shielded from it, when all else is done.
 */
/* Whether a process is stopped, field 3 of stat; -1 where there is no such process. */
static int is_stopped(int pid)
{
	char buffer[1024], *field;

	if (read_task(pid, "/stat", buffer, sizeof buffer) <= 0 || !(field = strrchr(buffer, ')')))
		return -1;
	return field[1] && field[2] == 'T';
}

/* Stop a process by its directory, which is a pidfd too, and see that it is stopped. */
static void stop_task(unsigned step)
{
	static const struct timespec moment = { 0, 1000000 };
	int pid = at_level_0(steps[step].subject), stopped;
	long long deadline = now() + patience;
	char path[WHOLE_LINE];
	struct text text = { path, path + sizeof path };
	long directory, result;

	add_number(&text, pid);
	directory = CALL4(SYS_openat, board->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	result = directory < 0 ? directory : CALL4(SYS_pidfd_send_signal, directory, SIGSTOP, NULL, 0);
	if (directory >= 0)
		CALL1(SYS_close, directory);
	if (result < 0) {
		fail(step, steps[step].subject, "pidfd_send_signal", (int)-result);
		return;
	}
	while (!(stopped = is_stopped(pid)) && !board->stop && now() < deadline)
		CALL5(SYS_ppoll, NULL, 0, &moment, NULL, 8);
	if (stopped > 0) {
		board->clocks[step] = clock_now();
		__atomic_store_n(&board->done[step], DONE, __ATOMIC_RELEASE);
	} else if (!board->stop)
		fail(step, steps[step].subject, "the task does not stop", stopped ? ESRCH : ETIMEDOUT);
}

/* When all else is done: nothing ends any more, so the kernel continues no task. */
static void stop_tasks(void)
{
	unsigned number;

	for (number = 1; number < STEPS && !look(&board->failed) && !board->stop; number++)
		if (steps[number].op == STOP)
			stop_task(number);
}
