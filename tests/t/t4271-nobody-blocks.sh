#!/bin/sh
test_description='one small push stops nobody else: odd history, endless trees, a long wait behind it'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

# In the clone: a file of the given mode, as git keeps it; libgit2 refuses most of them.
odd_tree () {
	blob=$(echo "$1" | git hash-object -w --stdin) &&
	"$TEST_PYTHON" -c "
import sys
sys.stdout.buffer.write(sys.argv[1].encode() + b\" odd.txt\\0\" + bytes.fromhex(sys.argv[2]))
" "$1" "$blob" >"$TEST_ROOT/odd" &&
	git hash-object -t tree -w --literally "$TEST_ROOT/odd"
}

# odd_commit TREE PARENT HEADER...: with these lines for author and committer.
odd_commit () {
	{
		printf "tree %s\nparent %s\n" "$1" "$2" && shift 2 &&
		for line; do printf "%s\n" "$line"; done && printf "\nodd\n"
	} >"$TEST_ROOT/odd" &&
	git hash-object -t commit -w --literally "$TEST_ROOT/odd"
}

test_expect_success 'a server that enforces, a result on it, and history that only git likes' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_run work 5 && policy_push work main && policy_settle srv.git &&
	(
		cd work &&
		who="a <b> 1 +0000" &&
		one=$(odd_commit $(odd_tree 1100644) $(git rev-parse HEAD) "author $who" "committer $who") &&
		two=$(odd_commit $(odd_tree 100664) $one "committer $who") &&
		three=$(odd_commit $(odd_tree 0100644) $two "author nobody" "committer") &&
		four=$(odd_commit $(git rev-parse HEAD^{tree}) $three "author <> 1" "committer <> 1") &&
		printf "object %s\ntype commit\ntag odd-tag\n\nno tagger\n" $four |
			git hash-object -t tag -w --literally --stdin >../tag &&
		git update-ref refs/heads/odd $four && git update-ref refs/tags/odd-tag $(cat ../tag)
	)
'

test_expect_success 'on an open branch it stops neither index, notes nor roots' '
	policy_push work odd refs/tags/odd-tag &&
	git deepops server index srv.git >out 2>err &&
	test_must_be_empty err &&
	policy_run work 6 && policy_push work main && policy_settle srv.git &&
	git -C srv.git notes --ref=deepops show main >note && test_grep "acc=0.6 .*level=R2" note &&
	test_grep ! fatal srv.git/deepops/post-receive.log
'

test_expect_success 'what descends from it gets into a protected branch' '
	(
		cd work && test_tick &&
		git update-ref refs/heads/main $(git commit-tree -p main -p odd -m merge main^{tree}) &&
		git reset -q --hard
	) &&
	policy_push work main && policy_run work 7 && policy_push work main &&
	policy_invent 91 && test_must_fail git -C work push origin main 2>err &&
	test_grep -F "[E-EXEC-NORECORD]" err &&
	git -C work reset -q --hard origin/main
'

test_expect_success 'a repository that has such history already can be made a server' '
	git init -q --bare old.git && git -C work push -q --no-verify ../old.git main odd &&
	git deepops server install --mode enforce old.git >out &&
	test -x old.git/hooks/pre-receive && test_path_is_file old.git/deepops/policy &&
	git -C work push --no-verify ../old.git main:refs/heads/topic
'

test_expect_success 'an install that fails half-way leaves the hooks, and they refuse' '
	git init -q --bare half.git && mkdir half.git/deepops && echo junk >half.git/deepops/format &&
	test_expect_code 128 git deepops server install --policy floor half.git >out 2>err &&
	test_grep format err && test -x half.git/hooks/pre-receive &&
	test_cmp floor half.git/deepops/policy &&
	test_must_fail git -C work push --no-verify ../half.git main 2>err &&
	test_grep "refused" err &&
	git init -q --bare bad.git && echo "mode = x" >bad &&
	test_expect_code 128 git deepops server install --policy bad bad.git &&
	test_path_is_missing bad.git/hooks/pre-receive && test_path_is_missing bad.git/deepops
'

# Eleven small trees, each naming the next ten times: 10^11 files.
endless () {
	blob=$(echo "$1" | git hash-object -w --stdin) &&
	kind="100644 blob" &&
	for level in $(test_seq 11); do
		blob=$(for i in $(test_seq 10); do printf "%s %s\t%s\n" "$kind" "$blob" "$i"; done | git mktree) &&
		kind="040000 tree" || return 1
	done &&
	echo "$blob"
}

# Each was worth some three seconds: without a shared bound this is a quarter of an hour.
test_expect_success 'three hundred commits of endless trees, on an open branch' '
	(
		cd work && a=$(endless a) && b=$(endless b) && at=$(git rev-parse HEAD) &&
		for i in $(test_seq 150); do
			at=$(git commit-tree -p $at -m $i $a) && at=$(git commit-tree -p $at -m $i $b) || exit 1
		done &&
		git push -q --no-verify origin $at:refs/heads/endless
	) &&
	timeout 120 git deepops server index srv.git &&
	policy_run work 8 && policy_push work main && timeout 120 git deepops server index srv.git &&
	git -C srv.git notes --ref=deepops show main >note && test_grep "acc=0.8 .*level=R2" note
'

test_expect_success 'while somebody holds the lock of the slow parts, others push and are indexed' '
	(exec 9>srv.git/deepops/after.lock && flock 9 && exec sleep 60 >/dev/null 2>&1 & echo $! >lock.pid) &&
	test_when_finished "kill $(cat lock.pid) 2>/dev/null || :" &&
	before=$("$TEST_PYTHON" -c "
import sqlite3; print(sqlite3.connect(\"srv.git/deepops/runs.db\").execute(\"SELECT count(*) FROM entry\").fetchone()[0])") &&
	policy_run work 9 && policy_push work main &&
	policy_run work 10 && policy_push work main &&
	"$TEST_PYTHON" -c "
import sqlite3, sys, time
for i in range(300):
    n = sqlite3.connect(\"srv.git/deepops/runs.db\").execute(\"SELECT count(*) FROM entry\").fetchone()[0]
    if n == $before + 2: sys.exit(0)
    time.sleep(0.1)
sys.exit(1)" &&
	kill $(cat lock.pid)
'

roots () {
	git deepops server index srv.git | sed "s/.*roots //"
}

test_expect_success 'a pointer with a run bit is kept, and one behind a deep directory' '
	before=$(roots) &&
	(
		cd work && mkdir data && echo 1 >data/1 && git deepops track data && chmod +x data.deepops &&
		deep=$(printf "a/%.0s" $(test_seq 300)) && mkdir -p $deep && echo x >${deep}x &&
		mkdir z && echo 2 >z/2 && git deepops track z && git add -A && test_tick && git commit -q -m deep &&
		test "$(git ls-tree HEAD data.deepops | cut -c1-6)" = 100755
	) &&
	policy_push work main &&
	test "$(roots)" -eq $((before + 2)) &&
	git deepops server index --rebuild srv.git && test "$(roots)" -eq $((before + 2)) &&
	git clone -q srv.git pulled && (cd pulled && git deepops init >/dev/null && git deepops pull) &&
	test_cmp work/z/2 pulled/z/2 && test_cmp work/data/1 pulled/data/1
'

test_done
