/*
 * The program by itself: what it answers to its user, and the plan that stands in its tables.
 */
/* Say that a line could not be written; the program's exit code. */
static int unheard(const char *what, long error)
{
	complain(0, ROOT, what, error_name((int)-error));
	return 1;
}

static int dry_run(void)
{
	unsigned number;

	for (number = 1; number < STEPS; number++) {
		long result = write_all(1, sentences[number], strlen(sentences[number]));

		if (result >= 0)
			result = write_all(1, "\n", 1);
		if (result < 0)
			return unheard("the steps cannot be written to standard output", result);
	}
	return 0;
}

/* The answer to an argument: the usage where it is asked for, and a refusal of any other. */
static int answer(const char *argument)
{
	static const char usage[] =
		"usage: PROGRAM\n"
		"Rebuilds the tree of processes that the head of its source describes, prints \"ready PID\", and holds it until\n"
		"SIGTERM, SIGINT or the end of its root. It takes no arguments.\n"
		"CRPLAN_DRY_RUN=1 prints the steps and does nothing; CRPLAN_TIMEOUT is how many seconds a step may take (30).\n";
	static const char refusal[] = "crplan: a rebuild takes no arguments; --help says what it does\n";
	static const char unwritten[] = "crplan: the usage cannot be written to standard output\n";

	if (strcmp(argument, "-h") && strcmp(argument, "--help")) {
		write_all(2, refusal, sizeof refusal - 1);
		return 2;
	}
	if (write_all(1, usage, sizeof usage - 1) >= 0)
		return 0;
	write_all(2, unwritten, sizeof unwritten - 1);
	return 1;
}

int main(int count, char **words)
{
	const char *dry = getenv("CRPLAN_DRY_RUN");

	begin();
	if (count > 1)
		return answer(words[1]);
	if (dry && *dry && strcmp(dry, "0"))
		return dry_run();
	refuse_core_files();
	rebuild();
}
