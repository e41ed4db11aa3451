/* SPDX-License-Identifier: MIT */
/* job_host.c - machine, environment, determinism, parameters; see job_internal.h */
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run/job_internal.h"
#include "run/params.h"

extern char **environ;

/* ---- parameters ---- */

static int read_params_file(struct job *j, const char *path, struct err *e)
{
	struct buf text = BUF_INIT;
	struct record_file *out;
	struct stat st;
	struct chunkid id;
	int fd = job_open(j->repo, path, &st, e), rc;

	if (fd < 0)
		return fd;
	rc = io_read_fd(fd, JSON_MAX_BYTES, &text, e);
	if (rc < 0)
		err_wrap(e, "%s", path);
	close(fd);
	if (rc == 0)
		rc = params_parse(&j->params, path, text.p, text.len, e);
	if (rc == 0) {
		chunkid_of(&id, text.p, text.len);
		out = record_add_params_file(&j->rec);
		record_set(&out->path, path);
		record_set_digest(&out->id, &id);
	}
	buf_release(&text);
	return rc;
}

int job_read_params(struct job *j, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->o->params.nr; i++) {
		buf_reset(&path);
		rc = job_path(j, j->o->params.v[i], &path, e);
		if (rc == 0)
			rc = read_params_file(j, path.p, e);
	}
	for (size_t i = 0; rc == 0 && i < j->o->sets.nr; i++)
		rc = params_override(&j->params, j->o->sets.v[i], e);
	for (size_t i = 0; rc == 0 && i < j->params.values.n; i++)
		record_add_pair(&j->rec.params, j->params.values.v[i].name,
				j->params.values.v[i].value);
	buf_release(&path);
	return rc;
}

void job_params_json(const struct job *j, struct buf *out)
{
	const struct params masked = {j->rec.params, j->params.strings};

	params_json(&masked, out);
}

/* ---- environment ---- */

/* What --secret names is never recorded, whatever list it is on. */
static const char *recordable(const struct job *j, const char *name)
{
	const char *value = strvec_has(&j->rec.secrets, name) ? NULL : getenv(name);

	return value && *value ? value : NULL; /* an empty value says what an absent one says */
}

static int add_asked(struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->o->envs.nr; i++) {
		const char *value = recordable(j, j->o->envs.v[i]);

		if (!value)
			return err_set(e, ERR_INPUT, "--env %s: not in the environment",
				       j->o->envs.v[i]);
		record_add_pair(&j->rec.env, j->o->envs.v[i], value);
	}
	return 0;
}

static int fill_env(struct job *j, struct err *e)
{
	struct strvec values = STRVEC_INIT, names = STRVEC_INIT;
	int rc;

	capture_env(environ, &values, &names);
	for (size_t i = 0; i < values.nr; i++) {
		const char *value;

		values.v[i][strcspn(values.v[i], "=")] = '\0';
		value = recordable(j, values.v[i]);
		if (value)
			record_add_pair(&j->rec.env, values.v[i], value);
		else if (strvec_has(&j->rec.secrets, values.v[i]))
			strvec_push(&names, values.v[i]);
	}
	rc = add_asked(j, e);
	for (size_t i = 0; i < names.nr; i++)
		if (!record_pair_get(&j->rec.env, names.v[i]))
			strvec_push(&j->rec.env_names, names.v[i]);
	strvec_release(&values);
	strvec_release(&names);
	return rc;
}

/* ---- determinism ---- */

static bool is_seed(const char *name)
{
	size_t n = strlen(name);

	if (n < 4 || strcmp(name + n - 4, "seed") != 0)
		return false;
	return n == 4 || name[n - 5] == '.' || name[n - 5] == '_' || name[n - 5] == '-';
}

static void fill_determinism(struct job *j)
{
	static const char *const flags[] = {
		"CUBLAS_WORKSPACE_CONFIG",
		"CUDA_LAUNCH_BLOCKING",
		"NVIDIA_TF32_OVERRIDE",
		"TF_CUDNN_DETERMINISTIC",
		"TF_DETERMINISTIC_OPS",
		"XLA_FLAGS",
		"MKL_CBWR",
		"PYTORCH_CUDA_ALLOC_CONF",
	};
	static const char *const threads[] = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
					      "MKL_NUM_THREADS"};
	struct record *r = &j->rec;
	const char *v;

	for (size_t i = 0; i < r->params.n; i++)
		if (is_seed(r->params.v[i].name))
			record_add_pair(&r->seeds, r->params.v[i].name, r->params.v[i].value);
	v = recordable(j, "PYTHONHASHSEED");
	if (v)
		record_add_pair(&r->seeds, "PYTHONHASHSEED", v);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if ((v = recordable(j, flags[i])))
			record_add_pair(&r->flags, flags[i], v);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		if ((v = recordable(j, threads[i])))
			record_add_pair(&r->flags, threads[i], v);
	r->threads = j->machine.threads;
}

/* ---- who and where ---- */

static int fill_author(struct job *j, struct err *e)
{
	struct buf ident = BUF_INIT;
	char host[256];
	char *end;
	int rc = repo_ident(j->repo, "author", &ident, e);

	if (rc == 0) {
		end = strrchr(ident.p, '>');
		if (end)
			end[1] = '\0';
		record_set(&j->rec.author, ident.p);
	}
	buf_release(&ident);
	if (gethostname(host, sizeof(host)) == 0) {
		host[sizeof(host) - 1] = '\0';
		if (*host)
			record_set(&j->rec.host, host);
	}
	return rc;
}

int job_capture_host(struct job *j, struct err *e)
{
	struct capture_opts o = {NULL, repo_deepops_dir(j->repo), j->words.v[0]};
	int rc = path_mkdirs(o.cache_dir, 0777, e);

	if (rc == 0)
		rc = capture_machine(&o, &j->machine, e);
	if (rc < 0)
		return err_wrap(e, "the machine cannot be captured");
	record_set_digest(&j->rec.machine_capture, &j->machine.id);
	record_set(&j->rec.machine_class, j->machine.device);
	for (size_t i = 0; i < j->machine.absent.nr; i++)
		job_notice(j, "%s", j->machine.absent.v[i]);
	record_limit(&j->rec.notices, RECORD_NOTICES_BYTES);
	if (j->machine.undigested)
		strvec_pushf(&j->warnings,
			     "%zu installed packages have no digest (git deepops machine capture)",
			     j->machine.undigested);
	rc = fill_env(j, e);
	if (rc == 0)
		rc = fill_author(j, e);
	fill_determinism(j);
	return rc;
}
