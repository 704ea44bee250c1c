/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"

#include <string.h>

const kg_command kg_cmd_up = {
	.name = "up",
	.usage = "[-n N] [--model F] [--strategy S] [--seed LABEL] [--http off] [--detach]",
	.about = "start a swarm, and an identity for it when there is none",
	.help = "  -n N          agents (default 8)\n"
		"  --model F     .fairy file (default the embedded model)\n"
		"  --strategy S  how the weights are quantized (default as the model's format)\n"
		"  --seed LABEL  what the agents' genomes are drawn from\n"
		"  --http off    accepted; this version has no HTTP front\n"
		"  --detach      return when the swarm is ready, and leave it running",
	.program = "swarm",
};

const kg_command kg_cmd_down = {
	.name = "down",
	.usage = "",
	.about = "shut the running swarm down",
	.program = "swarm",
};

const kg_command kg_cmd_ps = {
	.name = "ps",
	.usage = "[--json]",
	.about = "list the agents of the running swarm",
	.help = "State: starting, ready, busy, stopping, dead (no process now; it is about to be "
		"started) or\n"
		"parked (died too often and left alone). Level and stage: of the coefficient. "
		"Memory in MB:\n"
		"rss as the system counts it, pss with shared pages split among those that share "
		"them.\n"
		"Answers: since its start; rst: how often it was started again.",
	.program = "swarm",
};

const kg_command kg_cmd_logs = {
	.name = "logs",
	.usage = "[AGENT] [-f]",
	.about = "what the processes of the swarm logged",
	.help = "  AGENT  one process: an agent's name, keeper or orchestrator (default all)\n"
		"  -f     go on with what is added",
	.program = "swarm",
};

const kg_command kg_cmd_ask = {
	.name = "ask",
	.usage = "[-k N] [--max-tokens N] [--temperature T] [--top-k K] [--top-p P] [--seed S]\n"
		 "       [--json] PROMPT",
	.about = "ask the swarm: one answer, with how far the agents agree",
	.help = "  -k N             agents in the round; 0 is all of them (default 8)\n"
		"  --max-tokens N   longest answer (default 64)\n"
		"  --temperature T  0 takes the likeliest token (default 0)\n"
		"  --top-k K        choose among the K likeliest tokens; 0 is all\n"
		"  --top-p P        choose among the likeliest tokens of this total chance\n"
		"  --seed S         the same seed draws the same tokens again\n"
		"  PROMPT           - reads it from standard input\n"
		"\n"
		"The answer goes to standard output. Standard error tells the agreement, each "
		"agent's\n"
		"candidate with its mean log-likelihood in nats per byte, and the ids of what was\n"
		"published.",
	.program = "swarm",
};

const kg_command kg_cmd_remember = {
	.name = "remember",
	.usage = "--memory-type T --message M [--tags a,b] [--confidence F]\n"
		 "       [--consciousness-level F] [--references id,…] [--as AGENT]\n"
		 "       [--public|--private|--to KEY|AGENT,…] [--json]",
	.about = "sign and append an entry to the collective memory",
	.help = "T is insight, observation, learning, reflection, question, trace or heartbeat; "
		"task,\n"
		"experience, relationship and custom are observations with that tag. M is the "
		"text, or -\n"
		"to read it from standard input; \"remember M -t T\" says the same. The operator's "
		"key\n"
		"signs, or with --as the key of that agent, which signs itself while it runs. "
		"--public\n"
		"says what is so anyway. --private seals the text for the operator alone, --to for "
		"others\n"
		"as well: names, or keys of any swarm; what is sealed is not searched, and `erase` "
		"can\n"
		"remove it. Works with and without a running swarm; when the command "
		"ends\n"
		"with 0, the entry is on disk.",
	.program = "swarm",
};

const kg_command kg_cmd_recall = {
	.name = "recall",
	.usage = "[QUERY] [--tag T] [--type T] [--agent A] [--hours H]\n"
		 "       [--min-consciousness F] [--min-confidence F] [--limit N] [--any]\n"
		 "       [--explain] [--quarantined] [--json]\n"
		 "       [--similar TEXT|ENTRY [--model F]]",
	.about = "entries that match, the best first",
	.help = "QUERY is words that must all occur; without one the newest come first. -t is "
		"--type,\n"
		"which is also --memory-type. What many others cite and what its author is sure "
		"of comes\n"
		"before equal words. Exit code 1: nothing found.\n"
		"  --any          one of the words is enough; very common ones do not count\n"
		"  --explain      what made the place of each\n"
		"  --quarantined  also entries under quarantine and what rests on them\n"
		"  --similar      entries whose text means about the same, by the hidden states of "
		"a\n"
		"                 model; the first time of an entry takes a moment\n"
		"  --model F      for --similar, instead of the embedded one",
	.program = "swarm",
};

