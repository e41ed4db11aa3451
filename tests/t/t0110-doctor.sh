#!/bin/sh
test_description='git deepops doctor: each part present, bypassed or broken, and how to mend it'
. "${0%/*}/test-lib.sh"

doctor () {
	git -C "$1" deepops doctor >out 2>err
}

test_expect_success 'a clone that was set up is in order' '
	git init -q --bare srv.git &&
	git clone -q srv.git one 2>/dev/null &&
	git -C one deepops init &&
	doctor one &&
	test_grep "^present.*hook pre-push" out &&
	test_grep "^present.*remote: origin" out &&
	test_grep "^present.*connection: .*role" out &&
	test_grep "^absent.*local store" out &&
	test_grep ! "^broken" out
'

test_expect_success 'JSON says the same' '
	git -C one deepops doctor --json >json &&
	python3 - <<-\END
	import json
	d = json.load(open("json"))
	assert d["version"] == 1 and d["broken"] is False
	parts = {p["part"]: p["state"] for p in d["parts"]}
	assert parts["hook pre-push"] == "present" and parts["local store"] == "absent", parts
	END
'

test_expect_success 'a clone without init: what will fail is broken, with the mend' '
	git clone -q srv.git bare-clone 2>/dev/null &&
	test_expect_code 1 doctor bare-clone &&
	test_grep "^broken.*hook pre-push: not installed" out &&
	test_grep "^broken.*gitattributes" out &&
	test_grep "mend: git deepops init" out
'

test_expect_success 'a hook that lost its run bit' '
	cp -a one unrun && chmod -x unrun/.git/hooks/pre-push &&
	test_expect_code 1 doctor unrun &&
	test_grep "^broken.*pre-push.*not executable" out
'

test_expect_success 'a hook that somebody else replaced, and a hooks directory elsewhere' '
	cp -a one replaced && printf "#!/bin/sh\n" >replaced/.git/hooks/pre-push &&
	doctor replaced &&
	test_grep "^bypassed.*hook pre-push" out &&
	cp -a one away && git -C away config core.hooksPath /nowhere/hooks &&
	doctor away &&
	test_grep "^bypassed.*core.hooksPath leads to /nowhere/hooks" out &&
	test_grep "git deepops hook pre-push" out
'

test_expect_success 'a committed configuration that cannot be read' '
	cp -a one malformed && echo "[deepops" >malformed/.deepops/config &&
	test_expect_code 1 doctor malformed &&
	test_grep "^broken.*deepops/config:1" out
'

test_expect_success 'notes that would follow an amended commit' '
	cp -a one rewriting && git -C rewriting config notes.rewriteRef "refs/notes/*" &&
	test_expect_code 1 doctor rewriting &&
	test_grep "^broken.*notes.rewriteRef" out
'

test_expect_success 'a refspec that names one ref' '
	cp -a one exact &&
	git -C exact config --add remote.origin.fetch +refs/notes/deepops:refs/notes/x &&
	test_expect_code 1 doctor exact &&
	test_grep "^broken.*refs/notes/deepops:refs/notes/x" out
'

test_expect_success 'a remote that is gone, unless it is not asked' '
	cp -a one gone && git -C gone remote set-url origin "$TRASH/nowhere.git" &&
	test_expect_code 1 doctor gone &&
	test_grep "^broken.*connection" out &&
	git -C gone deepops doctor --offline >out &&
	test_grep ! connection out
'

test_expect_success 'a branch with plain files where a dataset lies' '
	cp -a one plain &&
	(
		cd plain &&
		mkdir data && echo 1 >data/f && git add data && git commit -q -m plain &&
		git checkout -q -b tracked && git rm -q -r --cached data &&
		git deepops track data && git commit -q -m tracked
	) &&
	test_expect_code 1 doctor plain &&
	test_grep "^broken.*refs/heads/main has plain files" out
'

test_expect_success 'a pointer that is none' '
	cp -a plain conflicted && echo "<<<<<<< ours" >conflicted/data.deepops &&
	test_expect_code 1 doctor conflicted &&
	test_grep "^broken.*data" out
'

test_expect_success 'each with the command that mends it' '
	for c in unrun:"chmod +x" malformed:"git checkout -- .deepops/config" conflicted:"git checkout --merge -- .data.deepops."
	do
		test_expect_code 1 doctor "${c%%:*}" && test_grep "mend: .*${c#*:}" out || return 1
	done
'

test_expect_success 'nobody to record runs under' '
	cp -a one nobody && git -C nobody config user.useConfigOnly true &&
	(
		unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL &&
		test_expect_code 1 doctor nobody
	) &&
	test_grep "^broken *identity:" out && test_grep "mend: git config --global user.name" out &&
	doctor one && test_grep "^present *identity: A U Thor <author@example.org>$" out
'

test_expect_success 'git does not find the program: merges would fail' '
	(cd one && test_expect_code 1 env PATH=/usr/bin:/bin "$DEEPOPS_BUILD/git-deepops" doctor >../out) &&
	test_grep "^broken *git deepops: not in git" out && test_grep "mend: PATH=$DEEPOPS_BUILD:" out
'

test_expect_success 'data that git does not ignore' '
	cp -a one loose &&
	(cd loose && mkdir data && echo 1 >data/f && git deepops track data && git commit -q -m data && git mv data.deepops moved.deepops) &&
	test_expect_code 1 doctor loose &&
	test_grep "^broken *moved: git does not ignore it" out && test_grep "mend: git deepops track moved" out
'

test_expect_success 'a run that nobody recorded' '
	cp -a one cut && (cd cut && test_commit one && test_expect_code 137 env DEEPOPS_KILL_AT=run-ended git-deepops run --no-data -- true) &&
	test_expect_code 1 doctor cut &&
	test_grep "^broken *runs: 1 ended without being recorded" out && test_grep "mend: git deepops recover" out &&
	git -C cut deepops recover && doctor cut && test_grep ! "runs:" out
'

test_expect_success 'a repository that cannot be written to' '
	cp -a one readonly && chmod a-w readonly/.git && test_when_finished "chmod u+w $TRASH/readonly/.git" &&
	(cd readonly && test_expect_code 1 test_unprivileged git deepops doctor >../out) &&
	test_grep "^broken *file system: $TRASH/readonly/.git cannot be written to: Permission denied" out
'

test_expect_success 'a bare repository has a doctor of its own' '
	test_expect_code 128 doctor srv.git && test_grep "^hint: git deepops server doctor $TRASH/srv.git$" err
'

test_done
