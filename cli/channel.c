#include "cli/channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Wipe the line of progress, before something else is written. */
static void
local_clear(struct channel_local *local)
{
	if (local->progress)
		(void)fputs("\r\033[K", stderr);
	local->progress = false;
}

static bool
local_write(void *arg, const char *data, size_t len, struct err *reterr)
{
	struct channel_local *local = arg;

	if (local->shared)
		local_clear(local);
	if (fwrite(data, 1, len, stdout) == len && fflush(stdout) == 0)
		return true;
	return err_set(
	    reterr, ERR_IO, "cannot write the output: %s", strerror(errno));
}

static bool
local_read(void *arg, const char *name, struct buf *in, struct err *reterr)
{
	struct channel_local *local = arg;
	char piece[4096];
	size_t len, had = in->len;

	if (local->in == NULL)
		local->in = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
	if (local->in == NULL)
		return err_set(
		    reterr, ERR_INPUT, "%s: %s", name, strerror(errno));
	while (in->len - had <= CHANNEL_PIECE - sizeof(piece)) {
		len = fread(piece, 1, sizeof(piece), local->in);
		if (len == 0)
			break;
		(void)buf_append(in, piece, len);
	}
	if (ferror(local->in))
		return err_set(reterr, ERR_IO, "%s: read error", name);
	return buf_ok(in, reterr);
}

static bool
local_say(void *arg, const char *text, struct err *reterr)
{
	(void)reterr;
	local_clear(arg);
	(void)fprintf(stderr, "%s\n", text);
	return true;
}

static bool
local_breathe(void *arg, const char *progress, struct err *reterr)
{
	struct channel_local *local = arg;

	(void)reterr;
	if (!local->terminal || progress == NULL)
		return true;
	local_clear(local);
	(void)fputs(progress, stderr);
	(void)fflush(stderr);
	local->progress = true;
	return true;
}

void
channel_local_init(struct channel_local *local, struct channel *ret_channel)
{
	*local = (struct channel_local){
	    .terminal = isatty(STDERR_FILENO) == 1,
	    .shared = isatty(STDOUT_FILENO) == 1,
	};
	*ret_channel = (struct channel){
	    .arg = local,
	    .write = local_write,
	    .read = local_read,
	    .say = local_say,
	    .breathe = local_breathe,
	};
}

void
channel_local_fini(struct channel_local *local)
{
	local_clear(local);
	if (local->in != NULL && local->in != stdin)
		(void)fclose(local->in);
	local->in = NULL;
}
