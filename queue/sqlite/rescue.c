/*
 * Reads pages by hand, following SQLite's description of its file format
 * (sqlite.org/fileformat2.html). A leaf page of a table begins with 0x0d; its
 * cells contain the length of the row, the row's number, and the row, whose end
 * may be on a chain of overflow pages. In the log (section 4 there) each page
 * follows a header of 24 bytes; the newest one counts.
 */

#include "queue/sqlite/rescue.h"

#include "queue/batch.h"
#include "queue/sqlite/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RESCUE_LEAF = 0x0d,
	RESCUE_LOG_HEADER = 32,
	RESCUE_FRAME_HEADER = 24,
	RESCUE_BATCH_COLUMNS = 4,
	RESCUE_APPLICATION_AT = 68, /* in the first page */
};

/* A file in memory; the log may be absent. */
struct rescue_file {
	const unsigned char *bytes;
	size_t len;
};

struct rescue {
	struct rescue_file db, log;
	size_t pages;		      /* numbers known, from 1 on */
	const unsigned char **newest; /* by number - 1: in the log, or NULL */
	rescue_event_fn *fn;
	void *arg;
	struct rescue_found found;
	bool ended;
};

static bool
rescue_map(const char *path, struct rescue_file *ret_file, struct err *reterr)
{
	struct rescue_file file = {.len = 0};
	struct stat info;
	void *bytes;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) != 0) {
		(void)err_set(
		    reterr, ERR_CONFIG, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	if (!S_ISREG(info.st_mode)) {
		(void)close(fd);
		return err_set(reterr, ERR_INPUT, "%s is no file%s", path,
		    S_ISDIR(info.st_mode)
			? " but a directory: give the queue.db in it"
			: ": give a queue.db");
	}
	file.len = (size_t)info.st_size;
	if (file.len > 0) {
		bytes = mmap(NULL, file.len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (bytes == MAP_FAILED) {
			(void)err_set(reterr, ERR_CONFIG, "%s: %s", path,
			    strerror(errno));
			(void)close(fd);
			return false;
		}
		file.bytes = bytes;
	}
	(void)close(fd);
	*ret_file = file;
	return true;
}

static void
rescue_unmap(struct rescue_file *file)
{
	if (file->bytes != NULL)
		(void)munmap((void *)(uintptr_t)file->bytes, file->len);
}

static uint32_t
rescue_u32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

static size_t
rescue_u16(const unsigned char *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* SQLite's varint; moves *at on. False at the end, or beyond: a header may
 * claim to be shorter than its own size. */
static bool
rescue_varint(
    const unsigned char **at, const unsigned char *end, uint64_t *ret_number)
{
	uint64_t number = 0;

	for (int i = 0; i < 9; i++) {
		if (*at >= end)
			return false;
		if (i == 8) {
			*ret_number = number << 8 | *(*at)++;
			return true;
		}
		number = number << 7 | (**at & 0x7f);
		if ((*(*at)++ & 0x80) == 0)
			break;
	}
	*ret_number = number;
	return true;
}

/* The newest image of a page, or NULL. */
static const unsigned char *
rescue_page(const struct rescue *rescue, size_t number)
{
	if (number == 0 || number > rescue->pages)
		return NULL;
	if (rescue->newest[number - 1] != NULL)
		return rescue->newest[number - 1];
	if (number * DB_PAGE > rescue->db.len)
		return NULL;
	return rescue->db.bytes + (number - 1) * DB_PAGE;
}

/* Note which pages the log has newer; the last one of a number wins. */
static bool
rescue_log_read(struct rescue *rescue, struct err *reterr)
{
	size_t step = RESCUE_FRAME_HEADER + DB_PAGE;
	const struct rescue_file *log = &rescue->log;

	rescue->pages = rescue->db.len / DB_PAGE;
	if (log->len > RESCUE_LOG_HEADER)
		rescue->pages += (log->len - RESCUE_LOG_HEADER) / step;
	rescue->newest = calloc(rescue->pages + 1, sizeof(*rescue->newest));
	if (rescue->newest == NULL)
		return err_set_nomem(reterr);
	for (size_t at = RESCUE_LOG_HEADER; at + step <= log->len; at += step) {
		uint32_t number = rescue_u32(log->bytes + at);

		/* Frames of an earlier round carry another salt. */
		if (number == 0 || number > rescue->pages ||
		    memcmp(log->bytes + at + 8, log->bytes + 16, 8) != 0)
			continue;
		rescue->newest[number - 1] =
		    log->bytes + at + RESCUE_FRAME_HEADER;
	}
	return true;
}

/* How much of a row is on the leaf itself (fileformat2, 1.6). */
static size_t
rescue_local(uint64_t len)
{
	size_t usable = DB_PAGE, most = usable - 35;
	size_t least = (usable - 12) * 32 / 255 - 23, some;

	if (len <= most)
		return (size_t)len;
	some = least + (size_t)((len - least) % (usable - 4));
	/* cppcheck 2.10 reckons wrongly with unsigned numbers and %. */
	/* cppcheck-suppress knownConditionTrueFalse */
	return some <= most ? some : least;
}

/* Is all of a row there, to the page that says that it is the last? It gets no
 * memory before. */
static bool
rescue_row_whole(const struct rescue *rescue, const unsigned char *at,
    const unsigned char *end, uint64_t len)
{
	size_t local = rescue_local(len), next;
	const unsigned char *page;

	if (local + (local < len ? 4 : 0) > (size_t)(end - at))
		return false;
	next = local < len ? rescue_u32(at + local) : 0;
	for (uint64_t have = local; have < len; have += DB_PAGE - 4) {
		page = rescue_page(rescue, next);
		if (page == NULL)
			return false;
		next = rescue_u32(page);
	}
	return next == 0;
}

/* Copy a row, which is there, from its leaf and its overflow pages. */
static void
rescue_row_copy(const struct rescue *rescue, const unsigned char *at,
    uint64_t len, unsigned char *row)
{
	size_t have = rescue_local(len), next;

	memcpy(row, at, have);
	next = have < len ? rescue_u32(at + have) : 0;
	while (have < len) {
		const unsigned char *page = rescue_page(rescue, next);
		size_t part = DB_PAGE - 4;

		CHECK(page != NULL);
		if (part > len - have)
			part = (size_t)len - have;
		memcpy(row + have, page + 4, part);
		have += part;
		next = rescue_u32(page);
	}
}

static int64_t
rescue_int(const unsigned char *at, size_t len)
{
	uint64_t number = len > 0 && (at[0] & 0x80) != 0 ? UINT64_MAX : 0;

	for (size_t i = 0; i < len; i++)
		number = number << 8 | at[i];
	return (int64_t)number;
}

/* The bytes of a serial type (fileformat2, 2.1). */
static uint64_t
rescue_serial_size(uint64_t type)
{
	static const unsigned char sizes[12] = {
	    0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0};

	return type < 12 ? sizes[type] : (type - 12) / 2;
}

/* Is this a row of the table batch: number, time, count, frame? */
static bool
rescue_row_read(const unsigned char *row, size_t len, int64_t *ret_accepted_ms,
    const unsigned char **ret_frame, size_t *ret_frame_len)
{
	const unsigned char *at = row, *end = row + len;
	uint64_t header, types[RESCUE_BATCH_COLUMNS], size, used = 0;

	if (!rescue_varint(&at, end, &header) || header > len)
		return false;
	for (int i = 0; i < RESCUE_BATCH_COLUMNS; i++) {
		if (!rescue_varint(&at, row + header, &types[i]))
			return false;
	}
	if (at != row + header || types[0] != 0 || types[3] < 12 ||
	    types[3] % 2 != 0)
		return false;
	for (int i = 0; i < RESCUE_BATCH_COLUMNS; i++) {
		size = rescue_serial_size(types[i]);
		if (size > len - header - used)
			return false;
		if (i == 1)
			*ret_accepted_ms =
			    rescue_int(row + header + used, (size_t)size);
		*ret_frame = row + header + used;
		*ret_frame_len = (size_t)size;
		used += size;
	}
	return true;
}

static void
rescue_batch(struct rescue *rescue, int64_t seq, int64_t accepted_ms,
    const struct batch *batch)
{
	rescue->found.batches++;
	for (size_t i = 0; !rescue->ended && i < batch->count; i++) {
		const struct item *item = &batch->items[i];
		struct rescue_event event = {.seq = seq,
		    .accepted_ms = accepted_ms,
		    .type = item->type,
		    .data = item->data};

		if (item->data.len == 0) /* an erased one */
			continue;
		rescue->found.events++;
		rescue->ended = !rescue->fn(rescue->arg, &event);
	}
}

/* One cell of a leaf; false only without memory. */
static bool
rescue_cell(struct rescue *rescue, const unsigned char *at,
    const unsigned char *end, struct err *reterr)
{
	const unsigned char *frame;
	int64_t accepted_ms = 0;
	struct batch batch;
	uint64_t len, seq;
	size_t frame_len;
	unsigned char *row;
	struct err err;
	bool ok = true;

	if (!rescue_varint(&at, end, &len) || !rescue_varint(&at, end, &seq) ||
	    len > rescue->pages * (uint64_t)DB_PAGE ||
	    !rescue_row_whole(rescue, at, end, len))
		return true;
	row = malloc((size_t)len + 1);
	if (row == NULL)
		return err_set_nomem(reterr);
	rescue_row_copy(rescue, at, len, row);
	if (!rescue_row_read(
		row, (size_t)len, &accepted_ms, &frame, &frame_len))
		goto out;
	if (batch_unpack(
		str_bytes((const char *)frame, frame_len), &batch, &err)) {
		rescue_batch(rescue, (int64_t)seq, accepted_ms, &batch);
		batch_fini(&batch);
	} else if (err.code == ERR_DAMAGED) {
		rescue->found.damaged++;
	} else {
		ok = err_set(reterr, err.code, "%s", err.text);
	}
out:
	free(row);
	return ok;
}

static bool
rescue_leaf(struct rescue *rescue, size_t number, struct err *reterr)
{
	const unsigned char *page = rescue_page(rescue, number);
	size_t header = number == 1 ? 100 : 0, cells;

	if (page == NULL || page[header] != RESCUE_LEAF)
		return true;
	cells = rescue_u16(page + header + 3);
	if (cells > (DB_PAGE - header - 8) / 2)
		return true;
	for (size_t i = 0; !rescue->ended && i < cells; i++) {
		size_t at = rescue_u16(page + header + 8 + 2 * i);

		if (at < DB_PAGE &&
		    !rescue_cell(rescue, page + at, page + DB_PAGE, reterr))
			return false;
	}
	return true;
}

/* What is it, if nothing was found? Its first page tells the format, and the
 * program that it belongs to. */
static bool
rescue_identify(struct rescue *rescue, const char *path, struct err *reterr)
{
	static const char magic[] = "SQLite format 3";
	const struct rescue_file *db = &rescue->db;

	if (db->len == 0 && rescue->log.len == 0)
		return err_set(reterr, ERR_INPUT,
		    "%s is empty: there is nothing to rescue", path);
	rescue->found.unlike =
	    db->len < DB_PAGE || memcmp(db->bytes, magic, sizeof(magic)) != 0;
	return rescue->found.unlike ||
	       rescue_u32(db->bytes + RESCUE_APPLICATION_AT) ==
		   DB_APPLICATION ||
	       err_set(reterr, ERR_INPUT,
		   "%s is an SQLite file of another program, and no queue of "
		   "currentsd",
		   path);
}

bool
queue_rescue(const char *path, rescue_event_fn *fn, void *arg,
    struct rescue_found *ret_found, struct err *reterr)
{
	struct rescue rescue = {.fn = fn, .arg = arg};
	char *log_path = NULL;
	bool ok = false;

	if (asprintf(&log_path, "%s-wal", path) < 0)
		return err_set_nomem(reterr);
	if (!rescue_map(path, &rescue.db, reterr))
		goto out;
	if (access(log_path, F_OK) == 0 &&
	    !rescue_map(log_path, &rescue.log, reterr))
		goto out;
	if (!rescue_log_read(&rescue, reterr))
		goto out;
	rescue.found.pages = (int64_t)rescue.pages;
	for (size_t number = 1; !rescue.ended && number <= rescue.pages;
	     number++) {
		if (!rescue_leaf(&rescue, number, reterr))
			goto out;
	}
	if (rescue.found.batches + rescue.found.damaged == 0 &&
	    !rescue_identify(&rescue, path, reterr))
		goto out;
	*ret_found = rescue.found;
	ok = true;
out:
	rescue_unmap(&rescue.db);
	rescue_unmap(&rescue.log);
	free(rescue.newest);
	free(log_path);
	return ok;
}
