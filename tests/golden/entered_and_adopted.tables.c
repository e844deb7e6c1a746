/*
 * The plan.
 */

static const struct process processes[PROCESSES] = {
	{EXECUTOR, 1, 0, 0, {0}}, /* this program */
	{TASK, 2, 0, 1, {1}}, /* 1 task1 */
	{TASK, 4, 0, 2, {1, 10}}, /* 10 task10 */
	{HELPER, 6, 11, 1, {70}}, /* 70 helper70 */
	{HELPER, 8, 9, 2, {5, 71}}, /* 71 helper71 */
	{TASK, 0, 0, 2, {6, 72}}, /* 72 task72 */
};

/* what, actor, subject, a, b, c, d, e, list, count, next, rule */
static const struct step steps[STEPS] = {
	{VERIFY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, /* 0 is no step */
	{CREATE, 0, 1, CLONE_NEWPID, 17, 0, 0, 0, 0, 0, 13, 0}, /* 1 executor creates 1 [1]: birth */
	{SETSID, 1, 1, 0, 0, 0, 0, 0, 0, 0, 3, 1}, /* 2 1 setsid: session */
	{CREATE, 1, 2, CLONE_NEWPID, 17, 0, 0, 0, 0, 0, 5, 0}, /* 3 1 creates 10 [10, 1]: birth */
	{SETSID, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1}, /* 4 10 setsid: session */
	{CREATE, 1, 3, 0, 17, 0, 0, 0, 0, 0, 12, 0}, /* 5 1 creates 70 [70]: birth */
	{ENTER, 3, 0, 10, 0, 0, 0, 0, 0, 1, 7, 2}, /* 6 70 enters 10: entry */
	{CREATE, 3, 4, 0, 17, 0, 0, 0, 0, 0, 10, 0}, /* 7 70 creates 71 [71, 5]: birth */
	{CREATE, 4, 5, 0, 17, 0, 0, 0, 0, 0, 9, 0}, /* 8 71 creates 72 [72, 6]: birth */
	{EXIT, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 3}, /* 9 71 exits: end */
	{REAP, 3, 4, 71, 0, 0, 0, 0, 1, 1, 11, 4}, /* 10 70 reaps 71: reap */
	{EXIT, 3, 3, 0, 0, 0, 0, 0, 2, 1, 0, 3}, /* 11 70 exits: end */
	{REAP, 1, 3, 70, 0, 0, 0, 0, 3, 1, 0, 4}, /* 12 1 reaps 70: reap */
	{VERIFY, 0, 1, 0, 1, 1, -1, -1, 0, 0, 14, 5}, /* 13 executor verifies 1: verified */
	{VERIFY, 0, 2, 1, 10, 10, -1, -1, 0, 0, 15, 5}, /* 14 executor verifies 10: verified */
	{VERIFY, 0, 5, 10, 1, 1, -1, -1, 0, 0, 0, 5}, /* 15 executor verifies 72: verified */
};

static const unsigned lists[] = {
	3, /* 6 waits: after */
	9, /* 10 waits: after */
	8, /* 11 waits: after */
	11, /* 12 waits: after */
};

/* the number of a VERIFY, a kind of namespace, the row of whoever made the subject's, 0 for the executor's */
static const struct place places[] = {
	{0, 0, 0}, /* the end */
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
	"verified",
};

