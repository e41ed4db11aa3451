/* SPDX-License-Identifier: MIT */
/*
 * sync_data.c - what a push has to make good, and what is remembered of it; see sync.h
 *
 * First without a connection: is there any data at all?  Then the store says who it is, and only
 * what it was not seen to have yet is looked for.  If it lacks something that it had, nothing that is
 * remembered of it counts, and the whole history is asked about.
 */

#include "sync/sync_internal.h"

#include "base/killpoint.h"
#include "base/log.h"
#include "sync/bring.h"
#include "sync/floor.h"

#define NOTHING_NAME "no-data" /* history that names no data at all: true for every store */

struct push {
	struct repo *repo;
	const struct where *where;
	const struct sync_want *want;
	const struct sync_opts *opts;
	struct sync_result *out;
	struct sync_plan plan;
	struct sync_memory memory;
	struct remote *remote;
};

static int plan_absent(struct push *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->memory.absent.nr; i++) {
		const char *text = p->memory.absent.v[i];

		rc = sync_plan_add(&p->plan, p->memory.absent_names.v[i], text, strlen(text), true,
				   e);
	}
	return rc;
}

/* What the memory does not cover; all of it if nothing is known. */
static int plan_rest(struct push *p, struct err *e)
{
	int rc;

	p->plan.unread = 0;
	rc = p->want->all ? bring_all(p->repo, &p->plan, e) : 0;

	if (rc == 0)
		rc = sync_plan_history(&p->plan, p->repo, &p->memory.commits, e);
	if (rc == 0)
		rc = sync_plan_journal(&p->plan, p->repo, &p->memory.journal, e);
	return rc < 0 ? rc : plan_absent(p, e);
}

/* The memory is disposable: that it can't be written stops no push. */
static void remember(struct push *p, uint64_t generation)
{
	struct err why = ERR_INIT;

	if (sync_memory_save(&p->memory, p->repo, &p->plan, generation, &why) < 0)
		log_warn("what was sent is not remembered, and will be asked about again: %s",
			 why.msg);
}

/*
 * 1: nothing that is pushed names data.  That is remembered apart, so that a long history without
 * data is not read for every push.
 */
static int names_nothing(struct push *p, struct err *e)
{
	int rc;

	if (p->plan.n)
		return 0;
	if (!p->want->all)
		sync_memory_load_named(&p->memory, p->repo, NOTHING_NAME);
	rc = plan_rest(p, e);
	if (rc == 0 && !p->plan.n) {
		if (!p->opts->dry_run && !p->want->all)
			remember(p, 0);
		return 1;
	}
	sync_memory_release(&p->memory);
	return rc;
}

static int send_once(struct push *p, bool *lost, struct err *e)
{
	int rc = plan_rest(p, e);

	p->out->asked_all = !p->memory.known;
	return rc < 0 ? rc
		      : sync_send(p->repo, p->remote, &p->plan, &p->memory, p->opts, p->out, lost,
				  e);
}

static int send_data(struct push *p, struct err *e)
{
	struct remote_where view = where_view(p->where);
	bool lost = false;
	int rc = remote_open(&p->remote, &view, e);

	if (rc < 0)
		return rc;
	sync_memory_load(&p->memory, p->repo, p->where, p->remote);
	if (p->want->all)
		sync_memory_forget(&p->memory);
	p->out->forgotten = p->memory.went_back;
	rc = send_once(p, &lost, e);
	if (rc == 0 && lost) {
		sync_memory_forget(&p->memory);
		p->out->forgotten = true;
		rc = send_once(p, &lost, e);
	}
	if (rc == 0 && !p->opts->dry_run)
		remember(p, remote_generation(p->remote));
	if (rc == 0)
		floor_refresh(p->repo, p->where, p->remote);
	return rc;
}

int sync_push_data(struct repo *r, const struct where *w, const struct sync_want *want,
		   const struct sync_opts *opts, struct sync_result *out, struct err *e)
{
	struct push p = {.repo = r, .where = w, .want = want, .opts = opts, .out = out};
	int rc;

	memset(out, 0, sizeof(*out));
	sync_plan_init(&p.plan);
	sync_memory_init(&p.memory);
	rc = sync_plan_tips(&p.plan, r, &want->tips, false, e);
	if (rc == 0)
		rc = sync_plan_tips(&p.plan, r, &want->older, true, e);
	if (rc == 0)
		rc = names_nothing(&p, e);
	killpoint("push-planned");
	if (rc == 0)
		rc = send_data(&p, e);
	out->unread = p.plan.unread;
	remote_close(&p.remote);
	sync_memory_release(&p.memory);
	sync_plan_release(&p.plan);
	return MIN(rc, 0);
}

void sync_warn_skipped(const struct sync_result *res)
{
	if (res->forgotten)
		log_warn("the remote lacks data that it had (put back to an older state?): all "
			 "of the history was looked at again");
	if (res->skipped)
		log_warn("%" PRIu64 " older dataset version%s neither here nor on the remote, and "
			 "could not be sent (%s%s)",
			 res->skipped, res->skipped == 1 ? " is" : "s are", res->skipped_name,
			 res->skipped == 1 ? "" : ", ...");
	if (res->unread)
		log_warn("%" PRIu64 " older pointer%s not in this partial clone: nothing was sent "
			 "for %s",
			 res->unread, res->unread == 1 ? " is" : "s are",
			 res->unread == 1 ? "it" : "them");
}

bool sync_names_data(struct repo *r, const struct sync_want *want)
{
	struct sync_plan plan;
	bool any;

	sync_plan_init(&plan);
	if (sync_plan_tips(&plan, r, &want->tips, true, NULL) == 0 &&
	    sync_plan_tips(&plan, r, &want->older, true, NULL) < 0)
		plan.unread++; /* what was found before still counts */
	any = plan.n > 0;
	sync_plan_release(&plan);
	return any;
}
