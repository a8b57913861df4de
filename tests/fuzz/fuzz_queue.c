/*
 * A queue file that is damaged as the input says, and then used: opened,
 * checked, taken from, settled, erased, rescued. It ends, whatever is damaged,
 * and touches no memory that is not its own. What succeeds does not matter.
 */

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "queue/admin.h"
#include "queue/batch.h"
#include "queue/sqlite/db.h"
#include "queue/sqlite/rescue.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STEPS_MAX = 20000, /* of any loop: the file is small */
	BATCHES = 30,
	EVENTS = 20,
	PAGES = 12,
	FAR_MS = 5000,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- a sound queue ---- */

static struct {
	char dir[64], file[96];
	char *bytes; /* of a sound file */
	size_t len;
	struct batch_packer *packer;
} sound;

struct waiting {
	struct lock lock;
	struct cond done;
	bool over;
};

static void
put_done(void *arg, const struct queue_receipt *receipt, const struct err *err)
{
	struct waiting *waiting = arg;

	(void)receipt;
	(void)err;
	lock_hold(&waiting->lock);
	waiting->over = true;
	cond_wake(&waiting->done);
	lock_drop(&waiting->lock);
}

static void
put_wait(struct waiting *waiting)
{
	lock_hold(&waiting->lock);
	while (!waiting->over)
		cond_wait(&waiting->done, &waiting->lock, INT64_MAX / 2);
	waiting->over = false;
	lock_drop(&waiting->lock);
}

static void
put(struct queue *queue, const char *source, const char *destination,
    unsigned number, enum item_fate fate)
{
	struct waiting waiting = {.over = false};
	struct item items[EVENTS];
	char ids[EVENTS][32], texts[EVENTS][160];
	struct queue_drift drift = {.text = "new type", .events = 1};
	struct queue_batch batch = {.source = source,
	    .destination = destination,
	    .now_ms = 1764000000000 + (int64_t)number * 4000000,
	    .items = items,
	    .count = EVENTS,
	    .drift = &drift,
	    .drift_count = 1};
	struct err err;

	memset(items, 0, sizeof(items));
	for (unsigned i = 0; i < EVENTS; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "%u-%u", number, i);
		(void)snprintf(texts[i], sizeof(texts[i]),
		    "{\"id\":\"%s\",\"user\":\"u%u\",\"nonce\":\"%08x\"}",
		    ids[i], i % 7, number * 2654435761u + i * 40503u);
		items[i] = (struct item){.fate = fate,
		    .type = str_text(i % 2 == 0 ? "Open" : "Click"),
		    .id = str_text(ids[i]),
		    .data = str_text(texts[i]),
		    .reason = fate == ITEM_QUEUE ? NULL : "a rule"};
	}
	lock_init(&waiting.lock);
	cond_init(&waiting.done);
	if (queue_put(queue, &batch, put_done, &waiting, &err))
		put_wait(&waiting);
	lock_fini(&waiting.lock);
	cond_fini(&waiting.done);
}

/* A page of changes: of a group "7", or "8". */
static void
put_page(struct queue *queue, const char *destination, unsigned number)
{
	struct waiting waiting = {.over = false};
	struct item items[EVENTS];
	static const char *const syncs[] = {"s0", "s1", "s2", "s3"};
	char texts[EVENTS][32];
	const struct queue_page page = {
	    .group = str_text(number % 2 ? "7" : "8"),
	    .name = STR("A name"),
	    .sync = str_text(syncs[number / 6 % 4]),
	    .number = number % 3 + 1,
	    .total = 3};
	struct queue_batch batch = {.source = "segments",
	    .destination = destination,
	    .now_ms = 1764000000000 + (int64_t)number,
	    .items = items,
	    .count = EVENTS,
	    .page = &page};
	struct err err;

	for (unsigned i = 0; i < EVENTS; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "%cu%u",
		    (number + i) % 3 == 0 ? ITEM_LEFT : ITEM_ENTERED,
		    (number * 7 + i) % 40);
		items[i] = (struct item){.fate = ITEM_QUEUE,
		    .type = page.group,
		    .data = str_text(texts[i])};
	}
	lock_init(&waiting.lock);
	cond_init(&waiting.done);
	if (queue_put(queue, &batch, put_done, &waiting, &err))
		put_wait(&waiting);
	lock_fini(&waiting.lock);
	cond_fini(&waiting.done);
}

