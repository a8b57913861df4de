#include "tape.h"

#include "memory.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
tape_init(struct tape *tape)
{
	*tape = (struct tape){.ops = NULL};
}

void
tape_fini(struct tape *tape)
{
	for (size_t i = 0; i < tape->count; i++)
		free(tape->ops[i].data);
	free(tape->ops);
	tape_init(tape);
}

static size_t
names_find(const struct tape_name *names, size_t count, const char *name)
{
	size_t i = 0;

	while (i < count && strcmp(names[i].name, name) != 0)
		i++;
	return i;
}

static void
names_remove(struct tape_name *names, size_t *count, const char *name)
{
	size_t i = names_find(names, *count, name);

	if (i < *count)
		names[i] = names[--*count];
}

static void
names_set(struct tape_name *names, size_t *count, const char *name, int file)
{
	size_t i = names_find(names, *count, name);

	CHECK(i < TAPE_NAMES);
	(void)snprintf(names[i].name, TAPE_NAME, "%s", name);
	names[i].file = file;
	if (i == *count)
		++*count;
}

void
tape_names_apply(
    struct tape_name *names, size_t *count, const struct tape_op *op)
{
	size_t from;

	if (op->what == TAPE_CREATE) {
		names_set(names, count, op->name, op->file);
	} else if (op->what == TAPE_UNLINK) {
		names_remove(names, count, op->name);
	} else if (op->what == TAPE_RENAME) {
		from = names_find(names, *count, op->name);
		if (from == *count)
			return;
		names_set(names, count, op->to, names[from].file);
		names_remove(names, count, op->name);
	}
}

int
tape_find(const struct tape *tape, const char *name)
{
	size_t i = names_find(tape->names, tape->name_count, name);

	return i < tape->name_count ? tape->names[i].file : -1;
}

const char *
tape_name(const struct tape *tape, int file)
{
	for (size_t i = 0; i < tape->name_count; i++) {
		if (tape->names[i].file == file)
			return tape->names[i].name;
	}
	return "";
}

static struct tape_op *
tape_append(struct tape *tape, enum tape_what what, int file)
{
	struct tape_op *op;

	if (tape->count == tape->cap) {
		tape->cap = tape->cap == 0 ? 1024 : tape->cap * 2;
		tape->ops = memory_plain_realloc(
		    tape->ops, tape->cap * sizeof(*tape->ops));
		CHECK(tape->ops != NULL);
	}
	op = &tape->ops[tape->count++];
	*op = (struct tape_op){.what = what, .file = file};
	return op;
}

int
tape_create(struct tape *tape, const char *name)
{
	struct tape_op *op = tape_append(tape, TAPE_CREATE, tape->files++);

	(void)snprintf(op->name, sizeof(op->name), "%s", name);
	tape_names_apply(tape->names, &tape->name_count, op);
	return op->file;
}

void
tape_unlink(struct tape *tape, const char *name)
{
	struct tape_op *op = tape_append(tape, TAPE_UNLINK, -1);

	(void)snprintf(op->name, sizeof(op->name), "%s", name);
	tape_names_apply(tape->names, &tape->name_count, op);
}

void
tape_rename(struct tape *tape, const char *name, const char *to)
{
	struct tape_op *op = tape_append(tape, TAPE_RENAME, -1);

	(void)snprintf(op->name, sizeof(op->name), "%s", name);
	(void)snprintf(op->to, sizeof(op->to), "%s", to);
	tape_names_apply(tape->names, &tape->name_count, op);
}

void
tape_write(struct tape *tape, int file, size_t at, const void *data, size_t len)
{
	struct tape_op *op = tape_append(tape, TAPE_WRITE, file);

	op->at = at;
	op->len = len;
	op->data = memory_plain_malloc(len + 1);
	CHECK(op->data != NULL);
	memcpy(op->data, data, len);
}

void
tape_note(struct tape *tape, enum tape_what what, int file, size_t at)
{
	tape_append(tape, what, file)->at = at;
}

void
tape_copy(struct tape *tape, const struct tape *other)
{
	tape_init(tape);
	for (size_t i = 0; i < other->count; i++) {
		const struct tape_op *from = &other->ops[i];
		struct tape_op *to;

		if (from->what == TAPE_WRITE) {
			tape_write(
			    tape, from->file, from->at, from->data, from->len);
			continue;
		}
		to = tape_append(tape, from->what, from->file);
		*to = *from;
		tape_names_apply(tape->names, &tape->name_count, to);
	}
	tape->files = other->files;
}

void
tape_cut(struct tape *tape, size_t count)
{
	CHECK(count <= tape->count);
	while (tape->count > count)
		free(tape->ops[--tape->count].data);
	tape->name_count = 0;
	for (size_t i = 0; i < count; i++)
		tape_names_apply(tape->names, &tape->name_count, &tape->ops[i]);
}
