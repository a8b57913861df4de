#include "queue/groups.h"

#include "base/bits.h"
#include "queue/batch.h"

#include <stdlib.h>
#include <string.h>

enum { GROUPS_FORMAT = 1, GROUP_TEXTS = 6, SYNC_PAGE_BYTES_MOST = 1 << 20 };

/* ---- the packed forms: numbers and texts, as in queue/batch.h ---- */

static void
text_write(struct buf *buf, const char *text)
{
	size_t len = strlen(text);

	batch_number_write(buf, len);
	(void)buf_append(buf, text, len);
}

/* Of a row, whose bytes a damaged file may lack. */
static struct batch_reader
reader_of(struct str bytes)
{
	static const unsigned char none[1];
	const unsigned char *at =
	    bytes.len == 0 ? none : (const unsigned char *)bytes.data;

	return (struct batch_reader){at, at + bytes.len};
}

static bool
text_read(struct batch_reader *reader, struct str *ret_text)
{
	uint64_t len;

	if (!batch_number_read(reader, SIZE_MAX / 2, &len))
		return false;
	*ret_text = str_bytes(batch_bytes_read(reader, len), len);
	return ret_text->data != NULL;
}

/* The numbers of a group or a sync, in the order in which they are packed. */
static size_t
group_numbers(struct set_group *group, int64_t *ret[8])
{
	int64_t *const numbers[] = {
	    &group->first_ms,
	    &group->last_ms,
	    &group->complete_ms,
	    &group->syncs_begun,
	    &group->floor,
	    &group->sent,
	    &group->dead,
	};

	memcpy(ret, numbers, sizeof(numbers));
	return sizeof(numbers) / sizeof(numbers[0]);
}

static size_t
sync_numbers(struct sync *sync, int64_t *ret[12])
{
	int64_t *const numbers[] = {
	    &sync->first_ms,
	    &sync->last_ms,
	    &sync->size,
	    &sync->entered,
	    &sync->left,
	    &sync->delivered,
	    &sync->superseded,
	    &sync->no_change,
	    &sync->dropped,
	    &sync->dead,
	    &sync->unqueued,
	};

	memcpy(ret, numbers, sizeof(numbers));
	return sizeof(numbers) / sizeof(numbers[0]);
}

/* A count that is lower than nothing was damaged once: it is shown as none. */
static void
number_write(struct buf *buf, int64_t number)
{
	batch_number_write(buf, number < 0 ? 0 : (uint64_t)number);
}

static bool
number_read(struct batch_reader *reader, int64_t *ret_number)
{
	uint64_t number;
	bool ok = batch_number_read(reader, INT64_MAX, &number);

	*ret_number = ok ? (int64_t)number : 0;
	return ok;
}

static void
group_write(struct set_group *group, struct buf *buf)
{
	const char *const texts[] = {group->source.data, group->id, group->name,
	    group->kind, group->label, group->announced};
	int64_t *numbers[8];
	size_t count = group_numbers(group, numbers);

	batch_number_write(buf, GROUPS_FORMAT);
	for (size_t i = 0; i < count; i++)
		number_write(buf, *numbers[i]);
	for (size_t i = 0; i < GROUP_TEXTS; i++)
		text_write(buf, texts[i]);
}

static bool
group_read(struct set_group *group, struct str bytes, struct str *ret_source,
    struct err *reterr)
{
	struct batch_reader reader = reader_of(bytes);
	struct str texts[GROUP_TEXTS] = {{NULL, 0}};
	int64_t *numbers[8];
	size_t count = group_numbers(group, numbers);
	uint64_t format;
	bool ok = batch_number_read(&reader, GROUPS_FORMAT, &format) &&
		  format == GROUPS_FORMAT;

	for (size_t i = 0; ok && i < count; i++)
		ok = number_read(&reader, numbers[i]);
	for (size_t i = 0; ok && i < GROUP_TEXTS; i++)
		ok = text_read(&reader, &texts[i]);
	if (!ok || group->syncs_begun > SYNCS_MOST)
		return err_set(reterr, ERR_DAMAGED, "a group is malformed");
	*ret_source = texts[0];
	return set_text(&group->id, texts[1], reterr) &&
	       set_text(&group->name, texts[2], reterr) &&
	       set_text(&group->kind, texts[3], reterr) &&
	       set_text(&group->label, texts[4], reterr) &&
	       set_text(&group->announced, texts[5], reterr);
}