static void
put_body(struct queue *queue, const char *text)
{
	struct waiting waiting = {.over = false};
	struct queue_unreadable body = {.source = "main",
	    .data = str_text(text),
	    .encoding = "",
	    .reason = "no JSON",
	    .now_ms = 1764000000000};
	struct err err;

	lock_init(&waiting.lock);
	cond_init(&waiting.done);
	if (queue_put_unreadable(queue, &body, put_done, &waiting, &err))
		put_wait(&waiting);
	lock_fini(&waiting.lock);
	cond_fini(&waiting.done);
}

/* Take what is due for a destination and settle it: each item of a batch with
 * another outcome. */
static void
take(struct queue *queue, int64_t destination, int64_t now_ms, unsigned most)
{
	static const struct queue_detail detail = {
	    .posts = 1, .status = 400, .answer = STR("no"), .sent = STR("{}")};
	struct queue_want want = {
	    .destination = destination, .bytes = 1, .replays = true};
	struct queue_lease *lease, *next;
	struct err err;

	for (unsigned step = 0; step < most; step++) {
		CHECK(step < STEPS_MAX);
		lease = NULL;
		if (!queue_take(queue, &want, 1, now_ms, &lease, &err) ||
		    lease == NULL)
			break;
		(void)!queue_post(queue, &lease, 1, str_text("rules"), &err);
		for (size_t i = 0; i < lease->count; i++) {
			struct queue_item *item = &lease->items[i];
			static const enum queue_outcome outcomes[] = {
			    QUEUE_DELIVERED, QUEUE_DELIVERED, QUEUE_DEAD,
			    QUEUE_DROPPED, QUEUE_DEFERRED, QUEUE_PARKED,
			    QUEUE_OPEN};

			item->outcome =
			    step % 3 == 0 ? QUEUE_DELIVERED : outcomes[i % 7];
			item->reason = "Open";
			item->due_ms = now_ms + 1000;
			item->detail = &detail;
		}
		(void)!queue_settle(queue, &lease, 1, now_ms, &err);
		for (; lease != NULL; lease = next) {
			next = lease->next;
			queue_lease_free(queue, lease);
		}
		/* what was left open is due at once, again and again */
		now_ms += step % 3 == 0 ? 0 : 1;
	}
}

static int64_t
destination(struct queue *queue, const char *name)
{
	struct queue_destination found;
	struct err err;

	if (!queue_destination_open(queue, name, &found, &err))
		return 0;
	queue_destination_fini(&found);
	return found.id;
}

/* A click asks for somebody to be erased. */
static void
erasure(const void *arg, struct str type, struct str data, queue_person_fn *fn,
    void *fn_arg)
{
	(void)arg;
	(void)data;
	if (str_equal_text(type, "Click"))
		fn(fn_arg, str_text("u1"));
}

static struct queue_settings
settings(void)
{
	struct queue_settings settings;

	queue_settings_init(&settings);
	settings.dir = sound.dir;
	settings.brief = true;
	settings.erasure = erasure;
	settings.reserve_bytes = 0;
	settings.min_free_bytes = 0;
	settings.window_events = 300;
	settings.drift_max = 4;
	settings.shrink_bytes = 16384;
	settings.max_bytes = 64 << 20;
	return settings;
}

static void
sound_read(void)
{
	struct stat info;
	int fd = open(sound.file, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && fstat(fd, &info) == 0);
	sound.len = (size_t)info.st_size;
	sound.bytes = malloc(sound.len);
	CHECK(sound.bytes != NULL &&
	      read(fd, sound.bytes, sound.len) == info.st_size);
	CHECK(close(fd) == 0);
}

