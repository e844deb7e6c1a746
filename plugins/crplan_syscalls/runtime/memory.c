/*
 * Memory that clones need not copy.
 *
 * A clone copies the bookkeeping of every private page that was written, and of those of all ancestors: on a chain of tasks
 * that is quadratic. Tasks never write the program's data, so the executor replaces it by shared pages.
 */
#define RANGES 128

/* Replace private pages that were written by shared ones with the same contents, in place, stacks included. */
static void replace_private_pages(void)
{
	struct { char *start; size_t size; int protection; } ranges[RANGES];
	size_t count = 0, at, total = 0, done = 0;
	char block[8192], line[256], *copy;
	size_t filled = 0;
	long file = CALL4(SYS_openat, AT_FDCWD, "/proc/self/smaps", O_RDONLY | O_CLOEXEC, 0), got, next;
	int is_private = 0;

	if (file < 0)
		return;
	while ((got = CALL3(SYS_read, file, block, sizeof block)) > 0)
		for (next = 0; next < got; next++) {
			char *rest;
			unsigned long start, end;

			if (block[next] != '\n') {
				if (filled < sizeof line - 1)
					line[filled++] = block[next];
				continue;
			}
			line[filled] = 0;
			filled = 0;
			start = strtoul(line, &rest, 16);
			if (*rest == '-') {
				end = strtoul(rest + 1, &rest, 16);
				is_private = *rest == ' ' && rest[4] == 'p' && count < RANGES;
				if (is_private) {
					ranges[count].start = (char *)start;
					ranges[count].size = end - start;
					ranges[count].protection = (rest[1] == 'r' ? PROT_READ : 0)
						| (rest[2] == 'w' ? PROT_WRITE : 0) | (rest[3] == 'x' ? PROT_EXEC : 0);
				}
			} else if (is_private && starts(line, "Anonymous:", 10) && atol(line + 10) > 0
				   && ranges[count].protection & PROT_READ) {
				total += ranges[count++].size;
				is_private = 0;
			}
		}
	CALL1(SYS_close, file);
	copy = (char *)CALL6(SYS_mmap, 0, total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if ((unsigned long)copy > -4096UL)
		return;
	for (at = 0; at < count; at++) {
		size_t word;

		for (word = 0; word < ranges[at].size / sizeof(long); word++) {
			long value = ((volatile long *)(void *)ranges[at].start)[word];

			if (value)
				((volatile long *)(void *)(copy + done))[word] = value;
		}
		CALL3(SYS_mprotect, copy + done, ranges[at].size, ranges[at].protection);
		CALL5(SYS_mremap, copy + done, ranges[at].size, ranges[at].size, MREMAP_MAYMOVE | MREMAP_FIXED,
		      ranges[at].start);
		done += ranges[at].size;
	}
}

static void replace_and_exit(long unused)
{
	(void)unused;
	replace_private_pages();
	for (;;)
		CALL1(SYS_exit, 0);
}

/*
 * Create the watcher, and before it what does the same work with memory and ends: inside a namespace that is there already a
 * number that the kernel chooses could be one that a task needs.
 */
static long spawn_beside(unsigned long flags, void *stack, void (*life)(long))
{
	int number = (int)WATCHER;
	struct clone_arguments arguments = {
		.flags = flags, .set_tid = number ? (uintptr_t)&number : 0, .set_tid_size = number ? 1 : 0
	};

	return spawn(SYS_clone3, (long)&arguments, sizeof arguments, stack, life, 0);
}

/*
 * CLONE_VFORK holds the caller inside the kernel for as long as the child lives, so no process writes to the pages while they are
 * replaced. Where /proc cannot be read they stay private: slower, and no less right.
 */
static void share_memory(void *stack)
{
	long child = spawn_beside(CLONE_VM | CLONE_VFORK, stack, replace_and_exit);

	if (child > 0)
		while (CALL5(SYS_waitid, P_PID, child, NULL, WEXITED | __WALL, NULL) == -EINTR)
			;
}
