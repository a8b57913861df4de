/* The table of commands: see command.h. In the order of the list that help
 * shows. */

#include "cli/command.h"

const struct option_row command_json_options[] = {
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* clang-format off */
const struct command command_table[] = {
	{"serve", "", "Take events in, and hand them on, until SIGTERM",
	    "The settings come from the environment and a file; "
	    "`currentsd help settings`\nlists them all, and `currentsd check` "
	    "tries them.",
	    COMMAND_PLAIN, NULL, command_serve},
	{"check", "[--json]", "Say what serve would run, and what is wrong",
	    "Opens nothing on the network and does not touch the queue.",
	    COMMAND_PLAIN, command_json_options, command_check},
	{"status", "[--json]", "How everything is",
	    NULL, COMMAND_QUEUE, command_json_options, command_status},
	{"ledger", "[--by source|type|hour] [--check] [--json]",
	    "The books: every event that was ever received",
	    "received = waiting + delivered + buried + dropped + duplicates + "
	    "forgotten\n+ expired; what a line lacks of it is its imbalance. "
	    "Exit 1 if there is any.",
	    COMMAND_QUEUE, command_ledger_options, command_ledger},
	{"queue stats", "[--json]", "What waits, and for how long",
	    NULL, COMMAND_QUEUE, command_json_options, command_queue_stats},
	{"queue list", "[--after ID] [--limit N] [--json]",
	    "The buried events: what was refused for good",
	    NULL, COMMAND_QUEUE, command_queue_list_options,
	    command_queue_list},
	{"queue show", "ID [--json]",
	    "One buried event: its bytes, what was sent, the answer",
	    NULL, COMMAND_QUEUE, command_json_options, command_queue_show},
	{"drift", "[--adopt] [--json]",
	    "What Braze sent that the catalogue does not have",
	    "Unknown types, properties and members, required properties that "
	    "are blank, values\nof a new JSON type: how often, first and last "
	    "seen. Never a value.",
	    COMMAND_QUEUE, command_drift_options, command_drift},
	{"validate", "[FILE|-] [--json]",
	    "Judge events as the server would",
	    "Reads a request body, or one event a line. For each event: where "
	    "it is, its type\nand id, and what is wrong with it. Exit 1 if "
	    "anything is.",
	    COMMAND_PLAIN, command_validate_options, command_validate},
	{"explain", "[FILE|-] [--destination NAME] [--json]",
	    "What would be sent for events, and why",
	    "Reads a request body, or one event a line. Sends nothing, and "
	    "needs no queue.\nExit 1 if an event would be buried.",
	    COMMAND_PLAIN, command_explain_options, command_explain},
	{"sample", "[TYPE...|--all] [OPTION...]",
	    "Make events of the real form, to try things with",
	    "One JSON object a line. Without TYPE it goes through all types.",
	    COMMAND_PLAIN, command_sample_options, command_sample},
	{"schema", "[TYPE|--all] [--json]",
	    "The catalogue of event types, and their JSON Schemas",
	    "Without TYPE the list: type, family, number of properties, and "
	    "what is special\nabout how Braze documents it.",
	    COMMAND_PLAIN, command_schema_options, command_schema},
	{"version", "[--json]", "The version",
	    NULL, COMMAND_PLAIN, command_json_options, command_version},
	{"help", "[settings|roff|COMMAND]",
	    "This list; all settings; a command",
	    "`help roff` writes the part of the manual page that is made from "
	    "the tables.", COMMAND_PLAIN, NULL, command_help},
	{NULL, NULL, NULL, NULL, COMMAND_PLAIN, NULL, NULL},
};
/* clang-format on */
