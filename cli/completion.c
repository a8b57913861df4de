/*
 * currentsd completion: a script for bash that completes commands, options and
 * their values. It is made of the table of commands, so it knows what help
 * knows.
 */

#include "cli/usage.h"

#include <string.h>

static const char script_head[] =
    "# Completion for bash. To use it in this shell:\n"
    "#   source <(currentsd completion bash)\n"
    "# For all users, write it to\n"
    "#   /usr/share/bash-completion/completions/currentsd\n"
    "_currentsd()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - "
    "1]}\n"
    "    local first= second= command= options= values= i\n"
    "\n"
    "    # bash splits --option=value at the =.\n"
    "    if [[ $cur == = ]]; then\n"
    "        cur=\n"
    "    elif [[ $prev == = ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n"
    "        --config) ((i++)); [[ ${COMP_WORDS[i]} == = ]] && ((i++)) ;;\n"
    "        -*) ;;\n"
    "        *) if [[ -z $first ]]; then first=${COMP_WORDS[i]}\n"
    "           elif [[ -z $second ]]; then second=${COMP_WORDS[i]}; fi ;;\n"
    "        esac\n"
    "    done\n"
    "    case \"$first $second\" in\n";

static const char script_tail[] =
    "    case \"$command:$prev\" in\n"
    "    *:--config) values=FILE ;;\n"
    "%s"
    "    esac\n"
    "    if [[ -z $values && $cur == -* ]]; then\n"
    "        values=\"${options:- --json --version} --config --help\"\n"
    "    elif [[ -z $values && -z $second ]]; then\n"
    "        case $first in\n";

static const char script_end[] =
    "        esac\n"
    "    fi\n"
    "    if [[ -z $values ]]; then\n"
    "        case $command in\n"
    "%s"
    "        esac\n"
    "    fi\n"
    "    case $values in\n"
    "    FILE) compopt -o filenames 2>/dev/null\n"
    "          mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
    "    TYPE) mapfile -t COMPREPLY < <(compgen -W \\\n"
    "              \"$(\"${COMP_WORDS[0]}\" schema 2>/dev/null | "
    "cut -d' ' -f1)\" -- \"$cur\") ;;\n"
    "    *) mapfile -t COMPREPLY < <(compgen -W \"$values\" -- \"$cur\") ;;\n"
    "    esac\n"
    "}\n"
    "complete -F _currentsd currentsd\n";

enum { PART_MAX = 64 * 1024 };

/* What completes a value that help calls so; false: nothing does. */
static bool
value_write(const char *name, struct buf *out)
{
	size_t len;

	if (strncmp(name, "FILE", 4) == 0 || strcmp(name, "PATH") == 0)
		return buf_text(out, "FILE");
	if (strncmp(name, "TYPE", 4) == 0)
		return buf_text(out, "TYPE");
	if (*name < 'a' || *name > 'z')
		return false;
	(void)buf_char(out, '"');
	for (; *name != '\0'; name += len + (name[len] == '|')) {
		len = strcspn(name, "|");
		/* Capitals stand for something that is not known here. */
		if (*name >= 'a' && *name <= 'z')
			(void)buf_printf(out, "%.*s ", (int)len, name);
	}
	return buf_char(out, '"');
}

/* Lines of case: the values of each option of each command. */
static void
option_values_write(const struct command *table, struct buf *out)
{
	size_t before;

	for (const struct command *c = table; c->name != NULL; c++) {
		for (const struct option_row *row = c->options;
		     row != NULL && row->name != NULL; row++) {
			if (row->value == NULL)
				continue;
			before = out->len;
			(void)buf_printf(
			    out, "    \"%s:%s\") values=", c->name, row->name);
			if (value_write(row->value, out))
				(void)buf_text(out, " ;;\n");
			else
				buf_truncate(out, before);
		}
	}
}

/* The same for their arguments. */
static void
argument_values_write(const struct command *table, struct buf *out)
{
	struct usage usage;
	size_t before;

	for (const struct command *c = table; c->name != NULL; c++) {
		usage_read(c->arguments, &usage);
		if (usage.most == 0)
			continue;
		before = out->len;
		(void)buf_printf(out, "        \"%s\") values=", c->name);
		if (value_write(usage.word, out))
			(void)buf_text(out, " ;;\n");
		else
			buf_truncate(out, before);
	}
}

/* Which command the words are, and its options. One of two words comes before
 * that of its first word alone. */
static void
commands_write(const struct command *table, struct buf *out)
{
	for (int two = 1; two >= 0; two--) {
		for (const struct command *c = table; c->name != NULL; c++) {
			if ((strchr(c->name, ' ') != NULL) != (two == 1))
				continue;
			(void)buf_printf(out,
			    "    \"%s%s\"%s) command=\"%s\" options=\" ",
			    c->name, two == 1 ? "" : " ", two == 1 ? "" : "*",
			    c->name);
			for (const struct option_row *row = c->options;
			     row != NULL && row->name != NULL; row++)
				(void)buf_printf(out, "%s ", row->name);
			(void)buf_text(out, "\" ;;\n");
		}
	}
}

/* Lines of case: the words that may come after a first one, and the first
 * words. */
static void
words_write(const struct command *table, struct buf *out)
{
	size_t len;

	for (int first = 1; first >= 0; first--) {
		const struct command *last = NULL;

		if (first == 1)
			(void)buf_text(out, "        '') values=\"");
		for (const struct command *c = table; c->name != NULL; c++) {
			len = strcspn(c->name, " ");
			/* The table has those of one first word together. */
			bool same =
			    last != NULL &&
			    strncmp(last->name, c->name, len) == 0 &&
			    (last->name[len] == ' ' || last->name[len] == '\0');

			if (first == 1 && !same)
				(void)buf_printf(
				    out, "%.*s ", (int)len, c->name);
			if (first == 0 && c->name[len] == ' ') {
				if (!same || strchr(last->name, ' ') == NULL)
					(void)buf_printf(out,
					    "        %.*s) values=\"", (int)len,
					    c->name);
				(void)buf_printf(out, "%s ", c->name + len + 1);
				if (c[1].name == NULL ||
				    strncmp(c[1].name, c->name, len + 1) != 0)
					(void)buf_text(out, "\" ;;\n");
			}
			last = c;
		}
		if (first == 1)
			(void)buf_text(out, "\" ;;\n");
	}
}

int
command_completion(struct command_context *context, struct buf *out)
{
	const struct command *table = context->commands;
	struct buf options, arguments;
	struct err err;
	int code = EXIT_FINE;

	buf_init(&options, PART_MAX);
	buf_init(&arguments, PART_MAX);
	option_values_write(table, &options);
	argument_values_write(table, &arguments);
	if (!buf_char(&options, '\0') || !buf_char(&arguments, '\0')) {
		(void)err_set_nomem(&err);
		code = command_fail(out, &err);
		goto out;
	}
	(void)buf_text(out, script_head);
	commands_write(table, out);
	(void)buf_text(out, "    esac\n");
	(void)buf_printf(out, script_tail, options.data);
	words_write(table, out);
	(void)buf_printf(out, script_end, arguments.data);
out:
	buf_fini(&options);
	buf_fini(&arguments);
	return code;
}
