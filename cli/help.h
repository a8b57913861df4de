#ifndef CLI_HELP_H
#define CLI_HELP_H

/* Finds commands by their names, and writes their help. */

#include "cli/command.h"

/* The command that argv begins with, and how many words its name has. */
const struct command *help_find(const struct command *commands, size_t argc,
    const char *const *argv, size_t *ret_words);

/* The list of all commands; the help of one. */
void help_list_write(const struct command *commands, struct buf *out);
void help_command_write(const struct command *command, struct buf *out);

/* argv names no command: suggest the right one. Returns the exit code; asking
 * for the commands of a group with --help is not an error. */
int help_unknown_write(const struct command *commands, size_t argc,
    const char *const *argv, struct buf *out);

#endif
