/* SPDX-License-Identifier: MIT */
/* job_watch.c - does a command need privileges that the watch would take; see job_internal.h */
#include <sys/stat.h>

#include "base/path.h"
#include "run/execwatch.h"
#include "run/job_internal.h"

static bool is_setuid(const char *word)
{
	struct stat st;
	struct buf path = BUF_INIT;
	bool found = false;

	if (!strchr(word, '/'))
		(void)path_in_path(&path, word);
	else
		buf_addstr(&path, word);
	found = path.len && stat(path.p, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) &&
		(st.st_mode & (S_ISUID | S_ISGID));
	buf_release(&path);
	return found;
}

/* Setuid themselves, or no use without a helper that is; only where they are installed. */
static bool starts_setuid(const char *word)
{
	static const char *const names[] = {"sudo",        "su",         "doas",        "pkexec",
					    "apptainer",   "podman",     "newuidmap",   "newgidmap",
					    "singularity", "fusermount", "fusermount3", "ping"};
	struct buf path = BUF_INIT;
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !found; i++)
		found = !strcmp(path_basename(word), names[i]) &&
			(strchr(word, '/') || path_in_path(&path, word));
	buf_release(&path);
	return found;
}

/* In `sh -c "cd x && sudo y"` too. */
static bool names_setuid(const char *arg)
{
	static const char in_words[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-+./";
	struct buf word = BUF_INIT;
	bool found = is_setuid(arg);

	while (*arg && !found) {
		size_t len = strspn(arg, in_words);

		buf_reset(&word);
		buf_add(&word, arg, len);
		found = len && starts_setuid(word.p);
		arg += len + (arg[len] != '\0');
	}
	buf_release(&word);
	return found;
}

enum execwatch_how job_watch_how(struct job *j)
{
	struct buf text = BUF_INIT;
	bool sample = repo_config_get(j->repo, "deepops.watch", &text, NULL) == 1 &&
		      !strcmp(text.p, "sample");
	bool keep = false;

	for (size_t i = 0; i < j->words.nr && !sample && !keep; i++)
		keep = names_setuid(j->words.v[i]);
	buf_release(&text);
	return sample ? EXECWATCH_SAMPLED : keep ? EXECWATCH_KEEP_PRIVILEGES : EXECWATCH_BEST;
}
