/* SPDX-License-Identifier: MIT */
/* capture_env.c - which environment variables a record may hold; see capture.h */
#include <ctype.h>

#include "base/buf.h"
#include "base/xalloc.h"
#include "machine/capture.h"

static const char *const exact[] = {
	"LANG", "LANGUAGE", "TZ", "PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV",
};
static const char *const prefixes[] = {
	"LC_",    "CONDA_", "CUDA_",  "CUBLAS_", "OMP_", "OPENBLAS_", "MKL_",
	"PYTHON", "NCCL_",  "TORCH_", "TF_",     "XLA_", "SLURM_",
};
static const char *const secret_words[] = {
	"key", "token", "secret", "pass", "cred", "cookie", "auth", "session",
};

static bool contains_word(const char *name)
{
	char *lower = xstrdup(name);
	bool found = false;

	for (char *p = lower; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	for (size_t i = 0; !found && i < ARRAY_SIZE(secret_words); i++)
		found = strstr(lower, secret_words[i]) != NULL;
	free(lower);
	return found;
}

static bool capture_env_allowed(const char *name)
{
	if (contains_word(name))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(exact); i++)
		if (!strcmp(name, exact[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (str_startswith(name, prefixes[i], NULL))
			return true;
	return false;
}

void capture_env(char *const *environment, struct strvec *values, struct strvec *names)
{
	for (; *environment; environment++) {
		const char *eq = strchr(*environment, '=');
		char *name;

		if (!eq || eq == *environment)
			continue;
		name = xstrndup(*environment, (size_t)(eq - *environment));
		if (capture_env_allowed(name))
			strvec_push(values, *environment);
		else
			strvec_push(names, name);
		free(name);
	}
	strvec_sort(values);
	strvec_sort(names);
	strvec_uniq(names);
}