const kg_command kg_cmd_log = {
	.name = "log",
	.usage = "[AGENT] [--limit N] [--json]",
	.about = "an agent's chain, or all entries; newest first",
	.help = "AGENT is a name, \"operator\", \"swarm\", a key, or the first digits of one. Its "
		"chain is\n"
		"read from git, every signature checked on the way.",
	.program = "swarm",
};

const kg_command kg_cmd_show = {
	.name = "show",
	.usage = "ENTRY [--as AGENT] [--tree [--depth N] [--ascii]] [--json]",
	.about = "one entry with its proof",
	.help = "ENTRY is an id or commit, or its first six digits or more. Sealed content is "
		"opened "
		"when\n"
		"it is for the operator, or with --as for that agent. Exit code 1: there is no "
		"such "
		"entry,\n"
		"or its signature is not good.\n"
		"  --tree   what it rests on and what rests on it, N levels deep (8)\n"
		"  --ascii  drawn without box characters, as it is when the output is no terminal",
	.program = "swarm",
};

const kg_command kg_cmd_trace = {
	.name = "trace",
	.usage = "[AGENT] [--csv|--json]",
	.about = "the coefficient of agents over time",
	.help = "AGENT is a name or a key. Drawn from birth and trace entries: one line of blocks\n"
		"for each agent, or a curve of the level and a line for each of the four parts.",
	.program = "swarm",
};

const kg_command kg_cmd_verify = {
	.name = "verify",
	.usage = "[ENTRY|AGENT|--all] [--repository DIR] [--swarm KEY]\n"
		 "       [--signers FILE] [--json]",
	.about = "check signatures, chains and checkpoints again, from git alone",
	.help = "Without an argument everything is checked. Exit code 1: something is wrong; every "
		"finding\n"
		"names the entry, its chain and the reason.\n"
		"--repository: any clone instead of the state directory's repository; nothing "
		"else is\n"
		"needed. --swarm: the key that is believed; without it the one that the clone's "
		"HEAD\n"
		"names. --signers: writes the certified keys as a list for stock git\n"
		"(gpg.ssh.allowedSignersFile).",
	.program = "swarm",
};

const kg_command kg_cmd_replay = {
	.name = "replay",
	.usage = "ENTRY [--model F] [--json]",
	.about = "regenerate what an agent said and compare",
	.help = "ENTRY is an id or commit, or its first six digits or more. The weights are "
		"rebuilt\n"
		"from the genome in the entry. Exit code 0: reproduced, 1: not reproduced.\n"
		"The base model is looked for by its digest: --model, the embedded one, the one "
		"of\n"
		"the running swarm.",
	.program = "swarm",
};

const kg_command kg_cmd_reindex = {
	.name = "reindex",
	.usage = "[--vectors [--model F]] [--json]",
	.about = "make the search index again from git",
	.help = "The index holds nothing of its own: deleted and made again it has the same rows. "
		"Stopped\n"
		"on the way, the one before stays.\n"
		"--vectors makes those that recall --similar looks at, of entries that have none.",
	.program = "swarm",
};

const kg_command kg_cmd_compact = {
	.name = "compact",
	.usage = "[--dry-run] [--archive DIR] [--json]",
	.about = "forget heartbeats and traces that have expired",
	.help = "Chains of which a tenth or more has expired are begun anew: what is kept is "
		"signed\n"
		"again with the same ids, and the swarm's key says so. What an entry refers to is "
		"kept.\n"
		"How long: memory.ttl_heartbeat_hours, memory.ttl_trace_hours. Not while a swarm "
		"runs.\n"
		"  --dry-run      only tell what would be forgotten\n"
		"  --archive DIR  put the old chains into a git bundle there",
	.program = "swarm",
};

const kg_command kg_cmd_erase = {
	.name = "erase",
	.usage = "ENTRY [--json]",
	.about = "remove the sealed content of an entry for good",
	.help = "ENTRY was remembered with --private or --to. The entry stays and is verified as "
		"before;\n"
		"its content is gone from every file of the state directory, and is not taken in "
		"again.\n"
		"Copies that others have fetched are theirs. Not while a swarm runs. Exit code 1: "
		"there\n"
		"is no such entry, or its text is part of the chain.",
	.program = "swarm",
};

