#include "cli/import_judge.h"

#include <stdlib.h>

struct import_source {
	struct track_rules rules;
	struct server_source source;
	struct server_judge *judge; /* NULL: not made yet */
	const char *destination;
};

static bool
judge_read_settings(
    struct import_judge *judge, const char *config, struct err *reterr)
{
	judge->own = malloc(sizeof(*judge->own));
	if (judge->own == NULL)
		return err_set_nomem(reterr);
	if (!settings_read(config, judge->own, reterr)) {
		free(judge->own);
		judge->own = NULL;
		return false;
	}
	judge->settings = judge->own;
	return true;
}

bool
import_judge_init(struct import_judge *judge, const struct parts *parts,
    const char *config, struct err *reterr)
{
	*judge = (struct import_judge){.settings = parts->settings};
	if (atomic_load(&parts->server) == NULL &&
	    !judge_read_settings(judge, config, reterr))
		return false;
	judge->sources =
	    calloc(judge->settings->source_count, sizeof(*judge->sources));
	return judge->sources != NULL || err_set_nomem(reterr);
}

void
import_judge_fini(struct import_judge *judge)
{
	for (size_t i = 0;
	     judge->sources != NULL && i < judge->settings->source_count; i++)
		server_judge_free(judge->sources[i].judge);
	free(judge->sources);
	if (judge->own != NULL)
		settings_fini(judge->own);
	free(judge->own);
}

static bool
judge_make(struct import_judge *judge, const struct settings_source *from,
    struct import_source *made, struct err *reterr)
{
	/* Those of the daemon are complete; ours may be written to. */
	struct settings_destination *destination = settings_destination_find(
	    judge->own != NULL ? judge->own
			       : (struct settings *)(uintptr_t)judge->settings,
	    from->destination);

	if (destination == NULL)
		return err_set(reterr, ERR_CONFIG,
		    "source \"%s\": there is no destination \"%s\"", from->name,
		    from->destination);
	made->destination = destination->name;
	if (from->private_at == SETTINGS_AT_ACCEPT) {
		if (judge->own != NULL && destination->mapping == NULL &&
		    !settings_mapping_make(
			destination, &judge->own->warnings, reterr))
			return false;
		settings_rules(destination, &made->rules);
	}
	parts_source_settings(from, &made->rules, &made->source);
	return server_judge_new(&made->source, &made->judge, reterr);
}

bool
import_judge_find(struct import_judge *judge, size_t source,
    const struct server_judge **ret_judge, const char **ret_destination,
    struct err *reterr)
{
	struct import_source *made = &judge->sources[source];

	if (made->judge == NULL &&
	    !judge_make(judge, &judge->settings->sources[source], made, reterr))
		return false;
	*ret_judge = made->judge;
	*ret_destination = made->destination;
	return true;
}
