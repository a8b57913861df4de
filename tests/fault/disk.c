#include "disk.h"

#include "base/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DISK_SECTOR = 512, DISK_FILES = 256 };

struct image {
	unsigned char *bytes;
	size_t size, cap;
};

struct file {
	struct image durable, cache;
	size_t *pending; /* positions on the tape */
	size_t count, cap;
};

struct disk {
	const struct tape *tape;
	struct rng rng;
	size_t position;
	struct file files[DISK_FILES];
	struct tape_name durable[TAPE_NAMES], cache[TAPE_NAMES];
	size_t durable_count, cache_count;
	size_t pending[1024]; /* operations on names */
	size_t pending_count;
};

/* How a cut chooses: see enum disk_cut. */
struct choice {
	struct rng *rng;
	enum disk_cut cut;
	size_t whole;	  /* DISK_ORDER: so many are there */
	unsigned percent; /* DISK_CHANCE: of operations, and of sectors */
};

struct disk *
disk_new(const struct tape *tape, uint64_t seed)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	CHECK(disk != NULL);
	disk->tape = tape;
	disk->rng.state = seed;
	return disk;
}

void
disk_free(struct disk *disk)
{
	for (size_t i = 0; i < DISK_FILES; i++) {
		free(disk->files[i].durable.bytes);
		free(disk->files[i].cache.bytes);
		free(disk->files[i].pending);
	}
	free(disk);
}

/* Bytes that were never written are 0, or after a cut anything (`rng`). */
static void
image_resize(struct image *image, size_t size, struct rng *rng)
{
	if (size > image->cap) {
		image->cap = size * 2;
		image->bytes = realloc(image->bytes, image->cap);
		CHECK(image->bytes != NULL);
	}
	for (size_t i = image->size; i < size; i++)
		image->bytes[i] =
		    rng == NULL ? 0 : (unsigned char)rng_next(rng);
	image->size = size;
}

static void
image_copy(struct image *image, const struct image *other)
{
	image_resize(image, other->size, NULL);
	if (other->size > 0)
		memcpy(image->bytes, other->bytes, other->size);
}

static void
image_write(
    struct image *image, size_t at, const unsigned char *data, size_t len)
{
	if (image->size < at + len)
		image_resize(image, at + len, NULL);
	memcpy(image->bytes + at, data, len);
}

static void
image_apply(struct image *image, const struct tape_op *op)
{
	if (op->what == TAPE_TRUNCATE)
		image_resize(image, op->at, NULL);
	else
		image_write(image, op->at, op->data, op->len);
}

/* Apply some sectors of a write. */
static void
image_tear(struct image *image, const struct tape_op *op, struct rng *rng,
    unsigned percent)
{
	size_t end = op->at + op->len, next;

	/* The size may be there before the bytes, or never. */
	if (image->size < end && rng_chance(rng, 50))
		image_resize(image, end, rng_chance(rng, 50) ? rng : NULL);
	for (size_t at = op->at; at < end; at = next) {
		next = (at / DISK_SECTOR + 1) * DISK_SECTOR;
		if (next > end)
			next = end;
		if (rng_chance(rng, percent))
			image_write(
			    image, at, op->data + (at - op->at), next - at);
	}
}

static bool
choice_takes(const struct choice *choice, size_t n)
{
	if (choice->cut == DISK_LOST)
		return false;
	if (choice->cut == DISK_ORDER)
		return n < choice->whole;
	return choice->cut != DISK_CHANCE ||
	       rng_chance(choice->rng, choice->percent);
}

static struct choice
choice_make(struct rng *rng, enum disk_cut cut, size_t pending)
{
	static const unsigned percents[] = {10, 50, 90, 98};

	return (struct choice){.rng = rng,
	    .cut = cut,
	    .whole = (size_t)rng_below(rng, pending + 1),
	    .percent = percents[rng_below(rng, 4)]};
}

/* What is left of a file: the durable part and a choice of the rest. */
static void
file_settle(const struct disk *disk, const struct file *file,
    const struct choice *choice, struct image *image)
{
	for (size_t i = 0; i < file->count; i++) {
		const struct tape_op *op = &disk->tape->ops[file->pending[i]];
		bool torn = choice->cut == DISK_ORDER && i == choice->whole;

		if (op->what == TAPE_WRITE &&
		    (torn || (choice->cut == DISK_CHANCE &&
				 rng_chance(choice->rng, 30))))
			image_tear(image, op, choice->rng, choice->percent);
		else if (choice_takes(choice, i))
			image_apply(image, op);
	}
}

