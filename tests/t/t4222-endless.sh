#!/bin/sh
test_description='trees without an end, in journals and branches, keep nobody else waiting'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

w=00000000000000aa

# Ten small trees, each naming the next ten times: 10^11 files.
endless () {
	blob=$(git hash-object -w --stdin </dev/null) &&
	kind="100644 blob" &&
	for level in $(test_seq 11); do
		blob=$(for i in $(test_seq 10); do printf "%s %s\t%s\n" "$kind" "$blob" "$i"; done | git mktree) &&
		kind="040000 tree" || return 1
	done &&
	echo "$blob"
}

test_expect_success 'a server that enforces, and such a tree' '
	policy_floor >floor &&
	policy_server srv.git floor &&
	policy_clone srv.git work &&
	policy_run work 5 && policy_push work main && policy_settle srv.git &&
	endless=$(cd work && endless)
'

test_expect_success 'as the code of a run: the record is taken, and counts for nothing' '
	policy_forge work $w "s/\"tree\":\"[^\"]*\"/\"tree\":\"$endless\"/;s/\"started\":\"..../&/" &&
	(
		cd work &&
		tree=$(git ls-tree refs/deepops/log/$w | sed "s/ [0-9a-f]*\(	code\)\$/ $endless\1/" | git mktree) &&
		git update-ref refs/deepops/log/$w $(git commit-tree -m endless $tree)
	) &&
	timeout 60 git -C work push -q --no-verify origin refs/deepops/log/$w &&
	timeout 100 git deepops server index srv.git
'

test_expect_success 'as a commit: on an open branch, never on the protected one' '
	commit=$(cd work && git commit-tree -p HEAD -m endless $endless) &&
	timeout 60 git -C work push -q --no-verify origin $commit:refs/heads/open &&
	timeout 100 git deepops server index srv.git &&
	test_must_fail timeout 60 git -C work push --no-verify origin $commit:main >said 2>&1 &&
	test_grep "deepops: push to refs/heads/main refused" said &&
	test "$(git -C srv.git rev-parse main)" = "$(git -C work rev-parse main)"
'

test_expect_success 'what comes after them is judged, indexed and noted' '
	policy_run work 6 && policy_push work main && timeout 100 git deepops server index srv.git &&
	git -C srv.git notes --ref=deepops show main >note &&
	test_grep "acc=0.6 .* level=R2/T0" note
'

test_done
