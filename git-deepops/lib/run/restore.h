/* SPDX-License-Identifier: MIT */
/*
 * restore.h - code and data of a run, as they were, in a fresh directory
 *
 * The directory is a repository of its own that borrows the objects of the one the run is
 * recorded in (alternates), with HEAD at the recorded commit where that is here, on the
 * recorded branch and with the tags of its history: a script that asks git what it
 * runs from gets its answer.
 */
#ifndef RUN_RESTORE_H
#define RUN_RESTORE_H

#include "base/strvec.h"
#include "data/dataset.h"
#include "run/journal.h"

/*
 * Make `dir` (absent or empty) and fill it: code tree, modules, large files, inputs.
 * `warnings` gets files whose bytes could not be brought back exactly.
 * ERR_NOTFOUND: chunks are not here, with the hint to fetch.
 */
int restore_run(struct dataset_env *d, const struct journal_entry *of, const char *dir,
		struct repo **site, struct strvec *warnings, struct err *e) MUST_CHECK;

#endif