const kg_command kg_cmd_quarantine = {
	.name = "quarantine",
	.usage = "ENTRY [--reason TEXT] [--lift] [--json]",
	.about = "take an entry, and everything that rests on it, out of what is recalled",
	.help = "The operator says so in an entry of his own; nothing is removed. The entry and "
		"all "
		"that\n"
		"cite it, or what cites it, are marked in log and show, left out of recall, and "
		"never\n"
		"given to agents. --lift takes it back.",
	.program = "swarm",
};

const kg_command kg_cmd_revoke = {
	.name = "revoke",
	.usage = "AGENT [--after SEQUENCE] [--reason TEXT] [--json]",
	.about = "accept nothing more that a key signs",
	.help = "AGENT is a name, a key, or the first digits of one. Its entries up to SEQUENCE "
		"(default\n"
		"the last there is; 0: none) stay accepted, whatever their date. In a running "
		"swarm the\n"
		"agent ends and is parked. There is no way back; `rotate` gives the name a "
		"new key.",
	.program = "swarm",
};

const kg_command kg_cmd_rotate = {
	.name = "rotate",
	.usage = "AGENT|operator [--json]",
	.about = "go on with a new key under the same name",
	.help = "The old key names the new one, the swarm certifies it, and its first entry names "
		"where\n"
		"the old one ended; nothing more is accepted from the old key. The new key comes "
		"from the\n"
		"same 24 words. Not while a swarm runs. Killed on the way, it is finished when "
		"called\n"
		"again.",
	.program = "swarm",
};

const kg_command kg_cmd_sync = {
	.name = "sync",
	.usage = "REMOTE [--name N] [--pull|--push] [--trust KEY] [--forgive] [--json]",
	.about = "exchange memory with another repository",
	.help = "REMOTE is a url (https://, ssh://, user@host:path, git://, file://), a directory "
		"with a\n"
		"repository or a swarm's state, or the name under which it was synced before or "
		"git\n"
		"knows it. What comes is judged apart before any of it is taken in: form, "
		"signature,\n"
		"author, place. Then what is ours is pushed, never by force.\n"
		"  --name N     what to call it (default made from the url)\n"
		"  --pull       take only            --push  give only\n"
		"  --trust KEY  believe the swarm of that key from now on, as `trust` does\n"
		"  --forgive    exchange again with a remote that was put in quarantine\n"
		"A remote that takes back what it had, rewrites a chain, or offers what no swarm "
		"that is\n"
		"believed here has signed, is put in quarantine by its name: `verify` tells of it, "
		"and\n"
		"nothing more is exchanged with it. Exit code 1: that, or a swarm not believed "
		"here, or\n"
		"something that could not be pushed.",
	.program = "swarm",
};

const kg_command kg_cmd_export = {
	.name = "export",
	.usage = "FILE.bundle [--since ENTRY|--all] [--json]",
	.about = "write the memory, or what is new, to a git bundle",
	.help = "--since ENTRY: only what is later than that entry; who imports it must have the "
		"rest.\n"
		"Stock git reads the file: git bundle verify, git clone FILE.bundle.",
	.program = "swarm",
};

const kg_command kg_cmd_import = {
	.name = "import",
	.usage = "FILE.bundle [--trust KEY --name NAME] [--json]\n"
		 "       --mmogit DIR [--mmogit-words FILE] [--json]",
	.about = "take memory from a git bundle, or messages of mmogit",
	.help = "Judged like what a remote offers, see `sync`; bundles that stock git made are "
		"fine.\n"
		"--trust KEY --name NAME: believe the swarm of that key first, as `trust` does. "
		"Exit code\n"
		"1: something in it is not as it was signed, or is of a swarm not believed here.\n"
		"--mmogit DIR: the messages of a mmogit configuration directory, repository or "
		"directory\n"
		"of JSON files, all of every branch's history. Each whose signature is good "
		"becomes an\n"
		"entry of the operator that carries it, so that anyone can check it again; one "
		"that is in\n"
		"the memory already adds nothing. Private ones are opened with the words in FILE, "
		"and are\n"
		"then readable for everyone who has this memory. Exit code 1: some were refused, "
		"each\n"
		"with its reason.",
	.program = "swarm",
};

