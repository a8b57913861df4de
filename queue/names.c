#include "queue/names.h"

#include <stdlib.h>

void
names_fini(struct names *names)
{
	names_cut(names, 0);
	table_fini(&names->table);
	free(names->texts);
	*names = (struct names){.texts = NULL};
}

void
names_cut(struct names *names, size_t count)
{
	while (names->count > count) {
		struct str text = names->texts[--names->count];

		table_remove(
		    &names->table, str_hash(0, text), (uint32_t)names->count);
		free((void *)(uintptr_t)text.data);
	}
}

struct names_lookup {
	const struct names *names;
	struct str text;
};

static bool
names_equal(const void *arg, uint32_t position)
{
	const struct names_lookup *lookup = arg;

	return str_equal(lookup->names->texts[position], lookup->text);
}

int64_t
names_find(const struct names *names, struct str text)
{
	struct names_lookup lookup = {names, text};
	uint32_t at =
	    table_find(&names->table, str_hash(0, text), names_equal, &lookup);

	return at == TABLE_NONE ? 0 : (int64_t)at + 1;
}

bool
names_add(
    struct names *names, struct str text, int64_t *ret_id, struct err *reterr)
{
	char *copy;

	*ret_id = names_find(names, text);
	if (*ret_id != 0)
		return true;
	if (names->count == names->cap) {
		size_t cap = names->cap == 0 ? 16 : names->cap * 2;
		struct str *texts = realloc(names->texts, cap * sizeof(*texts));

		if (texts == NULL)
			return err_set_nomem(reterr);
		names->texts = texts;
		names->cap = cap;
	}
	if (!table_reserve(&names->table, names->count + 1))
		return err_set_nomem(reterr);
	copy = malloc(text.len + 1);
	if (copy == NULL)
		return err_set_nomem(reterr);
	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	table_add(&names->table, str_hash(0, text), (uint32_t)names->count);
	names->texts[names->count++] = str_bytes(copy, text.len);
	*ret_id = (int64_t)names->count;
	return true;
}
