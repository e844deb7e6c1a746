/*
 * The plan as the program carries it out; what is not said is 0.
 */

static const struct process processes[PROCESSES] = {
	{ .kind = EXECUTOR, .first = 1 }, /* this program */
	{ .kind = TASK, .first = 2, .levels = 1, .set_tid = { 1 }, .name = "task1" },
	{ .kind = TASK, .first = 4, .levels = 2, .set_tid = { 1, 10 }, .name = "task10" },
	{ .kind = HELPER, .first = 6, .ends = 11, .levels = 1, .set_tid = { 70 }, .name = "helper70" },
	{ .kind = HELPER, .first = 8, .ends = 9, .levels = 2, .set_tid = { 5, 71 }, .name = "helper71" },
	{ .kind = TASK, .levels = 2, .set_tid = { 6, 72 }, .name = "task72" },
};

static const struct step steps[STEPS] = {
	[1] = { .op = CREATE, .subject = 1, .a = CLONE_NEWPID, .b = 17, .next = 13 },
	[2] = { .op = SETSID, .actor = 1, .subject = 1, .next = 3, .rule = 1 },
	[3] = { .op = CREATE, .actor = 1, .subject = 2, .a = CLONE_NEWPID, .b = 17, .next = 5 },
	[4] = { .op = SETSID, .actor = 2, .subject = 2, .rule = 1 },
	[5] = { .op = CREATE, .actor = 1, .subject = 3, .b = 17, .next = 12 },
	[6] = { .op = ENTER, .actor = 3, .a = 10, .count = 1, .next = 7, .rule = 2 },
	[7] = { .op = CREATE, .actor = 3, .subject = 4, .b = 17, .next = 10 },
	[8] = { .op = CREATE, .actor = 4, .subject = 5, .b = 17, .next = 9 },
	[9] = { .op = EXIT, .actor = 4, .subject = 4, .rule = 3 },
	[10] = { .op = REAP, .actor = 3, .subject = 4, .a = 71, .list = 1, .count = 1, .next = 11, .rule = 4 },
	[11] = { .op = EXIT, .actor = 3, .subject = 3, .list = 2, .count = 1, .rule = 3 },
	[12] = { .op = REAP, .actor = 1, .subject = 3, .a = 70, .list = 3, .count = 1, .rule = 4 },
	[13] = { .op = VERIFY, .subject = 1, .b = 1, .c = 1, .d = -1, .e = -1, .next = 14, .rule = 5 },
	[14] = { .op = VERIFY, .subject = 2, .a = 1, .b = 10, .c = 10, .d = -1, .e = -1, .next = 15, .rule = 5 },
	[15] = { .op = VERIFY, .subject = 5, .a = 10, .b = 1, .c = 1, .d = -1, .e = -1, .rule = 5 },
};

static const unsigned lists[] = {
	3, /* step 6 waits: after */
	9, /* step 10 waits: after */
	8, /* step 11 waits: after */
	11, /* step 12 waits: after */
};

static const struct place places[] = {
	{ 0 }, /* the end */
};

/* id maps, one after the other, as they are written */
static const char maps[] =
	"";

static const char rules[][65] = {
	"birth",
	"session",
	"entry",
	"end",
	"reap",
	"verify",
};

