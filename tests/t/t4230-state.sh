#!/bin/sh
test_description='the state of a server: crashes, expired data, a lost index, limits, background work'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

# A process that dies inside a transaction whose pages are in the file already:
# crash DATABASE SQL
crash () {
	"$TEST_PYTHON" - "$1" "$2" <<-\END
	import os, signal, sqlite3, sys
	db = sqlite3.connect(sys.argv[1], isolation_level=None)
	db.execute("PRAGMA cache_size=2")
	db.execute("BEGIN IMMEDIATE")
	db.execute(sys.argv[2])
	db.execute("CREATE TABLE filler(x)")
	for i in range(2000):
	    db.execute("INSERT INTO filler VALUES (zeroblob(3000))")
	os.kill(os.getpid(), signal.SIGKILL)
	END
	test -f "$1-journal"
}

test_expect_success 'a server and a clone with a result that is not pushed' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_push work main &&
	policy_run work 5 &&
	(cd work && git deepops push --data-only) &&
	policy_push_only work "$(policy_journal work)" &&
	policy_settle srv.git
'

test_expect_success 'after a crash of the chunk server the hook still tells the truth' '
	crash srv.git/deepops/catalogue.db "UPDATE root SET state = 1" &&
	policy_push_only work main:refs/heads/other &&
	policy_push_only work main &&
	test_path_is_missing srv.git/deepops/catalogue.db-journal
'

test_expect_success 'what the crashed server was about to promise is not believed' '
	echo other >work/in.txt && policy_run work 6 &&
	policy_push_only work "$(policy_journal work)" &&
	policy_settle srv.git &&
	id=$(sha256sum <work/in.txt | cut -d" " -f1) &&
	crash srv.git/deepops/catalogue.db "INSERT INTO root
		(kind, id, state, rooted, files, bytes, pin_until, generation)
		SELECT kind, x'\''$id'\'', 2, 1, files, bytes, pin_until, generation FROM root LIMIT 1" &&
	test_must_fail git -C work push --no-verify origin main 2>err &&
	test_grep -F "[E-DATA-INCOMPLETE]" err
'

test_expect_success 'after a crash while the index was written, too' '
	(cd work && git deepops push --data-only) &&
	crash srv.git/deepops/runs.db "DELETE FROM entry" &&
	policy_push_only work main &&
	test_path_is_missing srv.git/deepops/runs.db-journal
'

# Data and record are there, the index knows them; only the branch is left to push.
only_the_branch () {
	policy_run work "$1" &&
	(cd work && git deepops push --data-only) &&
	policy_push_only work "$(policy_journal work)" &&
	policy_settle srv.git
}

test_expect_success 'a broken index refuses, naming the mend' '
	only_the_branch 7 &&
	echo garbage >srv.git/deepops/runs.db &&
	test_must_fail git -C work push --no-verify origin main 2>err &&
	test_grep -F "[E-INDEX-MISSING]" err &&
	test_grep "git deepops server index" err &&
	git deepops server index srv.git &&
	policy_push_only work main
'

test_expect_success 'without an index protected refs are refused, others pass' '
	only_the_branch 8 &&
	rm srv.git/deepops/runs.db &&
	test_must_fail git -C work push --no-verify origin main 2>err &&
	test_grep -F "[E-INDEX-MISSING]" err &&
	policy_push_only work main:refs/heads/topic &&
	policy_settle srv.git &&
	policy_push_only work main
'

test_expect_success 'what crashed and may not be mended by the hook refuses, naming who can' '
	only_the_branch 81 &&
	cp "$(command -v git-deepops-pre-receive)" hook && chmod -R a+rX "$TEST_ROOT" . &&
	echo "$(git -C srv.git rev-parse main) $(git -C work rev-parse main) refs/heads/main" >line &&
	git -C work push -q --no-verify origin main:refs/heads/here &&
	for db in runs catalogue; do
		{ test ! -e copy.git || chmod -R u+w copy.git; } && rm -rf copy.git && cp -r srv.git copy.git &&
		crash copy.git/deepops/$db.db "CREATE TABLE x(y)" &&
		chmod -R a-w,a+rX copy.git &&
		if test "$(id -u)" = 0; then as="setpriv --reuid 65534 --regid 65534 --clear-groups"; else as=; fi &&
		test_expect_code 1 sh -c "cd copy.git && GIT_DIR=. $as ../hook <../line" 2>err.$db || return 1
	done &&
	chmod -R u+w copy.git &&
	test_grep -F "[E-INDEX-MISSING]" err.runs && test_grep "git deepops server index" err.runs &&
	test_grep -F "[E-STORE-MISSING]" err.catalogue && test_grep "git deepops server index" err.catalogue
'

