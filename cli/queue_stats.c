/* currentsd queue stats: how much is queued, and for how long. */

#include "cli/command.h"
#include "cli/value.h"

const struct option_row command_queue_stats_options[] = {
    {"--age", NULL, "Read all queued events, and show how old they are."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

static const struct grid_column destination_columns[] = {
    {"DESTINATION", "name", GRID_TEXT, GRID_CUT, 0, NULL},
    {"QUEUED", "queued", GRID_NUMBER, 0, 0, NULL},
    {"HELD", "held", GRID_NUMBER, GRID_HIDE_ZERO, 1, NULL},
    {"OLDEST", "oldest_queued_s", GRID_DURATION, 0, 0, NULL},
    {"EMPTY IN", "drain_forecast_s", GRID_DURATION, 0, 0, NULL},
};

static const struct grid_column stranded_columns[] = {
    {"NOT IN THE SETTINGS", "name", GRID_TEXT, GRID_CUT, 0, NULL},
    {"QUEUED", "queued", GRID_NUMBER, 0, 0, NULL},
};

enum { LINE_LABEL };
static const struct grid_column source_columns[] = {
    {"SOURCE", "label", GRID_TEXT, GRID_CUT, 0, NULL},
    {"QUEUED", "queued", GRID_NUMBER, 0, 0, NULL},
    {"DEAD", "dead", GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL},
};

static const struct grid_column type_columns[] = {
    {"TYPE", "label", GRID_TEXT, GRID_CUT | GRID_KEEP_END, 0, NULL},
    {"QUEUED", "queued", GRID_NUMBER, 0, 0, NULL},
    {"DEAD", "dead", GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL},
};

/* As the daemon counts them: each class is twice as old as the one before, and
 * the last one is all that is older. */
enum { AGE_LABEL, AGE_QUEUED, AGE_FIRST, AGE_COLUMNS = AGE_FIRST + 10 };
#define AGE(head)                                                              \
	{                                                                      \
		head, NULL, GRID_NUMBER, GRID_HIDE_ZERO, 0, NULL               \
	}
#define AGES(head)                                                             \
	{                                                                      \
		{head, "label", GRID_TEXT, GRID_CUT | GRID_KEEP_END, 0, NULL}, \
		    {"QUEUED", "queued", GRID_NUMBER, 0, 0, NULL},             \
		    AGE("5 MIN"), AGE("10 MIN"), AGE("20 MIN"), AGE("40 MIN"), \
		    AGE("80 MIN"), AGE("160 MIN"), AGE("320 MIN"),             \
		    AGE("640 MIN"), AGE("1280 MIN"), AGE("OLDER")              \
	}
static const struct grid_column source_age_columns[] = AGES("SOURCE, BY AGE");
static const struct grid_column type_age_columns[] = AGES("TYPE, BY AGE");

struct listing {
	const char *member;
	const char *aged; /* the member that says the same by age, or NULL */
	const struct grid_column *columns;
	size_t count;
};
#define LISTING(member, aged, columns)                                         \
	{                                                                      \
		member, aged, GRID(columns)                                    \
	}
static const struct listing listings[] = {
    LISTING("destinations", NULL, destination_columns),
    LISTING("stranded", NULL, stranded_columns),
    LISTING("sources", "sources_by_age", source_columns),
    LISTING("types", "types_by_age", type_columns),
    LISTING("sources_by_age", NULL, source_age_columns),
    LISTING("types_by_age", NULL, type_age_columns),
};

static bool
listing_write(struct command_context *context, const struct listing *listing,
    const json_t *rows, struct buf *out, struct err *reterr)
{
	struct grid *grid =
	    grid_new(listing->columns, listing->count, context->now_ms);
	const json_t *row, *age;
	size_t i, class;

	json_array_foreach(rows, i, row)
	{
		const char *segment = value_text(row, "segment");

		grid_row(grid, row);
		if (*segment != '\0')
			grid_textf(grid, LINE_LABEL, "%s: %s",
			    value_text(row, "label"), segment);
		json_array_foreach(value_at(row, "ages"), class, age)
		{
			if (AGE_FIRST + class < listing->count)
				grid_number(grid, AGE_FIRST + class,
				    json_integer_value(age));
		}
	}
	if (grid_rows(grid) > 0)
		(void)buf_char(out, '\n');
	if (listing->count == AGE_COLUMNS)
		grid_sort(grid, AGE_LABEL, false);
	return grid_end(grid, context->screen, out, reterr);
}

static int
stats_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	struct err err;

	command_say(context, out, answer,
	    "{queued#} queued, {dead#} dead, {unreadable#} unreadable\n");
	for (size_t i = 0; i < sizeof(listings) / sizeof(listings[0]); i++) {
		/* The same lines come with their ages. */
		if (listings[i].aged != NULL &&
		    value_at(answer, listings[i].aged) != NULL)
			continue;
		if (!listing_write(context, &listings[i],
			value_at(answer, listings[i].member), out, &err))
			return command_fail(out, &err);
	}
	if (value_int(answer, "damaged") > 0)
		command_say(context, out, answer,
		    "\n{damaged%} damaged batches could not be read and were "
		    "skipped\n");
	return EXIT_FINE;
}

int
command_queue_stats(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(context, "GET", "/queue/stats", "age");

	return command_answer(context, &ask, stats_show, out);
}
