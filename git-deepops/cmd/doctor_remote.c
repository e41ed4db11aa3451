/* SPDX-License-Identifier: MIT */
/* doctor_remote.c - is there a remote, and does it answer?  see doctor.h */
#include "base/urltext.h"
#include "base/xalloc.h"
#include "cmd/doctor.h"
#include "store/remote.h"
#include "sync/where.h"

static int check_refspecs(struct doctor *d, const char *name, struct err *e)
{
	char *key = xstrfmt("remote.%s.fetch", name);
	struct strvec fetch = STRVEC_INIT;
	bool logs = false;
	int rc = repo_config_all(d->repo, key, &fetch, e);

	for (size_t i = 0; i < fetch.nr; i++) {
		const char *spec = fetch.v[i] + (fetch.v[i][0] == '+');

		logs = logs || str_startswith(spec, "refs/deepops/log/*:", NULL);
		/* git fails every fetch while the remote lacks the one ref that is named */
		if ((str_startswith(spec, "refs/deepops/", NULL) ||
		     str_startswith(spec, "refs/notes/deepops", NULL)) &&
		    !strchr(spec, '*'))
			cmd_doctor_say(d, DOCTOR_BROKEN, key,
				       "git config --edit: a wildcard, or not at all",
				       "%s names a ref that may not be there", fetch.v[i]);
	}
	if (rc == 0 && logs)
		cmd_doctor_say(d, DOCTOR_PRESENT, key, NULL, "git fetch brings run records");
	else if (rc == 0)
		cmd_doctor_say(d, DOCTOR_ABSENT, key, "git deepops init",
			       "git fetch brings no run records");
	free(key);
	strvec_release(&fetch);
	return rc;
}

static void connect_to(struct doctor *d, const struct where *w)
{
	struct remote_where view = where_view(w);
	struct remote *remote = NULL;
	struct err why = ERR_INIT;

	if (remote_open(&remote, &view, &why) < 0) {
		cmd_doctor_err(d, "connection", &why);
		return;
	}
	cmd_doctor_say(d, DOCTOR_PRESENT, "connection", NULL, "%s, role %s",
		       remote_describe(remote), remote_role(remote));
	remote_close(&remote);
}

int cmd_doctor_remote(struct doctor *d, bool offline, struct err *e)
{
	struct err why = ERR_INIT;
	bool ours = false;
	struct where w;
	int rc;

	where_init(&w);
	if (where_resolve(d->repo, NULL, WHERE_TO, &w, &why) < 0) {
		if (why.code == ERR_NOTFOUND)
			cmd_doctor_say(d, DOCTOR_ABSENT, "remote", why.hint, "%s", why.msg);
		else
			cmd_doctor_err(d, "remote", &why);
		where_release(&w);
		return 0;
	}
	rc = where_is_ours(d->repo, w.name.p, &ours, e);
	if (rc == 0 && !ours)
		cmd_doctor_say(d, DOCTOR_ABSENT, "remote", "git deepops init",
			       "%s takes no data: remote.%s.deepops is not true", w.name.p,
			       w.name.p);
	if (rc == 0 && ours) {
		struct buf shown = BUF_INIT;

		urltext_public(&shown, w.url.p);
		cmd_doctor_say(d, DOCTOR_PRESENT, "remote", NULL, "%s, data at %s", w.name.p,
			       shown.p);
		buf_release(&shown);
		rc = check_refspecs(d, w.name.p, e);
		if (rc == 0 && !offline)
			connect_to(d, &w);
	}
	where_release(&w);
	return rc;
}