test_expect_success 'whoever holds the index for too long can not make the hook wait for ever' '
	git -C srv.git config deepops.hookDeadline 1 &&
	for format in text json; do
		"$TEST_PYTHON" - srv.git/deepops/runs.db $format <<-\END || return 1
		import os, sqlite3, subprocess, sys
		db = sqlite3.connect(sys.argv[1], isolation_level=None)
		db.execute("BEGIN EXCLUSIVE")
		env = dict(os.environ, GIT_DIR=".", GIT_PUSH_OPTION_COUNT="1",
		           GIT_PUSH_OPTION_0="deepops.format=" + sys.argv[2], GL_PROTOCOL="web")
		p = subprocess.run(["git-deepops-pre-receive"], stdin=open("line"), cwd="srv.git", env=env,
		                   stderr=open("err." + sys.argv[2], "w"), timeout=20)
		sys.exit(p.returncode != 1)
		END
	done &&
	git -C srv.git config --unset deepops.hookDeadline &&
	test_grep "^GL-HOOK-ERR: deepops: push to refs/heads/main refused \[E-LIMIT-TIME\]" err.text &&
	test_grep "git deepops server index" err.text &&
	test_grep "^{.*\"code\":\"E-LIMIT-TIME\"" err.json &&
	policy_push_only work main && git -C srv.git update-ref -d refs/heads/here
'

test_expect_success 'data whose time is over no longer counts, if no ref names it' '
	echo third >work/in.txt && policy_run work 9 &&
	(cd work && git deepops push --data-only) &&
	day=86400 &&
	test_must_fail env DEEPOPS_TEST_CLOCK_OFFSET=$((91 * day)) \
		git -C work push --no-verify origin "$(policy_journal work)" main 2>err &&
	test_grep -F "[E-DATA-EXPIRED]" err &&
	test_must_fail env DEEPOPS_TEST_CLOCK_OFFSET=$((90 * day - 3600)) \
		git -C work push --no-verify origin "$(policy_journal work)" main 2>err &&
	test_grep -F "[E-DATA-EXPIRED]" err &&
	# Nothing but that the journal has to go first.
	test_must_fail env DEEPOPS_TEST_CLOCK_OFFSET=$((80 * day)) \
		git -C work push --no-verify origin "$(policy_journal work)" main 2>err &&
	test_grep -F "[E-RECORD-PENDING]" err && test_grep ! E-DATA err &&
	git -C work push --no-verify origin "$(policy_journal work)" &&
	git -C work push --no-verify origin main
'

test_expect_success 'data that a ref or journal names is kept' '
	policy_settle srv.git &&
	cp work/metrics.json keep &&
	git -C work rm -q metrics.json && policy_commit work "away" &&
	policy_push_only work main &&
	cp keep work/metrics.json && policy_commit work "back" &&
	DEEPOPS_TEST_CLOCK_OFFSET=$((400 * 86400)) git -C work push --no-verify origin main
'

# The holder outlasts any push: one that waited for it would be ended by timeout.
test_expect_success 'post-receive lets go of the push, however long it takes' '
	(exec 9>srv.git/deepops/after.lock && flock 9 && exec sleep 300 >/dev/null 2>&1 & echo $! >lock.pid) &&
	test_when_finished "kill $(cat lock.pid) 2>/dev/null || :" &&
	git -C work commit -q --allow-empty -m quick &&
	timeout 120 git -C work push --no-verify origin main &&
	kill -0 $(cat lock.pid) && ! flock -n srv.git/deepops/after.lock true
'

test_expect_success 'more commits than a push may bring are refused, or left out by since' '
	git init -q --bare big.git && git deepops server install --policy floor big.git >out &&
	git init -q many &&
	"$TEST_PYTHON" -c "
for i in range(10001):
    print(\"commit refs/heads/main\ncommitter a <a@b> %d +0000\ndata 1\nx\" % (1600000000 + i))
" | git -C many fast-import --quiet &&
	test_must_fail git -C many push ../big.git main 2>err &&
	test_grep -F "[E-LIMIT-COMMITS]" err &&
	git -C many push ../big.git main~1:refs/heads/main &&
	git -C many push ../big.git main &&
	git init -q --bare since.git &&
	{ cat floor && printf "\tsince = %s\n" "$(git -C many rev-parse main~5)"; } >floor2 &&
	git deepops server install --policy floor2 since.git >out &&
	git -C many push ../since.git main
'

test_expect_success 'what is no list of refs is refused' '
	echo "what is this" >line &&
	test_expect_code 1 sh -c "cd srv.git && git-deepops-pre-receive <../line" 2>err &&
	test_grep -F "[E-INTERNAL]" err &&
	sh -c "cd srv.git && git-deepops-pre-receive </dev/null"
'

test_done
