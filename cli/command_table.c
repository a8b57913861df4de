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
	{"check", "[--json] [--send-test IDENTITY [--destination NAME]]", "Say what serve would run, and what is wrong",
	    "Opens nothing on the network and does not touch the queue. "
	    "--send-test sends one\nmarked event through the mapping to Heap, "
	    "and tells how to find it there.",
	    COMMAND_PLAIN, command_check_options, command_check},
	{"status", "[--json]", "How everything is",
	    NULL, COMMAND_QUEUE, command_json_options, command_status},
	{"ledger", "[--by source|type|hour] [--check] [--json]",
	    "The books: every event that was ever received",
	    "received = waiting + delivered + buried + dropped + duplicates + "
	    "forgotten\n+ expired; what a line lacks of it is its imbalance. "
	    "Exit 1 if there is any.",
	    COMMAND_QUEUE, command_ledger_options, command_ledger},
	{"queue stats", "[--age] [--json]", "What waits, and for how long",
	    "By destination, source and type, and when it will be empty; "
	    "--age looks at each\nevent that waits, and shows how old they "
	    "are.",
	    COMMAND_QUEUE, command_queue_stats_options, command_queue_stats},
	{"queue list", "[--place PLACE] [FILTER...] [--limit N] [--json]",
	    "The events of a place; the buried if none is named",
	    NULL, COMMAND_QUEUE, command_queue_list_options,
	    command_queue_list},
	{"queue find", "[TYPE:]EVENT-ID [--json]",
	    "Where an event is: waiting, kept, buried, or nowhere",
	    "Exit 1 if it is nowhere.",
	    COMMAND_QUEUE, command_json_options, command_queue_find},
	{"queue show", "[undecodable] ID [--json]",
	    "One buried event: its bytes, what was sent, the answer",
	    "With the word undecodable: a body that could not be read.",
	    COMMAND_QUEUE, command_json_options, command_queue_show},
	{"queue requeue", "ID | FILTER... | --all [--json]",
	    "Send buried events again",
	    NULL, COMMAND_JOB, command_queue_requeue_options,
	    command_queue_requeue},
	{"queue drop", "ID | FILTER... | --all --yes [--json]",
	    "Drop buried events, or undecodable bodies, for good",
	    "Events are counted as dropped under the rule \"operator\".",
	    COMMAND_JOB, command_queue_drop_options, command_queue_drop},
	{"queue export", "[--place PLACE] [FILTER...]",
	    "Events as JSON, one a line",
	    "What is no JSON on one line is in event_base64.",
	    COMMAND_QUEUE, command_queue_export_options, command_queue_export},
	{"queue import", "[FILE|-] [--source NAME] [--again] [--json]",
	    "Put events into the queue, as if the source had sent them",
	    "A line is an event, a request body, or what queue export wrote. "
	    "What was received\nbefore is told as a duplicate: to send what "
	    "you mended, say --again, and drop what\nis buried of it. Exit 1 "
	    "if a line could not be read.",
	    COMMAND_JOB, command_queue_import_options, command_queue_import},
	{"queue pause", "DESTINATION", "Send nothing there until resumed",
	    "Kept over restarts. What comes in waits.",
	    COMMAND_QUEUE, NULL, command_queue_pause},
	{"queue resume", "DESTINATION", "Send there again",
	    NULL, COMMAND_QUEUE, NULL, command_queue_resume},
	{"queue redirect", "FROM TO [--anyway] [--json]",
	    "Send elsewhere what a removed destination left behind",
	    "FROM is one that the settings do not have any more, TO one that "
	    "they have. What was\nburied or delivered there goes along.",
	    COMMAND_JOB, command_queue_redirect_options,
	    command_queue_redirect},
	{"queue check", "[--json]", "Check the whole file deeply",
	    "SQLite's own check, while which nothing is accepted or sent, "
	    "then every checksum.\nExit 1 if there is a fault.",
	    COMMAND_JOB, command_json_options, command_queue_check},
	{"queue backup", "PATH", "Copy the queue while it is in use",
	    "The daemon writes it, to an absolute path that is not there yet.",
	    COMMAND_JOB, NULL, command_queue_backup},
	{"queue rescue", "FILE",
	    "Events out of a queue file that cannot be opened",
	    "Looks at every page of the file by itself, and of its log, and "
	    "prints what is whole\nas JSON, one a line, for queue import. What "
	    "was delivered already may be among it:\nHeap ignores keys it has. "
	    "Exit 1 if a parcel was damaged or none was found.",
	    COMMAND_PLAIN, NULL, command_queue_rescue},
	{"queue erasures", "[--done SUBJECT] [--json]",
	    "Whose erasure was asked for (users.UserDeleteRequest)",
	    "A request is listed when its destination gets to it: not while "
	    "that is paused, or\nin dry_run. It stays until `currentsd forget` "
	    "or --done takes it off.",
	    COMMAND_QUEUE, command_queue_erasures_options,
	    command_queue_erasures},
	{"replay", "--since WHEN [FILTER...] [--destination NAME]",
	    "Send delivered events again",
	    "Behind the live traffic, with the same idempotency keys, which "
	    "Heap ignores if it\nhas them: so a replay mends what went to the "
	    "wrong environment or never arrived,\nand not a property that was "
	    "wrong. Setting keep_delivered is how far back it can\ngo.",
	    COMMAND_JOB, command_replay_options, command_replay},
	{"forget", "USER... [--listed] [--json]",
	    "Erase people from everything that is kept here",
	    "By external id, Braze id, device id or alias, in the waiting, "
	    "the kept, the buried\nand the undecodable; then the file is "
	    "rebuilt, while which nothing is accepted or\nsent: so give all "
	    "of them at once. Hashes that tell duplicates remain; what was\n"
	    "delivered must be erased at Heap. Exit 1 if something could not "
	    "be looked into.",
	    COMMAND_JOB, command_forget_options, command_forget},
	{"drift", "[--adopt] [--json]",
	    "What Braze sent that the catalogue does not have",
	    "Unknown types, properties and members, required properties that "
	    "are blank, null\nor absent, values of a new JSON type: how often, "
	    "first and last seen. Never a\nvalue.",
	    COMMAND_QUEUE, command_drift_options, command_drift},
	{"validate", "[FILE|-] [--json]",
	    "Judge events as the server would",
	    "Reads a request body, or one event a line. For each event: where "
	    "it is, its type\nand id, and what is wrong with it. Exit 1 if "
	    "anything is.",
	    COMMAND_PLAIN, command_validate_options, command_validate},
	{"explain", "[FILE|-] [--source NAME] [--destination NAME] [--json]",
	    "What would be sent for events, and why",
	    "Reads a request body, or one event a line, and goes by the rules "
	    "of a source and\nits destination. Sends nothing, and needs no "
	    "queue. Exit 1 if an event would be\nburied, or something cannot "
	    "be read.",
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
