/*
 * The plan as it comes from `crplan run`: a file in the layout of the tables, which is mapped and named by CRPLAN_PLAN.
 */
struct plan_file {
	uint32_t magic, processes, steps, root, keeps_proc;
	uint32_t keeper, executor, watcher;	/* free numbers of the namespace that the plan is for, where there is one */
	uint32_t processes_at, steps_at, lists_at, places_at, maps_at, rules_at, size;
};

#define MAGIC 0x31706372 /* "rcp1" */

static const struct plan_file *plan;
static const struct process *processes;
static const struct step *steps;
static const unsigned *lists;
static const struct place *places;
static const char *maps;
static const char (*rules)[RULE_BYTES + 1];

#define PROCESSES (plan->processes)
#define STEPS (plan->steps)
#define ROOT (plan->root)
#define KEEPS_PROC (plan->keeps_proc)
#define INSIDE (plan->keeper)
#define WATCHER (plan->watcher)

/* Map the plan; false where there is none that this program can read. */
static int load_plan(int file)
{
	struct stat status;
	char *memory;

	if (file < 0 || fstat(file, &status) < 0 || (size_t)status.st_size < sizeof *plan)
		return 0;
	memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		return 0;
	plan = (const struct plan_file *)(void *)memory;
	if (plan->magic != MAGIC || plan->size != (uint64_t)status.st_size)
		return 0;
	processes = (const struct process *)(void *)(memory + plan->processes_at);
	steps = (const struct step *)(void *)(memory + plan->steps_at);
	lists = (const unsigned *)(void *)(memory + plan->lists_at);
	places = (const struct place *)(void *)(memory + plan->places_at);
	maps = memory + plan->maps_at;
	rules = (const char (*)[RULE_BYTES + 1])(memory + plan->rules_at);
	close(file);
	return 1;
}
