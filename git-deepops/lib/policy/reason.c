/* SPDX-License-Identifier: MIT */
/* reason.c - why a push is refused: one stable code per cause; see reason.h */
#include "policy/reason.h"

/* Printed by `git deepops explain`; the man page of the policy format refers there. */
static const struct reason_info reasons[REASON_COUNT] = {
	[REASON_CODE_TREE] =
		{"E-CODE-TREE", "code", "the code tree is not in the journal",
		 "A journal entry carries the exact tree that ran under code/.  Here it is\n"
		 "missing, or is another tree than the record names.",
		 "Run the experiment again; a record can't be repaired."},
	[REASON_CODE_COMMIT] =
		{"E-CODE-COMMIT", "code", "the recorded commit is not what it claims to be",
		 "The journal entry holds the raw bytes of the commit that the run started\n"
		 "from.  They don't hash to code.commit, name another tree than\n"
		 "code.base_tree, or a run said to be clean ran another tree.",
		 "Run the experiment again."},
	[REASON_CODE_MODULE] = {"E-CODE-MODULE", "code", "a submodule's content was not captured",
				"Every gitlink of the code tree needs its own tree under modules/\n"
				"in the journal entry.",
				"Populate the submodule (git submodule update --init) and run "
				"again."},
	[REASON_CODE_HASH] =
		{"E-CODE-HASH", "code", "code.tree_sha256 is not the hash of the code tree",
		 "The server computed the SHA-256 of the whole tree and got another value\n"
		 "than the record says.",
		 "Run the experiment again."},
	[REASON_CODE_SIZE] = {"E-CODE-SIZE", "code",
			      "the code tree is too big to be hashed during a push",
			      "The hook hashes only so many bytes that it has not seen before.",
			      "On the server: git deepops server index REPO, then push again."},
	[REASON_CODE_POINTER] =
		{"E-CODE-POINTER", "code",
		 "a pointer in the code tree and the recorded input differ",
		 "The code tree holds a pointer of one version of a dataset, the record says\n"
		 "that the run read another.",
		 "Run the experiment again with the dataset in one version."},
	[REASON_CODE_SCRIPT] =
		{"E-CODE-SCRIPT", "code", "the program that ran is in no place that was recorded",
		 "A program or script that ran lies outside the code tree, the inputs, the\n"
		 "Python or conda environment that was captured and the packages of the\n"
		 "system; or ran with bytes that the tree does not hold.",
		 "Put the script into the repository and run again."},
	[REASON_CODE_OUTSIDE] =
		{"E-CODE-OUTSIDE", "code", "code is read from outside the tree",
		 "A link that leads out of the tree, a package installed as editable or the\n"
		 "like: what stands there is in no record, and may be another tomorrow.",
		 "Put the code into the repository, or add it as a submodule; run again."},
	[REASON_CODE_BYTES] =
		{"E-CODE-BYTES", "code", "bytes that ran are in no record",
		 "A clean filter makes git store other bytes than those that ran, and the\n"
		 "journal entry does not hold them under filtered/.",
		 "Run the experiment again."},
	[REASON_CODE_SECRET] =
		{"E-CODE-SECRET", "code", "something that looks like a secret key was recorded",
		 "A file that only the run has (not the commit it started from), or the\n"
		 "record itself, holds text in the form of a key or token.",
		 "Replace the key, ignore the file, pass it with --secret, run again."},
	[REASON_CODE_CHANGED] =
		{"E-CODE-CHANGED", "code", "captured files or inputs changed during the run",
		 "What ran is not certain: the record names files that were edited between\n"
		 "the start and the end of the command.",
		 "Run again without editing meanwhile."},
	[REASON_CODE_PARTIAL] = {"E-CODE-PARTIAL", "code",
				 "the run was recorded although its capture failed",
				 "It was started with --allow-partial, so its level is R0.",
				 "Run again without --allow-partial."},
	[REASON_CODE_STALE] =
		{"E-CODE-STALE", "code", "the result comes from other code than this commit's",
		 "The rule says match = tree: after dropping outputs, results and exempt\n"
		 "paths, the tree that ran must be the tree that is pushed.",
		 "Run the experiment on the code as committed, commit its results."},
	[REASON_CODE_IGNORED] =
		{"E-CODE-IGNORED", "code", "ignored files lay beside the run",
		 "The rule says ignored = refuse, and the record counts files that git\n"
		 "ignores and that the code could have read.",
		 "Remove or track them and run again."},
	[REASON_DATA_NONE] =
		{"E-DATA-NONE", "data", "the record names no input",
		 "A run either declares what it reads (-i) or says --no-data, and then the\n"
		 "rule has to allow that (noData = allow).  An empty file, and the script\n"
		 "that ran, are no data.",
		 "Run again with -i PATH."},
	[REASON_DATA_MISMATCH] =
		{"E-DATA-MISMATCH", "data", "an input is not what its pointer says",
		 "The pointer kept with the record has another id, number of files or bytes\n"
		 "than the record says, or is missing.",
		 "Run the experiment again."},
	[REASON_DATA_INCOMPLETE] =
		{"E-DATA-INCOMPLETE", "data", "recorded data is not on the remote",
		 "The chunk store beside the repository does not hold every byte of a\n"
		 "dataset that the record names, verified and complete.",
		 "git deepops push --data-only, then push again."},
	[REASON_DATA_EXPIRED] =
		{"E-DATA-EXPIRED", "data", "recorded data was on the remote and is no longer kept",
		 "Data that no ref names is kept for a limited time after its upload.  That\n"
		 "time is over, so it may be deleted at any moment.",
		 "git deepops push --data-only, then push again."},
	[REASON_DATA_SELECTION] =
		{"E-DATA-SELECTION", "data", "a selection is not described completely",
		 "A selection needs its query, seed, fractions and the id it resolved to.",
		 "Make the selection again with git deepops select, run again."},
	[REASON_DATA_OUTPUT] =
		{"E-DATA-OUTPUT", "data", "a declared output has no content",
		 "A successful run has to leave every output that it declares, each with\n"
		 "its id and its pointer in the journal.",
		 "Write the output or drop its -o, and run again."},
	[REASON_DATA_LINK] =
		{"E-DATA-LINK", "data", "a link leads out of an input",
		 "The dataset that the run read holds a symbolic link to a place outside of\n"
		 "it: absolute, or climbing above the dataset's root.  What lies there is\n"
		 "in no version, so nobody else has the bytes that the run may have read.",
		 "Put the files themselves into the dataset (cp -rL), track it, run again."},
	[REASON_DATA_NAME] =
		{"E-DATA-NAME", "data", "a pointer stands for a path that no dataset may have",
		 "A file PATH.deepops says that PATH is a dataset.  Here PATH is, or lies in,\n"
		 "a .git as some file system spells it, is reserved, or holds a control\n"
		 "byte.  A checkout of that data could replace git's own files, so no ref\n"
		 "may hold such a file, and no override lets it in.",
		 "git rm --cached -- PATH.deepops, then make the commit anew without it\n"
		 "(git commit --amend, or git rebase -i for an older one)."},
	[REASON_DATA_FILTERED] =
		{"E-DATA-FILTERED", "data", "the committed bytes are not those that the run wrote",
		 "A record names the file that git holds, and other bytes as its content: a\n"
		 "clean filter or a conversion of line ends changed the file on its way into\n"
		 "git.  Whoever reads the commit reads what no run wrote.",
		 "Give the path `-text -filter` in .gitattributes, run again, commit."},
	[REASON_DATA_PLAIN] =
		{"E-DATA-PLAIN", "data", "files of a dataset are in git itself",
		 "The commit holds the pointer of a dataset and also plain files at its\n"
		 "path.  So git's history has the data as well, and every clone gets it.\n"
		 "git add -f does that, and a line that .gitignore has lost.",
		 "git rm -r -q --cached -- PATH, then make the commit anew without them\n"
		 "(git commit --amend, or git rebase -i for an older one)."},
	[REASON_MACHINE_MISSING] =
		{"E-MACHINE-MISSING", "machine", "the machine was not captured",
		 "The record has no machine.capture, or the journal entry does not hold the\n"
		 "text with that digest.",
		 "Run the experiment again."},
	[REASON_MACHINE_SPEC] =
		{"E-MACHINE-SPEC", "machine", "the machine spec is not stored",
		 "The record names a machine spec whose text the journal entry lacks.",
		 "Run the experiment again."},
	[REASON_MACHINE_CAPTURE] =
		{"E-MACHINE-CAPTURE", "machine", "the machine capture is malformed",
		 "It is not in canonical form: sorted key=value lines with known keys.",
		 "Run the experiment again."},
	[REASON_MACHINE_PACKAGE] =
		{"E-MACHINE-PACKAGE", "machine", "packages are missing or have no digest",
		 "The capture has to name every package with its version and digest.",
		 "Install the package from an archive, or make the environment anew."},
	[REASON_MACHINE_HARDWARE] =
		{"E-MACHINE-HARDWARE", "machine", "the hardware is not described",
		 "The capture lacks the CPU's architecture or features, the kernel, or for\n"
		 "a GPU its model or driver.",
		 "Run the experiment again on a machine that shows them."},
	[REASON_EXEC_NORECORD] =
		{"E-EXEC-NORECORD", "exec", "a result has no record",
		 "The rule lists files as results.  This push changes one, and no record on\n"
		 "the server or in this push has that content among its outputs.",
		 "Make it with git deepops run -o PATH -- CMD, commit, push.  Results that\n"
		 "are older than the rule: since = COMMIT in the rule.  A table that several\n"
		 "branches append to (merge=union): make it anew by a run after the merge,\n"
		 "or keep one file a run."},
	[REASON_EXEC_FAILED] = {"E-EXEC-FAILED", "exec", "the run that wrote the result failed",
				"A result counts only if its run ended with exit status 0.",
				"Mend the program, run again, commit the new result."},
	[REASON_EXEC_END] =
		{"E-EXEC-END", "exec", "how the run ended is not known",
		 "The record has neither an exit status nor a signal: whatever supervised\n"
		 "the run died.",
		 "Run the experiment again."},
	[REASON_EXEC_TIMES] =
		{"E-EXEC-TIMES", "exec", "the times of the run are impossible or missing",
		 "A run starts before it ends, and ends before the server's clock (plus ten\n"
		 "minutes); its wall time and resources are recorded.",
		 "Set the clock (timedatectl), run again."},
	[REASON_EXEC_LOGS] =
		{"E-EXEC-LOGS", "exec", "the logs of the run are missing or altered",
		 "Both output streams have a digest in the record, and what the journal\n"
		 "holds of them has to fit it.",
		 "Run the experiment again."},
	[REASON_EXEC_PARTS] =
		{"E-EXEC-PARTS", "exec", "the record and its parts don't fit",
		 "The parameters and the series of metrics in the journal have the digest\n"
		 "that the record names, and the recipe follows from the record.",
		 "Run the experiment again."},
	[REASON_EXEC_STDIN] =
		{"E-EXEC-STDIN", "exec", "what was read from standard input is not kept",
		 "Standard input came from a file or another program, and the journal entry\n"
		 "does not hold what was read: nobody can run this again.",
		 "Run again with </dev/null, or with the bytes in a file that -i names."},
	[REASON_EXEC_METRIC] =
		{"E-EXEC-METRIC", "exec", "a metric is missing or beyond the rule's gate",
		 "The rule asks for a value of a metric that the run does not reach.",
		 "git deepops policy explain shows the gate."},
	[REASON_PUSH_UNSIGNED] =
		{"E-PUSH-UNSIGNED", "push", "the push is not signed",
		 "The rule says signed = push, and no valid push certificate came.",
		 "git push --signed"},
	[REASON_RECORD_MALFORMED] =
		{"E-RECORD-MALFORMED", "record", "a journal entry is malformed",
		 "Its record is not canonical, has an unknown schema or key, or passes a\n"
		 "limit, or the commit is not one of a journal.",
		 "git deepops doctor shows a way on with a new journal."},
	[REASON_RECORD_CHAIN] =
		{"E-RECORD-CHAIN", "record", "the journal's chain is broken",
		 "seq, prev or writer of an entry don't continue the entry before it.",
		 "git deepops doctor shows a way on with a new journal."},
	[REASON_RECORD_REWIND] =
		{"E-RECORD-REWIND", "record", "a journal was rewound or deleted",
		 "Journals only grow.",
		 "git fetch, then push again; a copied .git continues as a new journal."},
	[REASON_RECORD_PENDING] =
		{"E-RECORD-PENDING", "record", "a record that is needed is not on the server yet",
		 "It came with the same push as the result.  git may still refuse its\n"
		 "journal and take the branch, so journals go first, in a push of their own.",
		 "git deepops push does both; or git push origin 'refs/deepops/log/*' first."},
	[REASON_REF_NAME] =
		{"E-REF-NAME", "ref", "a ref of this name is not accepted",
		 "A branch or tag called HEAD could be taken for the repository's HEAD.",
		 "Use another name."},
	[REASON_REF_RESERVED] =
		{"E-REF-RESERVED", "ref", "this ref is the server's own",
		 "refs/notes/deepops is written by the server, and of refs/deepops/ only\n"
		 "log/ takes pushes.",
		 "Push branches and journals only (not --mirror)."},
	[REASON_REF_DELETE] = {"E-REF-DELETE", "ref", "this ref may not be deleted",
			       "A rule governs it, and rewind = refuse.",
			       "An administrator sets rewind = allow for the time needed."},
	[REASON_REF_REWIND] = {"E-REF-REWIND", "ref", "this ref may only be fast-forwarded",
			       "A rule governs it, and rewind = refuse.",
			       "git deepops pull --rebase && git push"},
	[REASON_REF_OBJECT] = {"E-REF-OBJECT", "ref", "the ref does not name a commit",
			       "A ref with a rule has to name a commit, or a tag of one.",
			       "Push a commit."},
	[REASON_POLICY_MALFORMED] =
		{"E-POLICY-MALFORMED", "policy", "a policy file is malformed",
		 "With a policy that can't be read nothing can be judged, so pushes are\n"
		 "refused.",
		 "git deepops policy lint FILE names the line.  Once it is in the branch\n"
		 "already, on the server: git config deepops.treePolicy false, push the\n"
		 "mended file, git config --unset deepops.treePolicy."},
	[REASON_POLICY_UNSUPPORTED] =
		{"E-POLICY-UNSUPPORTED", "policy", "the rule asks for what can't be verified here",
		 "This version gives levels R0 to R2 and trust T0, and does not verify\n"
		 "signatures of records or machine images.  A rule that asks for more\n"
		 "refuses everything.",
		 "Lower the rule, or install a newer version on the server."},
	[REASON_OVERRIDE_DENIED] =
		{"E-OVERRIDE-DENIED", "policy", "the override was not accepted",
		 "The rule does not allow overrides, or not to this person, or the server\n"
		 "does not know who pushes.",
		 "Ask somebody whom the rule names."},
	[REASON_LIMIT_COMMITS] =
		{"E-LIMIT-COMMITS", "limit", "too many new commits in one push",
		 "The hook looks at a bounded number of commits.",
		 "Push in steps, or set since = COMMIT in the rule for an import."},
	[REASON_LIMIT_RECORDS] = {"E-LIMIT-RECORDS", "limit", "too many new records in one push",
				  "A push carries at most 500 records.",
				  "git deepops push sends them in steps."},
	[REASON_LIMIT_REFS] = {"E-LIMIT-REFS", "limit", "too many refs in one push",
			       "The hook looks at a bounded number of refs.", "Push in steps."},
	[REASON_LIMIT_BYTES] =
		{"E-LIMIT-BYTES", "limit", "a result in git is too big to be hashed during a push",
		 "The hook compares results by SHA-256, and hashes at most 64 MiB of one\n"
		 "and 256 MiB of all that a push changes.",
		 "git deepops track PATH keeps it out of git; or push in steps."},
	[REASON_LIMIT_TIME] =
		{"E-LIMIT-TIME", "limit", "judging the push took too long",
		 "The hook stops in time for the forge, and what it has not judged is\n"
		 "refused.",
		 "On the server: git deepops server index REPO; or push in steps."},
	[REASON_INDEX_MISSING] = {"E-INDEX-MISSING", "server",
				  "the server's index of runs is missing or broken",
				  "Records are found through it.",
				  "On the server: git deepops server index REPO."},
	[REASON_INDEX_BEHIND] = {"E-INDEX-BEHIND", "server",
				 "the server's index of runs is far behind",
				 "More records came since it was written than a push may read.",
				 "On the server: git deepops server index REPO."},
	[REASON_STORE_MISSING] =
		{"E-STORE-MISSING", "server", "the chunk store can't be read",
		 "Whether data is complete is known only there.  After a crash it\n"
		 "has to be mended by somebody who may write to it.",
		 "On the server, as its owner: git deepops server index REPO."},
	[REASON_INTERNAL] = {"E-INTERNAL", "server", "the hook could not finish",
			     "Something unexpected happened, and what can't be judged is refused.",
			     "On the server: git deepops server doctor REPO."},
};

const struct reason_info *reason_info(enum reason r)
{
	return &reasons[r];
}

enum reason reason_of_info(const struct reason_info *info)
{
	return (enum reason)(info - reasons);
}

const struct reason_info *reason_find(const char *code)
{
	for (size_t i = 0; i < REASON_COUNT; i++)
		if (!strcmp(reasons[i].code, code))
			return &reasons[i];
	return NULL;
}
