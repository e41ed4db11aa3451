/* SPDX-License-Identifier: MIT */
/* level.c - what a record claims; see level.h */
#include "run/level.h"

static bool has_declared_input(const struct record *r)
{
	for (size_t i = 0; i < r->ninputs; i++)
		if (r->inputs[i].role == RECORD_ROLE_INPUT)
			return true;
	return false;
}

static bool modules_captured(const struct record *r)
{
	for (size_t i = 0; i < r->code.nmodules; i++)
		if (!r->code.modules[i].tree)
			return false;
	return true;
}

static int say(struct buf *raise, int level, const char *why)
{
	if (raise)
		buf_addstr(raise, why);
	return level;
}

int level_of(const struct record *r, struct buf *raise)
{
	if (r->partial || !r->code.tree || !r->code.tree_sha256)
		return say(raise, 0, "the code could not be captured");
	if (!has_declared_input(r) && !r->no_data)
		return say(raise, 1, "declare inputs with -i, or say --no-data");
	if (r->changed.nr)
		return say(raise, 1, "captured files changed while it ran");
	if (!modules_captured(r))
		return say(raise, 1, "a submodule was not captured");
	if (!r->machine_capture)
		return say(raise, 1, "the machine was not captured");
	if (r->exit == RECORD_NONE && r->signal == RECORD_NONE)
		return say(raise, 1, "how it ended is not known");
	return 2;
}
