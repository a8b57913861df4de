#include "cli/stranded.h"

#include "base/log.h"
#include "queue/admin.h"

#include <inttypes.h>
#include <string.h>

typedef void stranded_fn(void *arg, const char *name, int64_t queued);

struct stranded {
	const struct settings *settings;
	stranded_fn *fn;
	void *arg;
};

static void
stranded_destination(void *arg, const char *name, int64_t queued)
{
	const struct stranded *stranded = arg;

	if (queued > 0 && !settings_destination_has(stranded->settings, name))
		stranded->fn(stranded->arg, name, queued);
}

static void
stranded_each(const struct parts *parts, stranded_fn *fn, void *arg)
{
	struct stranded stranded = {parts->settings, fn, arg};

	stats_destinations(parts->queue, stranded_destination, &stranded);
}

static void
stranded_log_one(void *arg, const char *name, int64_t queued)
{
	(void)arg;
	log_line(LOG_WARN, "serve",
	    "stranded destination=%s queued=%" PRId64
	    " help=\"it is not in the settings: add it again, or use "
	    "`currentsd queue redirect`\"",
	    name, queued);
}

void
stranded_log(const struct parts *parts)
{
	stranded_each(parts, stranded_log_one, NULL);
}

static void
stranded_text_one(void *arg, const char *name, int64_t queued)
{
	(void)buf_printf(arg,
	    "to         %-16s NOT IN THE SETTINGS, %" PRId64 " queued\n"
	    "           they are not sent: add it again, or use `currentsd "
	    "queue redirect`\n",
	    name, queued);
}

void
stranded_text(const struct parts *parts, struct buf *out)
{
	stranded_each(parts, stranded_text_one, out);
}

static void
stranded_json_one(void *arg, const char *name, int64_t queued)
{
	json_object_open(arg, NULL);
	json_text(arg, "name", name);
	json_int(arg, "queued", queued);
	json_object_close(arg);
}

void
stranded_json(const struct parts *parts, struct json *json)
{
	json_array_open(json, "stranded");
	stranded_each(parts, stranded_json_one, json);
	json_array_close(json);
}

static void
stranded_metric_one(void *arg, const char *name, int64_t queued)
{
	(void)buf_printf(arg,
	    "currentsd_stranded_queued{destination=\"%s\"} %" PRId64 "\n", name,
	    queued);
}

void
stranded_metrics(const struct parts *parts, struct buf *out)
{
	(void)buf_text(out,
	    "# HELP currentsd_stranded_queued Events queued for a destination "
	    "that is not in the settings.\n"
	    "# TYPE currentsd_stranded_queued gauge\n");
	stranded_each(parts, stranded_metric_one, out);
}
