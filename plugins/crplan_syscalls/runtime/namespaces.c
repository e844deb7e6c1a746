/*
 * Namespaces of other kinds than pid: made empty, and joined through a process that is in them.
 *
 * Where it takes a proc instance to make one, every process has the container's as descriptor OWN_PROC.
 */
#define OWN_PROC 3

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

/* An open file of numbers: what was read of it, and how far that was used. */
struct reading {
	long file, length, at;
	char block[64];
};

/* The next number, -1 at the end of the file. */
static long next_number(struct reading *reading)
{
	long number = -1;

	for (;;) {
		char digit;

		if (reading->at == reading->length) {
			reading->at = 0;
			reading->length = CALL3(SYS_read, reading->file, reading->block, sizeof reading->block);
			if (reading->length <= 0) {
				reading->length = 0;
				return number;
			}
		}
		digit = reading->block[reading->at++];
		if (digit >= '0' && digit <= '9')
			number = (number < 0 ? 0 : number) * 10 + (digit - '0');
		else if (number >= 0)
			return number;
	}
}

/* Whether a map reads as it was written: the kernel pads its numbers with blanks. */
static int reads_as(struct reading *reading, const char *text, long length)
{
	long at = 0, number;

	while (at < length) {
		for (number = 0; text[at] >= '0' && text[at] <= '9'; at++)
			number = number * 10 + (text[at] - '0');
		at++;
		if (next_number(reading) != number)
			return 0;
	}
	return next_number(reading) < 0;
}

/* Write an id map of the subject's user namespace, in one write as the kernel wants it, and read it back. */
static long write_map(const struct step *step, const char *name, const char *words, long length)
{
	char path[32], line[32];
	struct text text = { path, path + sizeof path };
	struct reading reading;
	long result;

	add_number(&text, at_level_0(step->subject));
	add(&text, name);
	reading.file = CALL4(SYS_openat, step->actor ? OWN_PROC : board->proc, path, O_RDWR | O_CLOEXEC, 0);
	if (reading.file < 0)
		return reading.file;
	if (step->b) {
		struct stat status;

		result = CALL2(SYS_fstat, reading.file, &status);
		text = (struct text){ line, line + sizeof line };
		add(&text, "0 ");
		add_number(&text, result < 0 ? 0 : name[1] == 'u' ? (long)status.st_uid : (long)status.st_gid);
		add(&text, " 1\n");
		words = line;
		length = text.at - line;
	}
	result = CALL3(SYS_write, reading.file, words, length);
	reading.at = reading.length = 0;
	if (result >= 0)
		result = CALL3(SYS_lseek, reading.file, 0, SEEK_SET);
	if (result >= 0 && !reads_as(&reading, words, length))
		result = -ERANGE;
	CALL1(SYS_close, reading.file);
	return result;
}

static long map_ids(const struct step *step, const char **what)
{
	long result = 0;

	if (!step->actor)
		wait_for(&board->proc_open);
	*what = "uid_map";
	if (step->b || step->c)
		result = write_map(step, "/uid_map", maps + step->a, step->c);
	if (result < 0 && !step->b)
		return result;
	*what = "gid_map";
	if (step->b || step->e)
		result = write_map(step, "/gid_map", maps + step->d, step->e);
	/* A namespace without the maps that no image asked for is one all the same. */
	return step->b ? 0 : result;
}

static long first_id_of(const char *path)
{
	struct reading reading;
	long id;

	reading.at = reading.length = 0;
	reading.file = CALL4(SYS_openat, OWN_PROC, path, O_RDONLY | O_CLOEXEC, 0);
	if (reading.file < 0)
		return -1;
	id = next_number(&reading);
	CALL1(SYS_close, reading.file);
	return id;
}

/* Take the first ids that the caller's user namespace maps, without which it can make none below. */
static long take_mapped_ids(void)
{
	long user = first_id_of("self/uid_map"), group = first_id_of("self/gid_map"), result;

	if (user < 0 || group < 0)
		return -EPERM;
	result = CALL3(SYS_setresgid, group, group, group);
	if (result >= 0)
		result = CALL3(SYS_setresuid, user, user, user);
	/* With other ids its files in /proc are root's until it may be looked at again. */
	return result < 0 ? result : CALL5(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long set_namespace(long namespace, int flag)
{
	long result = CALL2(SYS_setns, namespace, flag);

	CALL1(SYS_close, namespace);
	return result;
}

static long make_namespaces(const struct step *step, const char **what)
{
	long result;

	*what = "unshare";
	result = CALL1(SYS_unshare, step->a);
	if (result == -EPERM && step->a & CLONE_NEWUSER) {
		result = take_mapped_ids();
		if (result >= 0)
			result = CALL1(SYS_unshare, step->a);
	}
	if (result < 0)
		return result;
	if (step->a & CLONE_NEWTIME) {
		/* The new one is for the children only; the caller enters it itself. */
		*what = "open of the time namespace";
		result = CALL4(SYS_openat, OWN_PROC, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC, 0);
		if (result < 0)
			return result;
		*what = "setns";
		result = set_namespace(result, CLONE_NEWTIME);
	}
	return result;
}

static long join_namespace(const struct step *step, const char **what)
{
	long process;

	*what = "pidfd_open";
	process = CALL2(SYS_pidfd_open, step->a, 0);
	if (process < 0)
		return process;
	*what = "setns";
	return set_namespace(process, step->b);
}