static void
clear(void)
{
	static const char *const names[] = {
	    "queue.db", "queue.db-wal", "queue.db-shm", "lock", "reserve"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(
		    path, sizeof(path), "%s/%s", sound.dir, names[i]);
		(void)unlink(path);
	}
}

static void
sound_end(void)
{
	clear();
	(void)rmdir(sound.dir);
	batch_packer_free(sound.packer);
	free(sound.bytes);
}

static void
sound_make(void)
{
	static const char *const sources[] = {"main", "second", "third"};
	struct queue_settings set;
	struct queue *queue;
	int64_t to, other;
	struct err err;

	log_set_level((enum log_level)(LOG_ERROR + 1));
	(void)snprintf(sound.dir, sizeof(sound.dir), "%s/fuzz-queue-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp");
	CHECK(mkdtemp(sound.dir) != NULL);
	(void)snprintf(
	    sound.file, sizeof(sound.file), "%s/queue.db", sound.dir);
	sound.packer = batch_packer_new();
	CHECK(sound.packer != NULL);
	set = settings();
	CHECK(queue_open(&set, &queue, &err) && queue_start(queue, &err));
	to = destination(queue, "to");
	other = destination(queue, "other");
	for (unsigned i = 0; i < BATCHES; i++)
		put(queue, sources[i % 3], i % 5 == 4 ? "other" : "to", i,
		    i % 10 == 9 ? ITEM_DEAD : ITEM_QUEUE);
	for (unsigned i = 0; i < 3; i++)
		put_body(queue, sources[i]);
	take(queue, to, FAR_MS, 6);
	take(queue, other, FAR_MS, 2);
	for (unsigned i = 0; i < PAGES; i++)
		put_page(queue, "other", i);
	take(queue, other, FAR_MS, 8);
	queue_stop(queue);
	queue_close(queue);
	sound_read();
	CHECK(atexit(sound_end) == 0);
}

/* ---- damage ---- */

struct input {
	const uint8_t *at, *end;
};