static void
sync_write(struct sync *sync, struct buf *buf)
{
	int64_t *numbers[12];
	size_t count = sync_numbers(sync, numbers);

	batch_number_write(buf, GROUPS_FORMAT);
	for (size_t i = 0; i < count; i++)
		number_write(buf, *numbers[i]);
	batch_number_write(buf, sync->total);
	batch_number_write(buf, sync->seen);
	batch_number_write(buf, (sync->held ? 1 : 0) | (sync->told ? 2 : 0));
	text_write(buf, sync->id);
	batch_number_write(buf, sync->page_bytes);
	(void)buf_append(buf, sync->pages, sync->page_bytes);
}

static bool
sync_read(struct sync *sync, struct str bytes, struct err *reterr)
{
	struct batch_reader reader = reader_of(bytes);
	uint64_t format, total, seen, flags;
	struct str id, pages;
	int64_t *numbers[12];
	size_t count = sync_numbers(sync, numbers);
	unsigned char *copy;
	bool ok = batch_number_read(&reader, GROUPS_FORMAT, &format) &&
		  format == GROUPS_FORMAT;

	for (size_t i = 0; ok && i < count; i++)
		ok = number_read(&reader, numbers[i]);
	if (!ok || !batch_number_read(&reader, SIZE_MAX / 2, &total) ||
	    !batch_number_read(&reader, SIZE_MAX / 2, &seen) ||
	    !batch_number_read(&reader, 3, &flags) ||
	    !text_read(&reader, &id) || !text_read(&reader, &pages))
		return err_set(reterr, ERR_DAMAGED, "a sync is malformed");
	copy = malloc(pages.len + 1);
	if (copy == NULL || !set_text(&sync->id, id, reterr)) {
		free(copy);
		return err_set_nomem(reterr);
	}
	memcpy(copy, pages.data, pages.len);
	free(sync->pages);
	sync->pages = copy;
	sync->page_bytes = pages.len;
	sync->total = total;
	sync->seen = seen;
	sync->held = (flags & 1) != 0;
	sync->told = (flags & 2) != 0;
	return true;
}

/* ---- their lives ---- */

static void
sync_free(struct sync *sync)
{
	if (sync == NULL)
		return;
	free(sync->id);
	free(sync->pages);
	buf_fini(&sync->before);
	free(sync);
}

static void
group_free(struct set_group *group)
{
	if (group == NULL)
		return;
	for (size_t i = 0; i < group->sync_count; i++)
		sync_free(group->syncs[i]);
	free(group->syncs);
	free(group->id);
	free(group->name);
	free(group->kind);
	free(group->label);
	free(group->announced);
	buf_fini(&group->before);
	free(group);
}

bool
set_text(char **text, struct str to, struct err *reterr)
{
	char *copy = malloc(to.len + 1);

	if (copy == NULL)
		return err_set_nomem(reterr);
	if (to.len > 0)
		memcpy(copy, to.data, to.len);
	copy[to.len] = '\0';
	free(*text);
	*text = copy;
	return true;
}

static struct set_group *
group_new(struct err *reterr)
{
	struct set_group *group = calloc(1, sizeof(*group));
	static const struct str none = STR("");

	if (group != NULL) {
		buf_init(&group->before, SIZE_MAX / 2);
		if (set_text(&group->id, none, reterr) &&
		    set_text(&group->name, none, reterr) &&
		    set_text(&group->kind, none, reterr) &&
		    set_text(&group->label, none, reterr) &&
		    set_text(&group->announced, none, reterr))
			return group;
	}
	group_free(group);
	(void)err_set_nomem(reterr);
	return NULL;
}

static struct sync *
sync_new(struct str id, struct err *reterr)
{
	struct sync *sync = calloc(1, sizeof(*sync));

	if (sync != NULL) {
		buf_init(&sync->before, SIZE_MAX / 2);
		if (set_text(&sync->id, id, reterr))
			return sync;
	}
	sync_free(sync);
	(void)err_set_nomem(reterr);
	return NULL;
}

void
set_groups_clear(struct set_groups *groups)
{
	while (groups->count > 0)
		group_free(groups->list[--groups->count]);
	table_clear(&groups->table);
	groups->last = groups->lost = 0;
	groups->changed = false;
}

void
set_groups_fini(struct set_groups *groups)
{
	set_groups_clear(groups);
	table_fini(&groups->table);
	free(groups->list);
	*groups = (struct set_groups){.list = NULL};
}

/* ---- finding ---- */

static uint64_t
groups_hash(struct str destination, struct str source, struct str id)
{
	return str_hash(str_hash(str_hash(0, destination), source), id);
}

