/* The list of all facts, for `currentsd help metrics`. */

#include "base/counters.h"
#include "daemon/facts.h"

enum { FACTS_INDENT = 6, FACTS_WIDTH = 78 };

static void
text_head(const char *title, struct buf *out)
{
	(void)buf_printf(out, "\n%s\n", title);
}

static void
text_fact(const struct fact *fact, struct buf *out)
{
	(void)buf_printf(out, "  %s%s%s%s\n",
	    fact->name != NULL ? fact->name : "",
	    fact->name != NULL && fact->metric != NULL ? ", " : "",
	    fact->metric != NULL ? fact_metric_prefix(fact) : "",
	    fact->metric != NULL ? fact->metric : "");
	buf_wrap(out, fact->help, FACTS_INDENT, FACTS_WIDTH);
}

static void
text_counter(void *arg, const char *name, const char *help)
{
	(void)buf_printf(arg, "  %s\n", name);
	buf_wrap(arg, help, FACTS_INDENT, FACTS_WIDTH);
}

void
facts_help_write(struct buf *out)
{
	(void)buf_text(out,
	    "What /status and `currentsd status --json` have, by its name, "
	    "and /metrics, by\nits name with currentsd_ before it.\n");
	for (const struct facts_table *t = facts_tables; t->title != NULL;
	     t++) {
		text_head(t->title, out);
		for (const struct fact *fact = t->rows; !fact_ends(fact);
		     fact++) {
			if (fact->help != NULL)
				text_fact(fact, out);
		}
	}
	text_head("Since the start, only in /metrics", out);
	counters_each(text_counter, out);
}