static unsigned
byte(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

static unsigned
word(struct input *input)
{
	unsigned high = byte(input);

	return high << 8 | byte(input);
}

struct file {
	char *bytes;
	size_t len;
};

static void
file_write(const struct file *file)
{
	int fd = open(sound.file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(
	    fd >= 0 && write(fd, file->bytes, file->len) == (ssize_t)file->len);
	CHECK(close(fd) == 0);
}

static const struct {
	const char *table, *column;
} columns[] = {
    {"meta", "value"},
    {"name", "text"},
    {"batch", "seq"},
    {"batch", "accepted_ms"},
    {"batch", "events"},
    {"batch", "data"},
    {"delivery", "destination"},
    {"delivery", "source"},
    {"delivery", "due_ms"},
    {"delivery", "seq"},
    {"delivery", "version"},
    {"delivery", "attempts"},
    {"delivery", "first_ms"},
    {"delivery", "replay"},
    {"delivery", "parked"},
    {"delivery", "unpacked"},
    {"delivery", "rules"},
    {"delivery", "bytes"},
    {"delivery", "remaining"},
    {"delivery", "done"},
    {"delivery", "delivered"},
    {"archive", "id"},
    {"archive", "seq"},
    {"archive", "destination"},
    {"archive", "source"},
    {"archive", "age_ms"},
    {"archive", "bytes"},
    {"archive", "delivered"},
    {"erasure", "id"},
    {"erasure", "source"},
    {"erasure", "subject"},
    {"drift", "text"},
    {"drift", "events"},
    {"dead", "id"},
    {"dead", "destination"},
    {"dead", "age_ms"},
    {"dead", "letters"},
    {"dead", "data"},
    {"unreadable", "id"},
    {"unreadable", "source"},
    {"unreadable", "age_ms"},
    {"unreadable", "data"},
    {"seen", "n"},
    {"seen", "hashes"},
    {"ledger", "hour"},
    {"ledger", "source"},
    {"ledger", "type"},
    {"ledger", "received"},
    {"ledger", "queued"},
    {"dropped", "events"},
    {"dropped", "rule"},
    {"destination", "id"},
    {"destination", "name"},
    {"destination", "queued"},
    {"destination", "bytes"},
    {"destination", "delivered_ms"},
    {"state", "data"},
    {"state", "name"},
    {"rules", "id"},
    {"rules", "data"},
    {"sqlite_sequence", "seq"},
    {"name", "id"},
    {"delivery", "stamp"},
    {"grp", "id"},
    {"grp", "destination"},
    {"grp", "data"},
    {"sync", "grp"},
    {"sync", "number"},
    {"sync", "data"},
    {"person", "id"},
    {"person", "text"},
    {"person", "refs"},
    {"member", "grp"},
    {"member", "person"},
    {"member", "said"},
    {"member", "sent_s"},
};

/* A number that is hard to bear, a text, bytes, or a frame whose checksum is
 * right. */
static void
value_bind(sqlite3_stmt *statement, struct input *input)
{
	static const int64_t numbers[] = {INT64_MAX, INT64_MAX - 1, INT64_MIN,
	    INT64_MIN + 1, -1, 0, 1, 2, 3, 99, 4611686018427387904,
	    72057594037927935, 72057594037927936, 92233720368547758,
	    100000000000000, 4294967296, 1764000000000};
	unsigned kind = byte(input) % 6, len = byte(input);
	struct buf frame;
	struct err err;

	if (len > (size_t)(input->end - input->at))
		len = (unsigned)(input->end - input->at);
	switch (kind) {
	case 0:
		(void)sqlite3_bind_blob(
		    statement, 1, input->at, (int)len, SQLITE_TRANSIENT);
		break;
	case 1:
		(void)sqlite3_bind_text(statement, 1, (const char *)input->at,
		    (int)len, SQLITE_TRANSIENT);
		break;
	case 2:
		(void)sqlite3_bind_double(statement, 1, len * 1e18);
		break;
	case 3:
		buf_init(&frame, 1 << 20);
		CHECK(batch_pack_bytes(sound.packer,
		    str_bytes((const char *)input->at, len), &frame, &err));
		(void)sqlite3_bind_blob(
		    statement, 1, frame.data, (int)frame.len, SQLITE_TRANSIENT);
		buf_fini(&frame);
		break;
	default:
		(void)sqlite3_bind_int64(statement, 1,
		    numbers[len % (sizeof(numbers) / sizeof(*numbers))]);
		return;
	}
	input->at += len;
}

/* Change or delete a row, as far as SQLite lets it happen. */
static void
damage_row(struct file *file, struct input *input)
{
	unsigned n = byte(input) % (sizeof(columns) / sizeof(*columns));
	unsigned which = byte(input), remove = byte(input) % 8 == 0;
	sqlite3_stmt *statement = NULL;
	sqlite3 *sqlite = NULL;
	char sql[256];
	struct stat info;
	int fd;

	file_write(file);
	(void)snprintf(sql, sizeof(sql),
	    "%s %s %s %s%s WHERE %s=(SELECT %s FROM %s LIMIT 1 OFFSET ?2)",
	    remove ? "DELETE FROM" : "UPDATE OR IGNORE", columns[n].table,
	    remove ? "" : "SET", remove ? "" : columns[n].column,
	    remove ? "" : "=?1", columns[n].column, columns[n].column,
	    columns[n].table);
	if (sqlite3_open(sound.file, &sqlite) == SQLITE_OK &&
	    sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL) ==
		SQLITE_OK) {
		value_bind(statement, input);
		(void)sqlite3_bind_int(statement, 2, (int)which % 40);
		(void)sqlite3_step(statement);
	}
	(void)sqlite3_finalize(statement);
	(void)sqlite3_close(sqlite);
	fd = open(sound.file, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &info) == 0);
	if (info.st_size > 0 && (size_t)info.st_size <= 2 * sound.len) {
		file->len = (size_t)info.st_size;
		CHECK(read(fd, file->bytes, file->len) == info.st_size);
	}
	CHECK(close(fd) == 0);
}

