#ifndef TESTS_FAULT_TAPE_H
#define TESTS_FAULT_TAPE_H

/*
 * The tape: what a process did to the files of one directory, in order.
 * A file is known by its number, as the kernel knows it by its inode, so
 * that a rename or an unlink changes names and not files. Not thread safe:
 * calls.c writes it under its own lock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAPE_NAME = 40, TAPE_NAMES = 32 };

enum tape_what {
	TAPE_CREATE,   /* name, file */
	TAPE_UNLINK,   /* name */
	TAPE_RENAME,   /* name, to */
	TAPE_OPEN,     /* file */
	TAPE_CLOSE,    /* file */
	TAPE_WRITE,    /* file, at, data */
	TAPE_TRUNCATE, /* file, at */
	TAPE_SYNC,     /* file */
	TAPE_SYNC_FAILED,
	TAPE_SYNC_DIR,
};

struct tape_op {
	enum tape_what what;
	int file;
	size_t at, len;
	unsigned char *data; /* owned */
	char name[TAPE_NAME], to[TAPE_NAME];
};

struct tape_name {
	char name[TAPE_NAME];
	int file;
};

struct tape {
	struct tape_op *ops;
	size_t count, cap;
	struct tape_name names[TAPE_NAMES]; /* as the process sees them */
	size_t name_count;
	int files;
};

void tape_init(struct tape *tape);
void tape_fini(struct tape *tape);

void tape_copy(struct tape *tape, const struct tape *other);

/* The number of the file of that name, or -1. */
int tape_find(const struct tape *tape, const char *name);

/* The first name of a file, or "". */
const char *tape_name(const struct tape *tape, int file);

/* Append. Creating gives the file its number, which is returned. */
int tape_create(struct tape *tape, const char *name);
void tape_unlink(struct tape *tape, const char *name);
void tape_rename(struct tape *tape, const char *name, const char *to);
void tape_write(
    struct tape *tape, int file, size_t at, const void *data, size_t len);
void tape_note(struct tape *tape, enum tape_what what, int file, size_t at);

/* Forget what came from operation `count` on, as if the process had been
 * killed there. */
void tape_cut(struct tape *tape, size_t count);

/* Change a list of names as an operation says. */
void tape_names_apply(
    struct tape_name *names, size_t *count, const struct tape_op *op);

#endif