const kg_command kg_cmd_trust = {
	.name = "trust",
	.usage = "KEY --name NAME | --list  [--json]",
	.about = "believe another swarm about its own members",
	.help = "The swarm's key signs that the swarm KEY is called NAME and that its chain, and "
		"those of\n"
		"the members it certifies, are taken in by sync and import. It can say nothing "
		"about this\n"
		"swarm's members, and nothing about third swarms.",
	.program = "swarm",
};

const kg_command kg_cmd_identity = {
	.name = "identity",
	.usage = "new|show|recover|agents [-n N] [--json]\n"
		 "       [--passphrase|--passphrase-file FILE|--no-passphrase]",
	.about = "the swarm's words and keys",
	.help = "new      makes an identity and prints its 24 words, once; one that is there is "
		"never replaced\n"
		"show     swarm id and operator key, from the public half alone\n"
		"recover  reads the words from standard input and makes the same identity again\n"
		"agents   the derived keys of agent-0 to agent-(N-1)\n"
		"\n"
		"The key file is <state>/keys/swarm.key, mode 0600, sealed when a passphrase is "
		"given by\n"
		"--passphrase (asked on the terminal unless the settings name a file), "
		"--passphrase-file\n"
		"or the setting identity.passphrase_file.",
	.program = "swarm",
};

const kg_command kg_cmd_model = {
	.name = "model",
	.usage = "import|export|info|quantize|tokenize|generate|eval …",
	.about = "model files: bring in, take out, describe, quantize, generate, judge",
	.help = "  import SRC -o F.fairy [--tokenizer TOK] [--format f32|f16] [--name N]\n"
		"      SRC: a GGUF file, a Hugging Face folder (llama, mistral, qwen2, qwen3, "
		"iFairy), or\n"
		"      a llama2.c checkpoint with TOK, its tokenizer or SentencePiece's .model or "
		".vocab;\n"
		"      of iFairy the format is that of embedding and head, int8 when not given\n"
		"  export F -o F.gguf [--format f16|f32|q8_0]\n"
		"      the model as a GGUF file for llama.cpp\n"
		"  info [F] [--json]\n"
		"      what a model file is; without F, and with \"nursery\" for any F, the "
		"embedded model\n"
		"  quantize F --strategy S [--seed LABEL] -o G.fairy [--calibrate T] [--report T]\n"
		"       [--windows N] [--threads N] [--svg FILE] [--json]\n"
		"      S: int8, int4, int2, ternary, palette4|16|256, fairy1|2|3, or a mix such "
		"as\n"
		"      mix:attn_v=int4,ffn_down=int4,*=int2; LABEL: draws the pairing of fairy "
		"formats\n"
		"      --calibrate: rounds so that layers answer as before on T, 64 windows of "
		"it;\n"
		"      --report: also compares how well T is predicted; --svg: draws the errors\n"
		"  tokenize F [--decode] [--no-bos] [TEXT]\n"
		"      ids of a text, or with --decode the text of ids; - or none: standard input\n"
		"  generate [F] PROMPT [-n N] [--temperature T] [--top-k K] [--top-p P] [--seed "
		"S]\n"
		"      goes on from a text by N new tokens (256) or to the end; greedy unless T > "
		"0;\n"
		"      PROMPT -: standard input;\n"
		"      --chat: PROMPT is a question, put as the model was taught; prints the "
		"answer;\n"
		"      --prompt-cache FILE: what FILE has of the prompt is not read again; a FILE "
		"that\n"
		"      is not there or begins otherwise is written\n"
		"  eval [F] --text T [--base F] [--windows N] | --lessons [--seed S] [--count N]\n"
		"       [--wording trained|unseen|both] [--json]\n"
		"      how well a model predicts a text, in at most N windows of up to 256 "
		"tokens,\n"
		"      or answers lessons, N (100) per task and wording; --base: and how often it\n"
		"      agrees with another model on the likeliest token\n"
		"  generate and eval: --strategy S --agent-seed LABEL --threads N\n"
		"      as the agent of that genome; a seed alone means fairy2; with N (1) threads",
	.for_all = true,
};

const kg_command kg_cmd_lessons = {
	.name = "lessons",
	.usage = "[--task T] [--seed S] [--count N] [--split train|test]\n"
		 "       [--wording trained|unseen] [--json]",
	.about = "print generated lessons with their answers",
	.help = "The same seed prints the same lessons. Without --task the tasks take turns.\n"
		"Default: --seed 0 --count 10 --split test --wording trained.\n"
		"What each task asks and holds out: docs/lessons.md.",
	.for_all = true,
};

