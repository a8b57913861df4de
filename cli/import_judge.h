#ifndef CLI_IMPORT_JUDGE_H
#define CLI_IMPORT_JUDGE_H

/*
 * By which rules imported events are judged: those of their source, as the
 * server has them. Without a daemon the settings are read anew, since what
 * private_at = accept takes out needs more of them than other commands do.
 */

#include "cli/parts.h"

struct import_source;

struct import_judge {
	const struct settings *settings;
	struct settings *own;	       /* read here, or NULL */
	struct import_source *sources; /* one for each, made when first used */
};

/* `config` is --config, or NULL. */
MUST_USE bool import_judge_init(struct import_judge *judge,
    const struct parts *parts, const char *config, struct err *reterr);
void import_judge_fini(struct import_judge *judge);

/* The judge of a source of judge->settings, and where its events go. */
MUST_USE bool import_judge_find(struct import_judge *judge, size_t source,
    const struct server_judge **ret_judge, const char **ret_destination,
    struct err *reterr);

#endif
