#include "cli/run.h"

#include "base/clock.h"
#include "cli/help.h"
#include "cli/socket.h"
#include "cli/usage.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Run the command in this process. If the output does not fit, the command
 * fails: half of it would mislead. */
static int
run_here(const struct command *command, struct command_context *context,
    struct buf *out)
{
	bool job = command->place == COMMAND_JOB;
	struct err err;
	int code;

	if (job && !job_begin(context->daemon, command->name, &err))
		return command_fail(out, &err);
	code = command->run(context, out);
	if (job)
		job_end(context->daemon);
	return buf_ok(out, &err) ? code : command_fail(out, &err);
}

/*
 * Opening the queue creates files, and files that root owns would lock the
 * daemon out of its own queue. So root becomes the queue's owner, and any other
 * user is refused. Only serve creates a queue, so that a wrong path does not
 * create one.
 */
static bool
owner_become(const char *dir, struct err *reterr)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/queue.db", dir) >=
	    (int)sizeof(path))
		return err_set(reterr, ERR_CONFIG,
		    "the path of the state directory is too long");
	if (stat(path, &st) != 0)
		return err_set(reterr, ERR_CONFIG,
		    "there is no queue in %s (%s): check that "
		    "CURRENTSD_STATE_DIR is the directory that serve uses",
		    dir, strerror(errno));
	if (st.st_uid == geteuid())
		return true;
	if (geteuid() != 0 || setgroups(0, NULL) != 0 ||
	    setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0)
		return err_set(reterr, ERR_CONFIG,
		    "the queue in %s belongs to the user with id %u: run this "
		    "command as that user or as root",
		    dir, (unsigned)st.st_uid);
	return true;
}

/* While no daemon runs. */
static int
run_stopped(const struct command *command,
    const struct command_context *without, struct settings *settings,
    struct buf *out)
{
	struct command_context context = *without;
	struct daemon daemon;
	struct err err;
	int code;

	daemon_init(&daemon, settings);
	context.daemon = &daemon;
	if (owner_become(settings->queue.dir, &err) &&
	    daemon_queue_open(&daemon, true, &err))
		code = run_here(command, &context, out);
	else
		code = command_fail(out, &err);
	daemon_fini(&daemon);
	return code;
}

static int
run_client(const struct command *command, struct command_context *context,
    struct buf *out)
{
	struct err err;
	int code;

	if (!client_open(context->config, command->place == COMMAND_CLIENT,
		context->caller, &context->client, &err))
		return command_fail(out, &err);
	code = run_here(command, context, out);
	client_close(context->client);
	return code;
}

/* Through the socket of a running daemon, else with the queue opened here. */
static int
run_with_queue(const struct command *command,
    const struct command_context *context, size_t argc, const char *const *argv,
    struct buf *out)
{
	struct settings settings;
	int code = EXIT_FAILED;
	struct err err;

	if (!settings_read(context->config, &settings, &err))
		return command_fail(out, &err);
	switch (socket_ask(settings.queue.dir, argc, argv, context->caller, out,
	    &code, &err)) {
	case SOCKET_ANSWERED:
		break;
	case SOCKET_NO_DAEMON:
		code = run_stopped(command, context, &settings, out);
		break;
	case SOCKET_FAILED:
		code = command_fail(out, &err);
		break;
	}
	settings_fini(&settings);
	return code;
}

int
run_command(const struct commands *commands, struct daemon *daemon,
    const struct job_caller *caller, struct screen *screen, size_t argc,
    const char *const *argv, struct buf *out)
{
	struct command_context context = {
	    .screen = screen,
	    .daemon = daemon,
	    .caller = caller,
	    .commands = commands,
	    .now_ms = clock_wall_ms(),
	};
	const struct command *command;
	struct options options;
	struct err err;
	size_t words;

	command = help_find(commands, argc, argv, &words);
	if (command == NULL)
		return help_unknown_write(commands, argc, argv, out);
	if (!options_read(command->name, command->options, argc - words,
		argv + words, &options, &err))
		return command_fail(out, &err);
	if (options_has(&options, "--help")) {
		help_command_write(command, out);
		return EXIT_FINE;
	}
	if (!usage_judge(command, &options, context.now_ms, &err))
		return command_fail(out, &err);
	context.options = &options;
	context.config = options_value(&options, "--config");
	if ((command->place == COMMAND_CLIENT ||
		command->place == COMMAND_CLIENT_BARE) &&
	    daemon == NULL)
		return run_client(command, &context, out);
	if (command->place != COMMAND_PLAIN && daemon == NULL)
		return run_with_queue(command, &context, argc, argv, out);
	if (command->place <= COMMAND_CLIENT_BARE && daemon != NULL)
		return help_unknown_write(commands, 0, NULL, out);
	return run_here(command, &context, out);
}