static void
damage_page(struct file *file, struct input *input, unsigned kind)
{
	size_t pages = file->len / DB_PAGE, from, at;
	unsigned char *page;
	unsigned value;

	if (pages == 0)
		return;
	page = (unsigned char *)file->bytes + word(input) % pages * DB_PAGE;
	at = word(input) % (DB_PAGE - 8);
	value = word(input);
	switch (kind) {
	case 0: /* some bits */
		page[at] ^= (unsigned char)(value | 1);
		break;
	case 1: /* the header of a page, or what is behind it */
		page[at % 64] = (unsigned char)value;
		break;
	case 2: /* another page in its place */
		from = value % pages;
		memmove(page, file->bytes + from * DB_PAGE, DB_PAGE);
		break;
	case 3: /* nothing, or ones */
		memset(page + at, value % 2 == 0 ? 0 : 0xff,
		    value % (DB_PAGE - at));
		break;
	case 4: /* a page that it leads to */
		at = at % 16 == 0 ? 8
				  : ((size_t)page[12 + at % 16 * 2] << 8 |
					page[13 + at % 16 * 2]);
		if (at + 4 > DB_PAGE)
			return;
		page[at] = page[at + 1] = 0;
		page[at + 2] = (unsigned char)(value % pages >> 8);
		page[at + 3] = (unsigned char)(value % pages);
		break;
	case 5: /* the order of its keys */
		from = 8 + value % 24 * 2;
		at = 8 + at % 24 * 2;
		for (size_t i = 0; i < 2; i++) {
			unsigned char byte = page[at + i];

			page[at + i] = page[from + i];
			page[from + i] = byte;
		}
		break;
	}
}

static void
damage(struct file *file, struct input *input)
{
	for (unsigned step = 0; step < 16 && input->at < input->end; step++) {
		unsigned kind = byte(input) % 16;

		if (kind < 6)
			damage_row(file, input);
		else if (kind == 6)
			file->len = file->len * word(input) / 65536;
		else
			damage_page(file, input, kind % 6);
	}
}

/* ---- using it ---- */

static void
text(void *arg, const char *fault)
{
	(void)arg;
	CHECK(fault[0] != '\0');
}

static void
check(struct queue *queue)
{
	struct jobs_check job = {.fn = text, .more = true};
	struct err err;
	bool agree;

	for (unsigned step = 0; job.more; step++) {
		CHECK(step < STEPS_MAX);
		if (!jobs_check(queue, &job, &err))
			break;
	}
	(void)!stats_check(queue, text, NULL, &agree, &err);
}

static bool
even(void *arg, const struct jobs_event *event)
{
	(void)arg;
	return event->data.len % 2 == 0;
}

static bool
requeue(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	return jobs_requeue(queue, job, reterr);
}

static bool
replay(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	return jobs_replay(queue, job, NULL, reterr);
}

static bool
drop(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	return jobs_drop(queue, job, "operator", reterr);
}

typedef bool
step_fn(struct queue *queue, struct jobs_walk *job, struct err *reterr);

static void
run(struct queue *queue, enum jobs_place place, step_fn *fn)
{
	struct jobs_walk job = {
	    .cursor = {.place = place}, .match = even, .more = true};
	struct err err;

	for (unsigned step = 0; job.more; step++) {
		CHECK(step < STEPS_MAX);
		if (!fn(queue, &job, &err))
			break;
	}
}

