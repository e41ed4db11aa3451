/* SPDX-License-Identifier: MIT */
/*
 * fsck_damage.h - what is damaged in a store, with the paths it belongs to; of `fsck` and `server scrub`
 *
 *	cmd_damage_init(&d);
 *	d.store = store;
 *	store_fsck(store, depth, cmd_damage_note, &d, ...);
 *	cmd_damage_name_paths(&d, repo, e);
 *	cmd_damage_print(&d);			or cmd_damage_json(&d)
 *	cmd_damage_release(&d);
 */
#ifndef CMD_FSCK_DAMAGE_H
#define CMD_FSCK_DAMAGE_H

#include "base/json.h"
#include "base/strvec.h"
#include "repo/repo.h"
#include "store/store.h"
#include "wire/msg.h"

struct damage_finding {
	char *file, *what;
	struct chunkkey key; /* kind 0: the file as a whole */
	struct strvec paths;
};

struct damage {
	struct store *store; /* borrowed */
	struct damage_finding *v;
	size_t n, alloc;
	struct chunkset *bad; /* damaged keys; value: index of the finding */
	const char *dataset;  /* under the hand */
};

void cmd_damage_init(struct damage *d);
void cmd_damage_release(struct damage *d);
int cmd_damage_note(void *arg, const struct store_damage *damage,
		    struct err *e) MUST_CHECK; /* store_damage_fn */
/* Every version in every branch, tag and run is looked through; what can't be read of one is left out. */
int cmd_damage_name_paths(struct damage *d, struct repo *r, struct err *e) MUST_CHECK;
void cmd_damage_print(const struct damage *d); /* a line each */
struct json *cmd_damage_json(const struct damage *d);

/* fsck_remote.c: does the server prove every version that pointers name?  0, or 1 and what it did not is printed. */
int cmd_fsck_remote(struct repo *r, const struct msg_prove *how, bool as_json,
		    struct err *e) MUST_CHECK;

#endif