struct groups_lookup {
	const struct set_groups *groups;
	struct str destination, source, id;
};

static bool
groups_equal(const void *arg, uint32_t position)
{
	const struct groups_lookup *lookup = arg;
	const struct set_group *group = lookup->groups->list[position];

	return str_equal_text(lookup->id, group->id) &&
	       str_equal(lookup->source, group->source) &&
	       str_equal(lookup->destination, group->destination);
}

struct set_group *
set_groups_find(const struct set_groups *groups, struct str destination,
    struct str source, struct str id)
{
	struct groups_lookup lookup = {groups, destination, source, id};
	uint32_t at = table_find(&groups->table,
	    groups_hash(destination, source, id), groups_equal, &lookup);

	return at == TABLE_NONE ? NULL : groups->list[at];
}

static size_t
groups_place(const struct set_groups *groups, int64_t number)
{
	size_t low = 0, high = groups->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (groups->list[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct set_group *
set_groups_at(const struct set_groups *groups, int64_t number)
{
	size_t at = groups_place(groups, number);

	return at < groups->count && groups->list[at]->number == number
		   ? groups->list[at]
		   : NULL;
}

struct sync *
sync_at(const struct set_group *group, int64_t number)
{
	for (size_t i = group->sync_count; i > 0; i--) {
		if (group->syncs[i - 1]->number == number)
			return group->syncs[i - 1];
	}
	return NULL;
}

struct sync *
sync_find(const struct set_group *group, struct str id)
{
	for (size_t i = group->sync_count; id.len > 0 && i > 0; i--) {
		if (str_equal_text(id, group->syncs[i - 1]->id))
			return group->syncs[i - 1];
	}
	return NULL;
}

bool
sync_has(const struct sync *sync, size_t page)
{
	return page > 0 && page / 8 < sync->page_bytes &&
	       bits_has(sync->pages, page);
}

bool
sync_whole(const struct sync *sync)
{
	return sync->total == 0 || sync->seen >= sync->total;
}

int64_t
sync_waiting(const struct sync *sync)
{
	int64_t waiting = sync->entered + sync->left + sync->unqueued -
			  sync->delivered - sync->superseded - sync->no_change -
			  sync->dropped - sync->dead;

	return waiting < 0 ? 0 : waiting;
}

int64_t
set_group_wanted(const struct set_group *group)
{
	int64_t wanted = group->sent + group->shift;

	return wanted < 0 ? 0 : wanted;
}

/* ---- the running transaction ---- */

/* At the end of the list; its number is the highest. */
static bool
groups_append(
    struct set_groups *groups, struct set_group *group, struct err *reterr)
{
	struct set_group **list;

	if (groups->count == groups->cap) {
		size_t cap = groups->cap == 0 ? 16 : groups->cap * 2;

		list = realloc(groups->list, cap * sizeof(*list));
		if (list == NULL)
			return err_set_nomem(reterr);
		groups->list = list;
		groups->cap = cap;
	}
	if (!table_reserve(&groups->table, groups->count + 1))
		return err_set_nomem(reterr);
	table_add(&groups->table,
	    groups_hash(group->destination, group->source, str_text(group->id)),
	    (uint32_t)groups->count);
	groups->list[groups->count++] = group;
	return true;
}

/* Take it out of the list, and free it. */
static void
groups_drop(struct set_groups *groups, size_t at)
{
	struct set_group *group = groups->list[at];

	for (size_t i = at; i < groups->count; i++) {
		const struct set_group *one = groups->list[i];
		uint64_t hash = groups_hash(
		    one->destination, one->source, str_text(one->id));

		table_remove(&groups->table, hash, (uint32_t)i);
		if (i > at)
			table_add(&groups->table, hash, (uint32_t)(i - 1));
	}
	groups->count--;
	memmove(groups->list + at, groups->list + at + 1,
	    (groups->count - at) * sizeof(struct set_group *));
	group_free(group);
}

bool
set_groups_add(struct set_groups *groups, struct str destination,
    struct str source, struct str id, size_t most, struct set_group **ret_group,
    struct err *reterr)
{
	struct set_group *group;

	if (groups->count >= most)
		return err_set(reterr, ERR_LIMIT,
		    "there are %zu groups already; groups_max is a setting",
		    groups->count);
	group = group_new(reterr);
	if (group == NULL)
		return false;
	group->number = groups->last + 1;
	group->destination = destination;
	group->source = source;
	group->syncs_begun = groups->lost;
	group->changed = group->added = true;
	if (!set_text(&group->id, id, reterr) ||
	    !groups_append(groups, group, reterr)) {
		group_free(group);
		return false;
	}
	groups->last = group->number;
	groups->changed = true;
	*ret_group = group;
	return true;
}

bool
set_groups_change(
    struct set_groups *groups, struct set_group *group, struct err *reterr)
{
	if (group->changed)
		return true;
	buf_reset(&group->before);
	group_write(group, &group->before);
	group->changed = groups->changed = buf_ok(&group->before, reterr);
	return group->changed;
}

bool
set_groups_remove(
    struct set_groups *groups, struct set_group *group, struct err *reterr)
{
	group->removed = set_groups_change(groups, group, reterr);
	return group->removed;
}

/* Behind those that are there. */
static bool
sync_append(struct set_group *group, struct sync *sync, struct err *reterr)
{
	size_t cap = group->sync_cap == 0 ? 4 : group->sync_cap * 2;
	struct sync **syncs;

	if (group->sync_count == group->sync_cap) {
		syncs = realloc(group->syncs, cap * sizeof(struct sync *));
		if (syncs == NULL)
			return err_set_nomem(reterr);
		group->syncs = syncs;
		group->sync_cap = cap;
	}
	group->syncs[group->sync_count++] = sync;
	return true;
}

bool
sync_add(struct set_groups *groups, struct set_group *group, struct str id,
    struct sync **ret_sync, struct err *reterr)
{
	struct sync *sync;

	if (!set_groups_change(groups, group, reterr))
		return false;
	sync = sync_new(id, reterr);
	if (sync == NULL)
		return false;
	if (!sync_append(group, sync, reterr)) {
		sync_free(sync);
		return false;
	}
	sync->number = ++group->syncs_begun;
	sync->changed = sync->added = true;
	*ret_sync = sync;
	return true;
}

bool
sync_change(struct set_groups *groups, struct set_group *group,
    struct sync *sync, struct err *reterr)
{
	if (!set_groups_change(groups, group, reterr))
		return false;
	if (sync->changed)
		return true;
	buf_reset(&sync->before);
	sync_write(sync, &sync->before);
	sync->changed = buf_ok(&sync->before, reterr);
	return sync->changed;
}

bool
sync_remove(struct set_groups *groups, struct set_group *group,
    struct sync *sync, struct err *reterr)
{
	sync->removed = sync_change(groups, group, sync, reterr);
	return sync->removed;
}

bool
sync_page(struct sync *sync, size_t page, struct err *reterr)
{
	size_t bytes = bits_bytes(page);
	unsigned char *pages;

	if (page == 0) {
		sync->seen++;
		return true;
	}
	if (bytes > SYNC_PAGE_BYTES_MOST)
		return err_set(
		    reterr, ERR_LIMIT, "a page has the number %zu", page);
	if (bytes > sync->page_bytes) {
		pages = realloc(sync->pages, bytes);
		if (pages == NULL)
			return err_set_nomem(reterr);
		memset(pages + sync->page_bytes, 0, bytes - sync->page_bytes);
		sync->pages = pages;
		sync->page_bytes = bytes;
	}
	sync->seen += bits_add(sync->pages, page);
	return true;
}

/* Packed, in the changes' memory. */
static bool
groups_pack(struct changes *changes, struct buf *buf, struct str *ret_bytes,
    struct err *reterr)
{
	if (!buf_ok(buf, reterr))
		return false;
	*ret_bytes = changes_copy(changes, str_bytes(buf->data, buf->len));
	return true;
}

static bool
sync_write_change(const struct set_group *group, struct sync *sync,
    struct changes *changes, struct buf *buf, struct err *reterr)
{
	struct engine_sync row = {group->number, sync->number, {NULL, 0}};

	if (sync->removed) {
		if (!sync->added)
			changes_add(changes, ENGINE_SYNC_DELETE)->row.sync =
			    row;
		return true;
	}
	buf_reset(buf);
	sync_write(sync, buf);
	if (!groups_pack(changes, buf, &row.data, reterr))
		return false;
	changes_add(changes, ENGINE_SYNC_PUT)->row.sync = row;
	return true;
}

static bool
group_write_change(struct set_group *group, struct changes *changes,
    struct buf *buf, struct err *reterr)
{
	struct engine_group row = {
	    group->number, group->destination, {NULL, 0}};

	for (size_t i = 0; i < group->sync_count; i++) {
		if (group->syncs[i]->changed &&
		    !sync_write_change(
			group, group->syncs[i], changes, buf, reterr))
			return false;
	}
	if (group->removed) {
		changes_add(changes, ENGINE_GROUP_DELETE)->row.group = row;
		return true;
	}
	buf_reset(buf);
	group_write(group, buf);
	if (!groups_pack(changes, buf, &row.data, reterr))
		return false;
	changes_add(changes, ENGINE_GROUP_PUT)->row.group = row;
	return true;
}

bool
set_groups_write(const struct set_groups *groups, struct changes *changes,
    struct err *reterr)
{
	struct buf buf;
	bool ok = true;

	if (!groups->changed)
		return true;
	buf_init(&buf, SIZE_MAX / 2);
	for (size_t i = 0; ok && i < groups->count; i++) {
		if (groups->list[i]->changed)
			ok = group_write_change(
			    groups->list[i], changes, &buf, reterr);
	}
	buf_fini(&buf);
	return ok;
}

static bool
sync_settled(struct set_group *group, size_t at, bool keep)
{
	struct sync *sync = group->syncs[at];
	bool gone = keep ? sync->removed : sync->added, ok = true;
	struct err err;

	if (!keep && !sync->added)
		ok = sync_read(
		    sync, str_bytes(sync->before.data, sync->before.len), &err);
	sync->changed = sync->added = sync->removed = false;
	if (!gone)
		return ok;
	group->sync_count--;
	memmove(group->syncs + at, group->syncs + at + 1,
	    (group->sync_count - at) * sizeof(struct sync *));
	sync_free(sync);
	return ok;
}

static bool
groups_settled(struct set_groups *groups, bool keep)
{
	bool ok = true;

	if (!groups->changed)
		return true;
	groups->changed = false;
	for (size_t i = groups->count; i > 0; i--) {
		struct set_group *group = groups->list[i - 1];
		bool gone = keep ? group->removed : group->added;
		struct str source;
		struct err err;

		if (!group->changed)
			continue;
		for (size_t j = group->sync_count; j > 0; j--) {
			if (group->syncs[j - 1]->changed)
				ok = sync_settled(group, j - 1, keep) && ok;
		}
		if (!keep && !group->added)
			ok = group_read(group,
				 str_bytes(
				     group->before.data, group->before.len),
				 &source, &err) &&
			     ok;
		group->changed = group->added = group->removed = false;
		if (gone)
			groups_drop(groups, i - 1);
	}
	return ok;
}

void
set_groups_commit(struct set_groups *groups)
{
	(void)!groups_settled(groups, true);
}

bool
set_groups_rollback(struct set_groups *groups)
{
	return groups_settled(groups, false);
}

/* ---- loading ---- */

bool
set_groups_load(struct set_groups *groups, const struct engine_group *row,
    set_groups_name_fn *name, void *arg, struct err *reterr)
{
	struct set_group *group;
	struct str source;
	bool ok;

	if (row->id <= groups->last || row->id > INT64_MAX / 2)
		return err_set(reterr, ERR_DAMAGED,
		    "groups are out of order, or have impossible numbers");
	groups->last = row->id;
	group = group_new(reterr);
	if (group == NULL)
		return false;
	group->number = row->id;
	group->destination = row->destination;
	ok = group_read(group, row->data, &source, reterr) &&
	     name(arg, &source, true, reterr) &&
	     name(arg, &group->destination, false, reterr);
	group->source = ok ? source : str_bytes(NULL, 0);
	/* A destination that took another's name has both. */
	if (ok && set_groups_find(groups, group->destination, group->source,
		      str_text(group->id)) != NULL)
		ok = err_set(reterr, ERR_DAMAGED, "a group is there twice");
	ok = ok && groups_append(groups, group, reterr);
	if (!ok)
		group_free(group);
	return ok;
}

bool
set_groups_load_sync(struct set_groups *groups, const struct engine_sync *row,
    struct err *reterr)
{
	struct set_group *group = set_groups_at(groups, row->group);
	struct sync *sync;

	if (group == NULL || row->number > group->syncs_begun ||
	    sync_at(group, row->number) != NULL)
		return err_set(reterr, ERR_DAMAGED, "a sync of no group");
	sync = sync_new(str_bytes(NULL, 0), reterr);
	if (sync == NULL)
		return false;
	sync->number = row->number;
	if (sync_read(sync, row->data, reterr) &&
	    sync_append(group, sync, reterr))
		return true;
	sync_free(sync);
	return false;
}
