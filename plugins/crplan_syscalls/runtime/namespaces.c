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

/* Write one line of the caller's id maps; a namespace without maps is one all the same. */
static void map_root(const char *path, const char *before, long id, const char *after)
{
	char line[64];
	struct text text = { line, line + sizeof line };
	long file = CALL4(SYS_openat, OWN_PROC, path, O_WRONLY | O_CLOEXEC, 0);

	if (file < 0)
		return;
	add(&text, before);
	if (id >= 0)
		add_number(&text, id);
	add(&text, after);
	CALL3(SYS_write, file, line, text.at - line);
	CALL1(SYS_close, file);
}

static long set_namespace(long namespace, int flag)
{
	long result = CALL2(SYS_setns, namespace, flag);

	CALL1(SYS_close, namespace);
	return result;
}

static long make_namespaces(const struct step *step, const char **what)
{
	long user = CALL0(SYS_geteuid), group = CALL0(SYS_getegid), result;

	*what = "unshare";
	result = CALL1(SYS_unshare, step->a);
	if (result < 0)
		return result;
	if (step->a & CLONE_NEWUSER) {
		map_root("self/setgroups", "deny", -1, "");
		map_root("self/uid_map", "0 ", user, " 1");
		map_root("self/gid_map", "0 ", group, " 1");
	}
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
