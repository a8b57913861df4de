/* All commands, in the order in which help lists them. */

#include "cli/command.h"

/* clang-format off */
const struct command commands_all[] = {
	{"serve", "", "Run the daemon until SIGTERM",
	    "Reads its settings from the environment and from a file. "
	    "`currentsd help settings` lists all settings, and `currentsd "
	    "check` checks them.",
	    COMMAND_PLAIN, NULL, command_serve},
	{"check", "[--offline] [--json] [--url URL [--source NAME]] "
	    "[--send-test IDENTITY [--destination NAME]] [--notify]",
	    "Check the settings, and whether serve could run with them",
	    "Also the addresses to listen at, the state directory, and whether "
	    "the destinations answer: it connects to them, with TLS, and sends "
	    "nothing. It does not touch the queue. With --url it posts what "
	    "Braze posts to test a connection to the URL that Braze is given, "
	    "and proves that the answer is that of this currentsd, and not a "
	    "proxy's own. With --send-test it maps one marked event, sends it "
	    "to Heap, and tells you how to find it there; or it sends a change "
	    "of a segment that Heap does not have to Braze, likewise. With "
	    "--notify it posts a test to notify_url. Exits 1 if there is a "
	    "problem.",
	    COMMAND_PLAIN, command_check_options, command_check},
	{"config", "[--all] [--json]",
	    "Print the settings, and where each comes from",
	    "In the syntax of the file; a setting that has its default is "
	    "left out, or with --all commented out. Tokens, secrets and keys "
	    "are masked.",
	    COMMAND_PLAIN, command_config_options, command_config},
	{"config diff", "FILE [--json]",
	    "Show what another file of settings would change",
	    "Compares the settings with what they would be with FILE instead "
	    "of the present file; variables override either. The daemon is "
	    "not asked, so edit a copy: what you changed in the present file "
	    "itself is not shown. Exits 1 if a setting would change, or if "
	    "serve could not start with FILE.",
	    COMMAND_PLAIN, command_json_options, command_config_diff},
	{"reload", "[--force] [--json]",
	    "Have the daemon read its settings again",
	    "With the files of tokens, secrets and keys that they name. If "
	    "they are wrong, nothing changes, and it exits 78. Says what "
	    "changed, and what takes effect only at a restart (`currentsd help "
	    "settings`). A reload that removes a source, or a destination with "
	    "something queued, is refused without --force: what is posted to a "
	    "source that is not there is not sent again. SIGHUP, and so "
	    "systemctl reload, does the same; the log says what came of it.",
	    COMMAND_CLIENT, command_reload_options, command_reload},
	{"status", "[--watch] [--healthy] [--json]",
	    "Show the state of the daemon and its queue",
	    "First whether every event is accounted for, then what needs "
	    "attention, each with what to do about it, then destinations, "
	    "sources and the queue.",
	    COMMAND_CLIENT, command_status_options, command_status},
	{"top", "[--once]", "Show the state, live, until q is pressed",
	    "The same as status --watch: it is drawn again every second.",
	    COMMAND_CLIENT, command_top_options, command_top},
	{"ledger", "[--by source|type|day|hour|campaign] [--last WHEN] "
	    "[--check] [--csv] [--json]",
	    "Account for every event ever received",
	    "received = queued + delivered + dead + dropped + duplicates + "
	    "erased + expired. An event counts under the day and the hour "
	    "(UTC) when it was accepted. If a line does not balance, it shows "
	    "by how much it is off. By campaign: by the event's own day in "
	    "report_timezone, campaign or Canvas, and type, what became of "
	    "events once they were settled. Exits 1 if anything is off.",
	    COMMAND_CLIENT, command_ledger_options, command_ledger},
	{"sources", "[--json]", "List the sources, and what they are answered",
	    NULL, COMMAND_CLIENT, command_json_options, command_sources},
	{"sources show", "NAME [--json]",
	    "Show all facts of a source, and what they mean",
	    NULL, COMMAND_CLIENT, command_json_options, command_sources_show},
	{"destinations", "[--json]",
	    "List the destinations, and how far each has come",
	    NULL, COMMAND_CLIENT, command_json_options, command_destinations},
	{"destinations show", "NAME [--json]",
	    "Show all facts of a destination, and what they mean",
	    NULL, COMMAND_CLIENT, command_json_options,
	    command_destinations_show},
	{"destinations pause", "NAME [--json]", "Stop sending to a destination",
	    "The destination stays paused, even across restarts, until you "
	    "resume it. Its events stay queued.",
	    COMMAND_CLIENT, command_json_options, command_destinations_pause},
	{"destinations resume", "NAME [--json]",
	    "Resume sending to a paused destination",
	    "Says what happens next: a destination that has trouble, or that "
	    "asked to be left alone, is not sent to at once.",
	    COMMAND_CLIENT, command_json_options,
	    command_destinations_resume},
	{"destinations retry", "NAME [--force] [--json]",
	    "Try a destination at once that has trouble",
	    "Ends the wait for the next try, after its cause is fixed. "
	    "Quotas hold all the same. If the destination asked to be left "
	    "alone until some time, it is tried only with --force.",
	    COMMAND_CLIENT, command_retry_options,
	    command_destinations_retry},
	{"segments", "[--attention] [--source NAME] [--destination NAME] "
	    "[--json]",
	    "List the segments of Heap, and how far Braze has them",
	    "A line for each segment: its attribute or cohort in Braze (the "
	    "label), how many members it should have there, how many it has "
	    "by what Braze accepted, for how many a change waits, and until "
	    "when; changes that became dead letters; how long ago a sync came "
	    "with all its pages; and the state. fresh: all is sent. sending: "
	    "changes wait. stale: no page came for 8 hours, twice Heap's "
	    "interval. incomplete: a sync lost pages, so members are missing "
	    "until Heap sends all of them again. held: a sync would change "
	    "more of the segment than hold_over allows. refused: Braze takes "
	    "none of it. retired: by `segments retire`.",
	    COMMAND_CLIENT, command_segments_options, command_segments},
	{"segments show", "SEGMENT [--json]", "Show one segment",
	    "SEGMENT is the id or the name, as `currentsd segments` shows "
	    "them.",
	    COMMAND_CLIENT, command_segments_one_options,
	    command_segments_show},
	{"segments syncs", "SEGMENT [--json]",
	    "Show the syncs of a segment, the last one first",
	    "For each the pages that came, of how many; who entered and left; "
	    "and what became of these changes: delivered, superseded by a "
	    "later change of the same member, no change because Braze had it "
	    "already, or dead letters.",
	    COMMAND_CLIENT, command_segments_one_options,
	    command_segments_syncs},
	{"segments resend", "SEGMENT [--json]",
	    "Send all members of a segment again",
	    "For each member that was ever sent, what it is to be by its last "
	    "change: after a wrong workspace or API key, or if `segments "
	    "verify` finds other values. A cohort is created again, too.",
	    COMMAND_CLIENT, command_segments_one_options,
	    command_segments_resend},
	{"segments release", "SEGMENT [--json]",
	    "Let the held syncs of a segment go",
	    "A sync is held if it changes more of its segment than the "
	    "setting hold_over allows. Look at `segments syncs` first; if the "
	    "sync is wrong, correct the segment in Heap and have it synced "
	    "again: what is newer overtakes what is held. Exits 1 if nothing "
	    "is held.",
	    COMMAND_CLIENT, command_segments_one_options,
	    command_segments_release},
	{"segments retire", "SEGMENT [--yes] [--json]",
	    "Say of all members of a segment that they left",
	    "For a segment that was deleted or switched off in Heap, which "
	    "does not tell us. Asks first, unless --yes is given; without a "
	    "terminal it needs --yes.",
	    COMMAND_CLIENT, command_segments_retire_options,
	    command_segments_retire},
	{"segments verify", "SEGMENT [--sample N] [--json]",
	    "Ask Braze what it has of a segment's members",
	    "Asks for a random sample of those whose last change is "
	    "delivered, and counts the right values, the others, and members "
	    "without a profile. Only for the kind attributes. The API key "
	    "needs the permission users.export.ids. Exits 1 if there are "
	    "other values.",
	    COMMAND_CLIENT, command_segments_verify_options,
	    command_segments_verify},
	{"person", "PERSON [--limit N] [--json]",
	    "Show a person's segments and events in order of time",
	    "Why did Ann get this campaign? First in which segments she is, by "
	    "what Braze accepted, and what waits; then every event and change "
	    "with this id that is queued, dead or in the archive, by the time "
	    "when it was accepted. Exits 1 if there is nothing.",
	    COMMAND_CLIENT, command_person_options, command_person},
	{"events list", "[--place queued|archive|dead] [FILTER...] [--limit N] "
	    "[--json]",
	    "List queued, delivered or dead events",
	    "In the order in which they were accepted. Changes of segments, "
	    "too: their type is the segment's id, with + for those who entered "
	    "and - for those who left. The archive has what was delivered, and "
	    "is kept.",
	    COMMAND_CLIENT, command_events_list_options, command_events_list},
	{"events find", "[TYPE:]EVENT-ID [--json]", "Show where an event is",
	    "Searches the queued events, the archive, the dead letters and "
	    "the unreadable bodies. A change of a segment is found by its "
	    "member's id. If there is none, it says what was searched, and "
	    "whether the id was received before; and exits 1.",
	    COMMAND_CLIENT, command_json_options, command_events_find},
	{"events show", "[TYPE:]EVENT-ID [--raw] [--json]",
	    "Show an event, what was or will be sent of it, and why",
	    "Wherever it is: the destination's identity and properties by "
	    "the rules of the running daemon, what is left out and which rule "
	    "decided so, attempts and answers. What the destination does not "
	    "get is hidden, unless --raw is given. Exits 1 if there is none.",
	    COMMAND_CLIENT, command_events_show_options, command_events_show},
	{"events export", "[--place queued|archive|dead] [FILTER...]",
	    "Print queued or delivered events as JSON lines",
	    "An event that is not JSON on a single line is printed in base64, "
	    "as event_base64.",
	    COMMAND_CLIENT, command_events_export_options,
	    command_events_export},
	{"tap", "[--type TYPE] [--user PERSON] [--source NAME] [--rate N] "
	    "[--limit N] [--json]",
	    "Show events as they pass",
	    "When they are accepted, and when they are delivered, deferred, "
	    "dead or dropped: a sample of at most 10 a second, with what the "
	    "destination gets of them; private values are left out as for the "
	    "destination. Runs until you end it, or for N events. Costs the "
	    "daemon nothing while nobody taps, and never makes it wait.",
	    COMMAND_CLIENT, command_tap_options, command_tap},
	{"dead list", "[FILTER...] [--after ID] [--limit N] [--json]",
	    "List dead letters",
	    "A dead letter is an event, or a change of a segment, that is "
	    "invalid, or that its destination refused for good. It is kept "
	    "with the reason; you can show it, send it again, or drop it.",
	    COMMAND_CLIENT, command_dead_list_options, command_dead_list},
	{"dead show", "ID [--json]",
	    "Show a dead letter, what was sent, and the answer",
	    NULL, COMMAND_CLIENT, command_json_options, command_dead_show},
	{"dead edit", "ID", "Edit a dead letter, and send it again",
	    "Opens the event in $VISUAL or $EDITOR, then judges it as the "
	    "server would. If it is in order, it is queued in place of the "
	    "dead letter; if not, you can edit it again. If anything fails, "
	    "your text stays in its file, and the path is told.",
	    COMMAND_CLIENT, NULL, command_dead_edit},
	{"dead requeue", "ID | FILTER... | --all [--json]",
	    "Send dead letters again",
	    NULL, COMMAND_CLIENT, command_dead_requeue_options,
	    command_dead_requeue},
	{"dead export", "[FILTER...]", "Print dead letters as JSON lines",
	    "An event that is not JSON on a single line is printed in base64, "
	    "as event_base64.",
	    COMMAND_CLIENT, command_dead_export_options, command_dead_export},
	{"dead drop", "ID | FILTER... | --all --yes [--json]",
	    "Drop dead letters for good",
	    "The ledger counts them as dropped by the rule \"operator\".",
	    COMMAND_CLIENT, command_dead_drop_options, command_dead_drop},
	{"unreadable list", "[FILTER...] [--limit N] [--json]",
	    "List request bodies that could not be read",
	    "They are not JSON, or no page of a segment. The daemon answered "
	    "400 or 405 to these requests, and keeps their bodies as "
	    "received.",
	    COMMAND_CLIENT, command_unreadable_list_options,
	    command_unreadable_list},
	{"unreadable show", "ID [--json]", "Show an unreadable body",
	    "Decompresses the body as far as possible.",
	    COMMAND_CLIENT, command_json_options, command_unreadable_show},
	{"unreadable export", "[FILTER...]",
	    "Print unreadable bodies as JSON lines",
	    "A body is printed byte for byte: as body, or if it is not UTF-8 "
	    "(it may be compressed, see encoding), in base64 as body_base64. "
	    "Put the text that is right into body, and `currentsd import` "
	    "takes the lines back.",
	    COMMAND_CLIENT, command_unreadable_export_options,
	    command_unreadable_export},
	{"unreadable drop", "[FILTER...|--all] --yes [--json]",
	    "Drop unreadable bodies for good",
	    NULL, COMMAND_CLIENT, command_unreadable_drop_options,
	    command_unreadable_drop},
	{"import", "[FILE...|-] [--source NAME] [--again] [--json]",
	    "Put events into the queue as if a source had sent them",
	    "Each line is an event, a request body, or a line that an export "
	    "wrote. Events that were received before count as duplicates. To "
	    "send corrected events, use --again, and drop the dead letters "
	    "that they replace. If it stops, it says up to which line "
	    "all is imported. Exits 1 if a line is unreadable.",
	    COMMAND_CLIENT, command_import_options, command_import},
	{"replay", "--since WHEN [FILTER...] [--destination NAME] [--force]",
	    "Send delivered events again",
	    "Replayed events go out behind the live traffic. They keep their "
	    "idempotency keys, so Heap ignores the events that it already "
	    "has. A replay helps if events went to the wrong environment or "
	    "never arrived; it does not correct a property. Events that went "
	    "to the same destination under other settings of identity are "
	    "skipped (exit 1) without --force. Changes of segments are not "
	    "replayed: see `segments resend`. The setting keep_archive "
	    "determines how far back a replay can go.",
	    COMMAND_CLIENT, command_replay_options, command_replay},
	{"erase", "--user PERSON... [--listed] [--yes] [--json]",
	    "Erase people from everything stored here",
	    "Repeat --user to erase several people at once. Removes their "
	    "queued and archived events and changes, their dead letters, what "
	    "is known of them as members of segments, and the unreadable "
	    "bodies that mention them; also under the external ids, Braze ids "
	    "and aliases that stand beside these ids in some event, and what "
	    "is anonymous on their devices, unless an event from there names "
	    "somebody else. No trace of them remains in the files. The daemon "
	    "accepts and sends meanwhile. The keyed hashes that detect "
	    "duplicates, and short ones by which events are found, remain. "
	    "What was delivered must be erased at Heap and "
	    "Braze themselves. Asks first on a terminal, unless --yes is "
	    "given. Exits 1 if something could not be searched.",
	    COMMAND_CLIENT, command_erase_options, command_erase},
	{"erasures list", "[--json]",
	    "List people whose erasure Braze requested",
	    "Braze requests an erasure with a users.UserDeleteRequest event. "
	    "The request is on the list from the moment when that event is "
	    "accepted until `erase` or `erasures done` removes it.",
	    COMMAND_CLIENT, command_json_options, command_erasures_list},
	{"erasures done", "SUBJECT... [--json]",
	    "Take people off the list of erasures",
	    "Exits 1 if one of them is not on the list.",
	    COMMAND_CLIENT, command_json_options, command_erasures_done},
	{"drift", "[--json]",
	    "Show what Braze sent that is not in the catalogue",
	    "First the properties that are left out because the catalogue does "
	    "not know them, each with the line of settings that sends it. Then "
	    "unknown types, properties and members; required properties "
	    "that are blank, null or absent; and values of a new JSON type. "
	    "For each it shows the number of events (of what is left out: "
	    "those delivered without it), and when it was first and last "
	    "seen. It never shows values. "
	    "deploy/drift-to-catalogue.py turns the JSON into a file for "
	    "the setting catalogue.",
	    COMMAND_CLIENT, command_json_options, command_drift},
	{"validate", "[FILE|-] [--json]",
	    "Check events as the server would",
	    "Reads a request body, or one event per line (also as an export "
	    "wrote it). For each event it "
	    "prints the position, the type, the id, and what is wrong with "
	    "it, if anything. Or it reads one page of changes of a segment, as "
	    "Heap posts it. Exits 1 if an event or change is invalid or "
	    "something cannot be read.",
	    COMMAND_PLAIN, command_validate_options, command_validate},
	{"explain", "[FILE|-] [--source NAME] [--destination NAME] [--json]",
	    "Show what would be sent for each event, and why",
	    "Reads a request body, or one event per line (also as an export "
	    "wrote it), or one page of changes of a segment, and applies the "
	    "rules of a source and its destination: those of the running "
	    "daemon, or, with --config or if none runs, those of the "
	    "settings. Sends nothing, and needs no queue or keys. Exits 1 if "
	    "an event or change would become a dead letter or something "
	    "cannot be read.",
	    COMMAND_CLIENT_BARE, command_explain_options, command_explain},
	{"sample", "[TYPE...|--all] [OPTION...]",
	    "Generate realistic events for trying things out",
	    "Prints one JSON object per line. In TYPE, * matches anything.",
	    COMMAND_PLAIN, command_sample_options, command_sample},
	{"schema", "[TYPE|--all] [--json]",
	    "Show the catalogue of event types and JSON Schemas",
	    "Without TYPE, or with a pattern, it lists the types with their "
	    "family, their number of properties, and a remark if Braze "
	    "documents the type poorly. In TYPE, * matches anything.",
	    COMMAND_PLAIN, command_schema_options, command_schema},
	{"queue stats", "[--age] [--json]",
	    "Show how much is queued, and for how long",
	    "Counts by destination, source and type, and forecasts when the "
	    "queue will be empty.",
	    COMMAND_CLIENT, command_queue_stats_options, command_queue_stats},
	{"queue check", "[--json]", "Check the queue file thoroughly",
	    "Runs SQLite's own check, during which the daemon accepts and "
	    "sends nothing, and then verifies every checksum. Exits 1 if it "
	    "finds a fault.",
	    COMMAND_CLIENT, command_json_options, command_queue_check},
	{"queue backup", "PATH [--json]", "Copy the queue while it is in use",
	    "The daemon writes the copy, so PATH must be absolute. The file "
	    "must not exist yet.",
	    COMMAND_CLIENT, command_json_options, command_queue_backup},
	{"queue rescue", "FILE",
	    "Recover events from a damaged queue file",
	    "Reads every page of the file and of its log, and prints the "
	    "intact events as JSON lines for `currentsd import`. Some of them "
	    "may already have been delivered; Heap ignores idempotency keys "
	    "that it already has. Exits 1 if a batch was damaged or none was "
	    "found, and 2 if the file is certainly no queue.",
	    COMMAND_PLAIN, NULL, command_queue_rescue},
	{"completion", "bash", "Print a script that completes commands in bash",
	    "In your shell: source <(currentsd completion bash)",
	    COMMAND_PLAIN, NULL, command_completion},
	{"version", "[--json]", "Show the version",
	    NULL, COMMAND_PLAIN, command_json_options, command_version},
	{"help", "[settings|metrics|COMMAND...]",
	    "Show this list, or help on a command",
	    "`currentsd help settings` lists all settings, `currentsd help "
	    "metrics` what /status and /metrics show.",
	    COMMAND_PLAIN, NULL, command_help},
	{NULL, NULL, NULL, NULL, COMMAND_PLAIN, NULL, NULL},
};
/* clang-format on */