static void
erase(struct queue *queue)
{
	static const char *const subjects[] = {"u1"};
	const struct str ids[] = {STR("u1")};
	struct jobs_erasing erasing;
	struct err err;

	if (!jobs_erase_begin(queue, &erasing, &err))
		return;
	(void)!jobs_suppress(queue, ids, 1, &err);
	for (int place = 0; place < JOBS_PLACES; place++)
		run(queue, (enum jobs_place)place, jobs_erase);
	(void)jobs_erase_missed(queue, &erasing);
	(void)!jobs_erasures_done(
	    queue, subjects, 1, erasing.last_erasure, 7, &err);
}

/* ---- sets ---- */

static bool
show_sync(void *arg, const struct stats_sync *sync)
{
	(void)arg;
	return sync->id[0] != '\1' && sync->number != -1;
}

static bool
show_member(void *arg, const struct stats_member *member)
{
	(void)arg;
	return member->person.len > 0;
}

struct groups {
	int64_t list[8];
	size_t count;
};

static bool
show_group(void *arg, const struct stats_group *group)
{
	struct groups *groups = arg;

	if (group->id[0] != '\1' && group->name[0] != '\1' &&
	    group->label[0] != '\1')
		groups->list[groups->count++] = group->number;
	return groups->count < 8;
}

static void
sets(struct queue *queue)
{
	const struct str ids[] = {STR("u1"), STR("u2")};
	struct groups groups = {.count = 0};
	size_t count;
	struct err err;

	(void)!stats_groups(queue, show_group, &groups, &err);
	(void)!stats_person(queue, ids, 2, show_member, NULL, &err);
	for (size_t i = 0; i < groups.count; i++) {
		struct jobs_group members = {.group = groups.list[i]};
		struct jobs_group again = members;

		(void)!stats_syncs(
		    queue, groups.list[i], show_sync, NULL, &err);
		for (unsigned step = 0;
		     jobs_members(queue, &members, show_member, NULL, &err) &&
		     members.more;
		     step++)
			CHECK(step < STEPS_MAX);
		for (unsigned step = 0;
		     jobs_resend(queue, &again, i % 2 == 1, &err) && again.more;
		     step++)
			CHECK(step < STEPS_MAX);
		(void)!jobs_release(queue, groups.list[i], &count, &err);
	}
	(void)!jobs_erase_members(queue, ids, 1, &count, &err);
}

static bool
show_line(void *arg, const char *label, const struct stats_line *line)
{
	(void)arg;
	(void)stats_imbalance(line);
	return label[0] != '\1';
}

static bool
show_drop(void *arg, const char *rule, const char *type, int64_t events)
{
	(void)arg;
	return rule[0] + type[0] != 1 && events != 1;
}

static bool
show_drift(void *arg, const char *what, int64_t events, int64_t first_ms,
    int64_t last_ms)
{
	(void)arg;
	return what[0] != '\1' && events + first_ms + last_ms != 1;
}

static bool
show_erasure(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t erased_ms)
{
	(void)arg;
	return id > 0 && source[0] != '\1' && subject[0] != '\1' &&
	       noted_ms + erased_ms != 1;
}

static bool
show_dead(void *arg, const struct stats_dead *dead)
{
	(void)arg;
	return dead->id > 0 && dead->source[0] != '\1' &&
	       dead->destination[0] != '\1' && dead->reason[0] != '\1';
}

static bool
show_body(void *arg, const struct jobs_unreadable *body)
{
	(void)arg;
	return body->source[0] != '\1' && body->reason[0] != '\1';
}

static bool
show_top(void *arg, const char *what, int status, int64_t count)
{
	(void)arg;
	return what[0] != '\1' && status >= 0 && count != 0;
}

