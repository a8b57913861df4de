#include "daemon/settings_diff.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_ROWS_MAX = 1024 * 1024 };

struct settings_kept_row {
	char *name, *value, *of; /* owned; the last may be NULL */
	const char *section, *key;
	unsigned char digest[SETTINGS_DIGEST];
	bool secret, restart, set, found;
};

static char *
kept_text(struct buf *text)
{
	return strndup(text->data != NULL ? text->data : "", text->len);
}

static void
row_keep(void *arg, const struct settings_row *row)
{
	struct settings_kept *kept = arg;
	struct settings_kept_row *one;
	struct buf text;

	if ((kept->count & (kept->count - 1)) == 0 && !kept->failed) {
		/* a power of two: full */
		one = kept->count >= KEPT_ROWS_MAX
			  ? NULL
			  : realloc(kept->rows,
				(2 * kept->count + 1) * sizeof(*one));
		kept->failed = one == NULL;
		if (one != NULL)
			kept->rows = one;
	}
	if (kept->failed)
		return;
	one = &kept->rows[kept->count++];
	*one = (struct settings_kept_row){
	    .section = row->section,
	    .of = row->name != NULL ? strdup(row->name) : NULL,
	    .key = row->key,
	    .secret = row->secret,
	    .restart = row->restart,
	    .set = row->origin != SETTINGS_DEFAULT,
	};
	memcpy(one->digest, row->digest, sizeof(one->digest));
	buf_init(&text, KEPT_ROWS_MAX);
	if (row->section != NULL)
		(void)buf_printf(&text, "%s %s: ", row->section, row->name);
	(void)buf_text(&text, row->key);
	one->name = kept_text(&text);
	buf_reset(&text);
	if (row->value.len > 0)
		settings_row_write(row, &text);
	if (row->origin == SETTINGS_CREDENTIAL)
		(void)buf_printf(&text, " (in %s)", row->path);
	one->value = kept_text(&text);
	kept->failed = one->name == NULL || one->value == NULL ||
		       (one->of == NULL && row->name != NULL);
	buf_fini(&text);
}

bool
settings_kept_read(const struct settings *settings,
    struct settings_kept *ret_kept, struct err *reterr)
{
	return settings_rows(settings, row_keep, ret_kept, reterr) &&
	       (!ret_kept->failed || err_set_nomem(reterr));
}

void
settings_kept_fini(struct settings_kept *kept)
{
	for (size_t i = 0; i < kept->count; i++) {
		free(kept->rows[i].name);
		free(kept->rows[i].value);
		free(kept->rows[i].of);
	}
	free(kept->rows);
}

/* The search goes on from the last one, because the rows are in the same order,
 * more or less. */
static struct settings_kept_row *
kept_find(struct settings_kept *kept, size_t *at, const char *name)
{
	for (size_t i = 0; i < kept->count; i++) {
		size_t n = (*at + i) % kept->count;

		if (strcmp(kept->rows[n].name, name) == 0) {
			*at = n + 1;
			return &kept->rows[n];
		}
	}
	return NULL;
}

/* Is it told of a source or destination that only one side has? */
static bool
row_tells(const struct settings_kept_row *row)
{
	return row->set || strcmp(row->key, "kind") == 0;
}

static void
row_tell(const struct settings_kept_row *old,
    const struct settings_kept_row *new, settings_change_fn *fn, void *arg)
{
	const struct settings_kept_row *row = old != NULL ? old : new;
	const struct settings_change change = {
	    .name = row->name,
	    .section = row->section,
	    .of = row->of,
	    .key = row->key,
	    .old = old != NULL ? old->value : NULL,
	    .new = new != NULL ? new->value : NULL,
	    .secret = row->secret,
	    .restart = row->restart &&old != NULL &&new != NULL,
	};

	fn(arg, &change);
}

void
settings_kept_diff(const struct settings_kept *old, struct settings_kept *new,
    settings_change_fn *fn, void *arg)
{
	size_t at = 0;

	for (size_t i = 0; i < old->count; i++) {
		const struct settings_kept_row *row = &old->rows[i];
		struct settings_kept_row *other =
		    kept_find(new, &at, row->name);

		if (other != NULL)
			other->found = true;
		if (other != NULL ? strcmp(row->value, other->value) != 0 ||
					memcmp(row->digest, other->digest,
					    sizeof(row->digest)) != 0
				  : row_tells(row))
			row_tell(row, other, fn, arg);
	}
	for (size_t i = 0; i < new->count; i++) {
		if (!new->rows[i].found && row_tells(&new->rows[i]))
			row_tell(NULL, &new->rows[i], fn, arg);
	}
}