const kg_command kg_cmd_train = {
	.name = "train",
	.usage = "--config FILE [--directory DIR] [-o F.fairy] [--export]",
	.about = "train a model with quantization in the loop; checkpoints, resumes",
	.help = "FILE is a recipe such as models/nursery.conf; docs/training.md has its keys. DIR\n"
		"(default ./training) holds checkpoints and metrics.jsonl; a checkpoint there is\n"
		"continued, also after Ctrl-C or a crash. The trained model, called as FILE is, "
		"is\n"
		"written to F.fairy (default DIR/model.fairy); --export writes what the "
		"checkpoint\n"
		"holds and trains no further.",
	.program = "train",
	.for_all = true,
	.own_config = true,
};

const kg_command kg_cmd_bench = {
	.name = "bench",
	.usage = "[--shape S,…] [--format F,…] [--model F] [--part P,…] [--threads N]\n"
		 "       [--repeat N] [--entries N] [--keep DIR] [--all] [--json]\n"
		 "       [--peer-llama-bench PATH --peer-model GGUF]…\n"
		 "       --write-gguf SHAPE -o F.gguf",
	.about = "measure speed, start, memory and the rest on this machine",
	.help = "Models of random weights are made for it and removed again, in $TMPDIR.\n"
		"  --shape S    S256, S288, S512, M, L, iFairy-700M, SAGE-Q, SAGE-1.58\n"
		"               (default S256,S512,M)\n"
		"  --format F   a strategy (default what the shape is made for), or several\n"
		"  --model F    a .fairy file instead, one in floats as fairy2 if there is no "
		"--format;\n"
		"               nursery: the embedded model\n"
		"  --part P     speed, start, memory, swarm: of models; kernels; entries: signed "
		"and\n"
		"               taken in per second; ready: swarms. Default all, or those of "
		"models\n"
		"               where models are named\n"
		"  --threads N  of a model and of the peer (default 1)\n"
		"  --repeat N   rounds, of which the median is told (default 5)\n"
		"  --entries N  of the large memory (default 20000); alone: that part\n"
		"  --keep DIR   where it is made, and stays\n"
		"  --peer-llama-bench PATH --peer-model GGUF\n"
		"               the same by llama-bench in turns with ours; a --peer-model per "
		"shape\n"
		"  --all        every shape and part, more rounds of starting\n"
		"  --write-gguf SHAPE -o F.gguf\n"
		"               nothing but a model of that shape in f16, for a peer\n"
		"A CPU-second is one of the processes' own: what an idle core does in a second. "
		"How\n"
		"it is measured and what came out: docs/performance.md.",
	.program = "bench",
	.for_all = true,
};

const kg_command kg_cmd_config = {
	.name = "config",
	.usage = "show [--json]",
	.about = "every setting, its value and where it came from",
	.help = "Order: default < file < environment < option. The file is "
		"<state>/kindergarten.conf\n"
		"or --config FILE; in the environment section.key is KINDERGARTEN_SECTION_KEY.",
};

const kg_command kg_cmd_doctor = {
	.name = "doctor",
	.usage = "[--json]",
	.about = "what this machine offers and what is wrong with the installation",
	.help = "Every line is ok, warn (works, but see) or bad (will not work); what to do "
		"stands\n"
		"below it. Exit code 1 when something is bad.",
	.program = "swarm",
};

const kg_command kg_cmd_help = {
	.name = "help",
	.usage = "[COMMAND]",
	.about = "what the commands are, or one command in full",
};

const kg_command kg_cmd_version = {
	.name = "version",
	.usage = "",
	.about = "the version of this binary",
};

const kg_command kg_cmd_role = {
	.name = "role",
	.usage = "keeper|agent",
	.about = "be one process of a swarm (started by `up`)",
	.hidden = true,
};

#define LIST(name) &kg_cmd_##name,
const kg_command *const kg_commands[] = {KG_COMMANDS(LIST)};
const size_t kg_command_count = sizeof(kg_commands) / sizeof(kg_commands[0]);

static const char *const planned[] = {"scale", "chat", "study", "survive", "mcp"};

const kg_command *kg_command_find(const char *name)
{
	for (size_t i = 0; i < kg_command_count; i++)
		if (strcmp(kg_commands[i]->name, name) == 0)
			return kg_commands[i];
	return NULL;
}

bool kg_command_is_planned(const char *name)
{
	for (size_t i = 0; i < sizeof(planned) / sizeof(planned[0]); i++)
		if (strcmp(planned[i], name) == 0)
			return true;
	return false;
}