static void
look(struct queue *queue)
{
	int64_t last = 0, ms;
	struct stats_totals totals;
	struct err err;

	stats_totals(queue, &totals);
	(void)stats_imbalance(&totals.events);
	for (int by = STATS_BY_SOURCE; by <= STATS_BY_HOUR; by++)
		(void)!stats_ledger(
		    queue, (enum stats_by)by, show_line, NULL, &err);
	(void)!stats_drops(queue, show_drop, NULL, &err);
	(void)!stats_drift(queue, show_drift, NULL, &err);
	(void)!stats_erasures(queue, 0, 1000, show_erasure, NULL, &err);
	(void)!stats_dead(queue, 0, 1000, show_dead, NULL, &err);
	(void)!stats_top(queue, STATS_TOP_DROPS, 5, show_top, NULL, &err);
	(void)!stats_top(queue, STATS_TOP_DEAD, 5, show_top, NULL, &err);
	(void)!stats_oldest_ms(queue, NULL, &ms, &err);
	for (unsigned step = 0;; step++) {
		CHECK(step < STEPS_MAX);
		if (!jobs_unreadable_next(queue, last, show_body, NULL,
			step % 2 == 0, &last, &err) ||
		    last == 0)
			break;
	}
}

static void
use(struct queue *queue, unsigned number)
{
	static const char *const groups[] = {"Click"};
	int64_t to = destination(queue, "to");
	int64_t other = destination(queue, "other"), after = 0;
	struct queue_want want = {.destination = to, .after_seq = &after};
	struct queue_lease *lease = NULL;
	struct err err;

	check(queue);
	look(queue);
	put_page(queue, "other", number);
	put_page(queue, "other", number + 5);
	sets(queue);
	put(queue, "main", "to", 1000 + number, ITEM_QUEUE);
	put(queue, "main", "to", 2000 + number, ITEM_DEAD);
	put_body(queue, "another");
	for (int place = 0; place < JOBS_PLACES; place++)
		run(queue, (enum jobs_place)place, jobs_scan);
	if (to != 0 && other != 0) {
		(void)!queue_unpark(queue, to, "Open", &err);
		(void)!queue_unpark_others(queue, to, groups, 1, &err);
		for (unsigned step = 0;; step++) {
			CHECK(step < STEPS_MAX);
			if (!queue_take(queue, &want, 1, 1, &lease, &err) ||
			    lease == NULL)
				break;
			while (lease != NULL) {
				struct queue_lease *next = lease->next;

				queue_lease_free(queue, lease);
				lease = next;
			}
		}
		take(queue, to, FAR_MS, 50);
		take(queue, other, FAR_MS, 50);
	}
	run(queue, JOBS_ARCHIVE, replay);
	erase(queue);
	run(queue, JOBS_DEAD, requeue);
	if (to != 0)
		take(queue, to, INT64_MAX / 2, 50);
	run(queue, JOBS_DEAD, drop);
}

static bool
show_rescued(void *arg, const struct rescue_event *event)
{
	size_t *events = arg;

	++*events;
	return event->data.len > 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, data + size};
	struct rescue_found found;
	struct queue_settings set;
	struct file file;
	struct queue *queue;
	size_t events = 0;
	struct err err;

	if (sound.bytes == NULL)
		sound_make();
	clear();
	file = (struct file){malloc(2 * sound.len), sound.len};
	CHECK(file.bytes != NULL);
	memcpy(file.bytes, sound.bytes, sound.len);
	damage(&file, &input);
	file_write(&file);
	free(file.bytes);
	if (queue_rescue(sound.file, show_rescued, &events, &found, &err))
		CHECK(found.events == (int64_t)events);
	set = settings();
	for (unsigned life = 0; life < 2; life++) {
		err.code = ERR_NONE;
		if (!queue_open(&set, &queue, &err)) {
			CHECK(err.code != ERR_DAMAGED ||
			      strstr(err.text, "queue rescue") != NULL);
			break;
		}
		CHECK(queue_start(queue, &err));
		if (life == 0)
			use(queue, (unsigned)size);
		(void)!queue_destination_rename(queue, "other", "to", &err);
		queue_stop(queue);
		queue_close(queue);
	}
	return 0;
}