static void
disk_pend(struct disk *disk, struct file *file, size_t position)
{
	image_apply(&file->cache, &disk->tape->ops[position]);
	if (file->count == file->cap) {
		file->cap = file->cap == 0 ? 256 : file->cap * 2;
		file->pending =
		    realloc(file->pending, file->cap * sizeof(*file->pending));
		CHECK(file->pending != NULL);
	}
	file->pending[file->count++] = position;
}

static void
disk_sync(struct disk *disk, struct file *file, enum disk_cut cut)
{
	struct choice choice = choice_make(&disk->rng, cut, file->count);

	file_settle(disk, file, &choice, &file->durable);
	file->count = 0;
}

static void
disk_names_settle(struct disk *disk, const struct choice *choice,
    struct tape_name *names, size_t *count)
{
	for (size_t i = 0; i < disk->pending_count; i++) {
		if (choice_takes(choice, i))
			tape_names_apply(
			    names, count, &disk->tape->ops[disk->pending[i]]);
	}
}

static void
disk_apply(struct disk *disk, size_t position)
{
	const struct tape_op *op = &disk->tape->ops[position];
	struct choice all = {.cut = DISK_ALL};
	struct file *file = op->file < 0 ? NULL : &disk->files[op->file];

	CHECK(op->file < DISK_FILES);
	switch (op->what) {
	case TAPE_CREATE:
	case TAPE_UNLINK:
	case TAPE_RENAME:
		CHECK(disk->pending_count < 1024);
		disk->pending[disk->pending_count++] = position;
		tape_names_apply(disk->cache, &disk->cache_count, op);
		break;
	case TAPE_WRITE:
	case TAPE_TRUNCATE:
		disk_pend(disk, file, position);
		break;
	case TAPE_SYNC:
		disk_sync(disk, file, DISK_ALL);
		break;
	case TAPE_SYNC_FAILED:
		if (file != NULL)
			disk_sync(disk, file,
			    (enum disk_cut)(
				DISK_LOST + rng_below(&disk->rng, 4)));
		break;
	case TAPE_SYNC_DIR:
		disk_names_settle(
		    disk, &all, disk->durable, &disk->durable_count);
		disk->pending_count = 0;
		break;
	case TAPE_OPEN:
	case TAPE_CLOSE:
		break;
	}
}

void
disk_advance(struct disk *disk, size_t position)
{
	CHECK(position <= disk->tape->count && position >= disk->position);
	while (disk->position < position)
		disk_apply(disk, disk->position++);
}

void
disk_clear(const char *dir)
{
	char path[512];
	struct dirent *entry;
	DIR *list;

	if (mkdir(dir, 0700) == 0)
		return;
	CHECK(errno == EEXIST);
	list = opendir(dir);
	CHECK(list != NULL);
	while ((entry = readdir(list)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		CHECK(unlink(path) == 0);
	}
	CHECK(closedir(list) == 0);
}

static void
image_save(const struct image *image, const char *dir, const char *name)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(image->size == 0 ||
	      write(fd, image->bytes, image->size) == (ssize_t)image->size);
	CHECK(close(fd) == 0);
}

void
disk_leave(struct disk *disk, enum disk_cut cut, const char *dir)
{
	struct tape_name names[TAPE_NAMES];
	struct choice choice;
	struct image image = {.bytes = NULL};
	size_t count;

	disk_clear(dir);
	if (cut == DISK_CACHE) {
		for (size_t i = 0; i < disk->cache_count; i++)
			image_save(&disk->files[disk->cache[i].file].cache, dir,
			    disk->cache[i].name);
		return;
	}
	memcpy(names, disk->durable, sizeof(names));
	count = disk->durable_count;
	choice = choice_make(&disk->rng, cut, disk->pending_count);
	disk_names_settle(disk, &choice, names, &count);
	for (size_t i = 0; i < count; i++) {
		const struct file *file = &disk->files[names[i].file];

		image_copy(&image, &file->durable);
		choice = choice_make(&disk->rng, cut, file->count);
		file_settle(disk, file, &choice, &image);
		image_save(&image, dir, names[i].name);
	}
	free(image.bytes);
}
