/* SPDX-License-Identifier: MIT */
/* record_table.c - every field of gitformat-deepops-record(5); see record_internal.h */
#include "run/record_internal.h"

const char *const record_kind_names[] = {NULL,        "run",     "rerun",    "attest",
					 "amend",     "retract", "override", "hold",
					 "tombstone", "import",  "fork",     NULL};
const char *const record_verdict_names[] = {
	NULL, "identical", "within-tolerance", "different", "not-comparable", "not-executed", NULL};
const char *const record_input_role_names[] = {NULL, "input", "tracked", "params", "before", NULL};
const char *const record_output_role_names[] = {NULL, "output", "metrics", NULL};
const char *const record_from_names[] = {NULL,     "tree",    "input", "environment",
					 "system", "outside", NULL};
const char *const record_stdin_names[] = {NULL,   "null", "terminal", "inherit",
					  "file", "pipe", NULL};
const char *const record_watched_names[] = {NULL, "none", "sampled", "every", NULL};

#define AT(type, member) offsetof(struct record_##type, member)
#define ITEM_END                                                                                   \
	{                                                                                          \
		NULL, RT_RAW, RN_OPTIONAL, 0, NULL, NULL                                           \
	}
#define ITEM(s, key, type, need, member)                                                           \
	{                                                                                          \
		key, type, need, AT(s, member), NULL, NULL                                         \
	}
#define ITEM_ENUM(s, key, need, member, names)                                                     \
	{                                                                                          \
		key, RT_ENUM, need, AT(s, member), names, NULL                                     \
	}

static const struct record_field module_fields[] = {
	ITEM(module, "path", RT_RAW, RN_ALWAYS, path),
	ITEM(module, "commit", RT_OID, RN_ALWAYS, commit),
	ITEM(module, "tree", RT_OID, RN_OPTIONAL, tree),
	ITEM(module, "dirty", RT_FLAG, RN_OPTIONAL, dirty),
	ITEM_END,
};
static const struct record_field filtered_fields[] = {
	ITEM(filtered, "path", RT_RAW, RN_ALWAYS, path),
	ITEM(filtered, "id", RT_DIGEST, RN_ALWAYS, id),
	ITEM_END,
};
static const struct record_field large_fields[] = {
	ITEM(large, "path", RT_RAW, RN_ALWAYS, path),
	ITEM(large, "id", RT_DIGEST, RN_ALWAYS, id),
	ITEM(large, "bytes", RT_INT, RN_ALWAYS, bytes),
	ITEM(large, "mode", RT_WORD, RN_ALWAYS, mode),
	ITEM_END,
};
static const struct record_field file_fields[] = {
	ITEM(file, "path", RT_RAW, RN_ALWAYS, path),
	ITEM(file, "id", RT_DIGEST, RN_ALWAYS, id),
	ITEM_END,
};
static const struct record_field input_fields[] = {
	ITEM(input, "path", RT_RAW, RN_ALWAYS, path),
	ITEM_ENUM(input, "role", RN_ALWAYS, role, record_input_role_names),
	ITEM(input, "id", RT_DIGEST, RN_ALWAYS, id),
	ITEM(input, "files", RT_INT, RN_ALWAYS, files),
	ITEM(input, "bytes", RT_INT, RN_ALWAYS, bytes),
	ITEM(input, "query", RT_RAW, RN_OPTIONAL, query),
	ITEM_END,
};
static const struct record_field output_fields[] = {
	ITEM(output, "path", RT_RAW, RN_ALWAYS, path),
	ITEM_ENUM(output, "role", RN_ALWAYS, role, record_output_role_names),
	ITEM(output, "id", RT_DIGEST, RN_OPTIONAL, id),
	ITEM(output, "files", RT_INT, RN_OPTIONAL, files),
	ITEM(output, "bytes", RT_INT, RN_OPTIONAL, bytes),
	ITEM(output, "blob", RT_OID, RN_OPTIONAL, blob),
	ITEM(output, "match", RT_WORD, RN_OPTIONAL, match),
	ITEM_END,
};
static const struct record_field program_fields[] = {
	ITEM(program, "path", RT_RAW, RN_ALWAYS, path),
	ITEM_ENUM(program, "from", RN_ALWAYS, from, record_from_names),
	ITEM(program, "id", RT_DIGEST, RN_OPTIONAL, id),
	ITEM_END,
};
static const struct record_field compared_fields[] = {
	ITEM(compared, "path", RT_RAW, RN_ALWAYS, path),
	ITEM_ENUM(compared, "verdict", RN_ALWAYS, verdict, record_verdict_names),
	ITEM(compared, "detail", RT_RAW, RN_OPTIONAL, detail),
	ITEM_END,
};

#define LIST(name, fields, item, count)                                                            \
	static const struct record_list name = {fields, sizeof(struct record_##item),              \
						offsetof(struct record, count)}
LIST(modules, module_fields, module, code.nmodules);
LIST(filtered, filtered_fields, filtered, code.nfiltered);
LIST(large, large_fields, large, code.nlarge);
LIST(params_files, file_fields, file, nparams_files);
LIST(inputs, input_fields, input, ninputs);
LIST(outputs, output_fields, output, noutputs);
LIST(programs, program_fields, program, nprograms);
LIST(compared, compared_fields, compared, ncompared);

#define F(path, type, need, member)                                                                \
	{                                                                                          \
		path, type, need, offsetof(struct record, member), NULL, NULL                      \
	}
#define F_ENUM(path, need, member, names)                                                          \
	{                                                                                          \
		path, RT_ENUM, need, offsetof(struct record, member), names, NULL                  \
	}
#define F_LIST(path, need, member, items)                                                          \
	{                                                                                          \
		path, RT_LIST, need, offsetof(struct record, member), NULL, &(items)               \
	}

const struct record_field record_fields[] = {
	F("run", RT_HEX32, RN_ALWAYS, run),
	F_ENUM("kind", RN_ALWAYS, kind, record_kind_names),
	F("prev", RT_DIGEST, RN_OPTIONAL, prev),
	F("seq", RT_INT, RN_ALWAYS, seq),
	F("writer", RT_HEX16, RN_ALWAYS, writer),
	F("tool", RT_RAW, RN_ALWAYS, tool),
	F("recipe", RT_DIGEST, RN_OPTIONAL, recipe),
	F("author", RT_RAW, RN_OPTIONAL, author),
	F("key", RT_RAW, RN_OPTIONAL, key),
	F("host", RT_RAW, RN_OPTIONAL, host),
	F("title", RT_RAW, RN_OPTIONAL, title),
	F("note", RT_RAW, RN_OPTIONAL, note),
	F("tags", RT_SET, RN_OPTIONAL, tags),
	F("parent", RT_HEX32, RN_OPTIONAL, parent),
	F("sweep", RT_RAW, RN_OPTIONAL, sweep),
	F("fork.writer", RT_HEX16, RN_OPTIONAL, fork_writer),
	F("fork.seq", RT_INT, RN_OPTIONAL, fork_seq),
	F("code.commit", RT_OID, RN_OPTIONAL, code.commit),
	F("code.base_tree", RT_OID, RN_OPTIONAL, code.base_tree),
	F("code.tree", RT_OID, RN_OPTIONAL, code.tree),
	F("code.tree_sha256", RT_DIGEST, RN_OPTIONAL, code.tree_sha256),
	F("code.branch", RT_RAW, RN_OPTIONAL, code.branch),
	F("code.remote", RT_RAW, RN_OPTIONAL, code.remote),
	F("code.dirty", RT_FLAG, RN_OPTIONAL, code.dirty),
	F_LIST("code.modules", RN_OPTIONAL, code.modules, modules),
	F_LIST("code.filtered", RN_OPTIONAL, code.filtered, filtered),
	F_LIST("code.large", RN_OPTIONAL, code.large, large),
	F("code.outside", RT_SET, RN_OPTIONAL, code.outside),
	F("code.ignored.count", RT_INT, RN_OPTIONAL, code.ignored_count),
	F("code.ignored.digest", RT_DIGEST, RN_OPTIONAL, code.ignored_digest),
	F("command.argv", RT_RAWS, RN_RUNS, argv),
	F("command.cwd", RT_RAW, RN_OPTIONAL, cwd),
	F("command.shell", RT_FLAG, RN_OPTIONAL, shell),
	F_ENUM("command.stdin", RN_OPTIONAL, command_stdin, record_stdin_names),
	F("command.stdin_id", RT_DIGEST, RN_OPTIONAL, stdin_id),
	F_LIST("command.programs", RN_OPTIONAL, programs, programs),
	F_ENUM("command.watched", RN_OPTIONAL, watched, record_watched_names),
	F_LIST("params.files", RN_OPTIONAL, params_files, params_files),
	F("params.values", RT_PAIRS, RN_OPTIONAL, params),
	F("params.digest", RT_DIGEST, RN_OPTIONAL, params_digest),
	F_LIST("inputs", RN_OPTIONAL, inputs, inputs),
	F("no_data", RT_FLAG, RN_OPTIONAL, no_data),
	F("partial", RT_RAW, RN_OPTIONAL, partial),
	F("machine.spec", RT_DIGEST, RN_OPTIONAL, machine_spec),
	F("machine.capture", RT_DIGEST, RN_OPTIONAL, machine_capture),
	F("machine.image", RT_DIGEST, RN_OPTIONAL, machine_image),
	F("machine.class", RT_WORD, RN_OPTIONAL, machine_class),
	F("machine.provider", RT_RAW, RN_OPTIONAL, machine_provider),
	F("machine.lease", RT_RAW, RN_OPTIONAL, machine_lease),
	F("machine.env", RT_PAIRS, RN_OPTIONAL, env),
	F("machine.env_names", RT_SET, RN_OPTIONAL, env_names),
	F("determinism.seeds", RT_PAIRS, RN_OPTIONAL, seeds),
	F("determinism.flags", RT_PAIRS, RN_OPTIONAL, flags),
	F("determinism.threads", RT_INT, RN_OPTIONAL, threads),
	F("secrets", RT_SET, RN_OPTIONAL, secrets),
	F("exec.started", RT_TIME, RN_RUNS, started),
	F("exec.ended", RT_TIME, RN_OPTIONAL, ended),
	F("exec.exit", RT_INT, RN_OPTIONAL, exit),
	F("exec.signal", RT_INT, RN_OPTIONAL, signal),
	F("exec.wall_ms", RT_INT, RN_OPTIONAL, wall_ms),
	F("exec.cpu_ms", RT_INT, RN_OPTIONAL, cpu_ms),
	F("exec.max_rss", RT_INT, RN_OPTIONAL, max_rss),
	F("exec.gpu", RT_RAW, RN_OPTIONAL, gpu),
	F("closure.method", RT_WORD, RN_OPTIONAL, closure_method),
	F("closure.reads", RT_INT, RN_OPTIONAL, closure_reads),
	F("closure.net", RT_WORD, RN_OPTIONAL, closure_net),
	F("closure.violations", RT_SET, RN_OPTIONAL, violations),
	F("closure.changed", RT_SET, RN_OPTIONAL, changed),
	F("notices", RT_RAWS, RN_OPTIONAL, notices),
	F_LIST("outputs", RN_OPTIONAL, outputs, outputs),
	F("metrics.final", RT_PAIRS, RN_OPTIONAL, metrics_final),
	F("metrics.best", RT_PAIRS, RN_OPTIONAL, metrics_best),
	F("metrics.series", RT_DIGEST, RN_OPTIONAL, series),
	F("logs.stdout.id", RT_DIGEST, RN_OPTIONAL, out_log.id),
	F("logs.stdout.bytes", RT_INT, RN_OPTIONAL, out_log.bytes),
	F("logs.stderr.id", RT_DIGEST, RN_OPTIONAL, err_log.id),
	F("logs.stderr.bytes", RT_INT, RN_OPTIONAL, err_log.bytes),
	F("rerun.of", RT_DIGEST, RN_OPTIONAL, rerun_of),
	F_ENUM("rerun.verdict", RN_OPTIONAL, verdict, record_verdict_names),
	F_LIST("rerun.per_output", RN_OPTIONAL, compared, compared),
	F("rerun.diff", RT_SET, RN_OPTIONAL, machine_diff),
	F("spill.inputs", RT_DIGEST, RN_OPTIONAL, moved[RECORD_INPUTS]),
	F("spill.outputs", RT_DIGEST, RN_OPTIONAL, moved[RECORD_OUTPUTS]),
	F("spill.programs", RT_DIGEST, RN_OPTIONAL, moved[RECORD_PROGRAMS]),
	F("spill.filtered", RT_DIGEST, RN_OPTIONAL, moved[RECORD_FILTERED]),
	F("spill.large", RT_DIGEST, RN_OPTIONAL, moved[RECORD_LARGE]),
	F("spill.modules", RT_DIGEST, RN_OPTIONAL, moved[RECORD_MODULES]),
	F("spill.per_output", RT_DIGEST, RN_OPTIONAL, moved[RECORD_PER_OUTPUT]),
	F("spill.env_names", RT_DIGEST, RN_OPTIONAL, moved[RECORD_ENV_NAMES]),
	F("spill.params_values", RT_DIGEST, RN_OPTIONAL, moved[RECORD_PARAMS]),
	{NULL, RT_RAW, RN_OPTIONAL, 0, NULL, NULL},
};

static const char *const type_names[] = {
	[RT_RAW] = "text",     [RT_WORD] = "word",      [RT_HEX16] = "hex 16",
	[RT_HEX32] = "hex 32", [RT_OID] = "git id",     [RT_DIGEST] = "digest",
	[RT_INT] = "integer",  [RT_TIME] = "time",      [RT_FLAG] = "flag",
	[RT_ENUM] = "name",    [RT_RAWS] = "text list", [RT_SET] = "text set",
	[RT_PAIRS] = "pairs",  [RT_LIST] = "objects",
};
static const char *const need_names[] = {
	[RN_OPTIONAL] = "optional", [RN_ALWAYS] = "always", [RN_RUNS] = "run, rerun"};

static void describe(const struct record_field *f, const char *prefix, struct buf *out)
{
	for (; f->path; f++) {
		buf_addf(out, "%s%s|%s|%s\n", prefix, f->path, type_names[f->type],
			 need_names[f->need]);
		if (f->type == RT_LIST) {
			struct buf below = BUF_INIT;

			buf_addf(&below, "%s[].", f->path);
			describe(f->items->fields, below.p, out);
			buf_release(&below);
		}
	}
}

void record_describe(struct buf *out)
{
	buf_addstr(out, "schema|\"" RECORD_SCHEMA "\"|always\n");
	describe(record_fields, "", out);
}

const struct record_field *record_field_at(const char *path)
{
	for (const struct record_field *f = record_fields; f->path; f++)
		if (!strcmp(f->path, path))
			return f;
	return NULL;
}
