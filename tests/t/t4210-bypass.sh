#!/bin/sh
test_description='ways around a policy that must not work'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

reset () {
	git -C work checkout -q main && git -C work fetch -q &&
	git -C work reset -q --hard origin/main
}

test_expect_success 'a server whose policy is in the branch alone' '
	policy_server srv.git &&
	policy_clone srv.git work &&
	mkdir -p work/.deepops && policy_floor >work/.deepops/policy &&
	policy_commit work policy &&
	policy_push work main &&
	policy_run work 5 &&
	policy_push work main
'

test_expect_success 'a commit first pushed to an unprotected branch is judged on the protected one' '
	policy_invent 91 &&
	policy_push work main:refs/heads/topic &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "refused (1 of 1 commit)" work.said &&
	policy_push work :refs/heads/topic &&
	reset
'

test_expect_success 'a policy weakened by the same push does not help' '
	sed s/enforce/warn/ work/.deepops/policy >weak && cp weak work/.deepops/policy &&
	policy_invent 92 &&
	policy_refused work E-EXEC-NORECORD main &&
	git -C work reset -q --hard origin/main &&
	git -C work rm -q .deepops/policy && policy_invent 92 &&
	policy_refused work E-EXEC-NORECORD main &&
	reset
'

test_expect_success 'several refs of one push are judged by the policy before it' '
	git -C work checkout -q -b weak &&
	cp weak work/.deepops/policy && policy_commit work weak &&
	git -C work checkout -q main && policy_invent 93 &&
	policy_refused work E-EXEC-NORECORD weak:refs/heads/aaa main &&
	reset
'

test_expect_success 'what the floor holds is not weakened by an earlier push' '
	policy_floor >floor &&
	git deepops server install --policy floor srv.git &&
	cp weak work/.deepops/policy && policy_commit work weaken &&
	policy_push work main &&
	policy_invent 94 &&
	policy_refused work E-EXEC-NORECORD main &&
	test_grep "the server.s policy:1" work.said &&
	reset
'

test_expect_success 'nor by rewinding, a new branch or deleting the branch' '
	policy_refused work E-REF-REWIND +HEAD~2:refs/heads/main &&
	policy_refused work E-REF-DELETE :refs/heads/main &&
	policy_invent 95 &&
	policy_push work main:refs/heads/topic &&
	policy_refused work E-EXEC-NORECORD main &&
	reset
'

test_expect_success 'a pushed refs/heads/HEAD is refused, and would mean nothing' '
	git -C work checkout -q -b evil &&
	printf "[rule \"x\"]\n\tref = refs/heads/**\n\tmode = off\n" >work/.deepops/policy &&
	policy_commit work evil &&
	policy_refused work E-REF-NAME evil:refs/heads/HEAD &&
	policy_refused work E-REF-NAME evil:refs/tags/HEAD &&
	# Even if somebody put it there by hand, HEAD is looked up by its target.
	git -C srv.git fetch -q ../work evil:refs/heads/HEAD &&
	git -C srv.git update-ref refs/heads/HEAD "$(git -C work rev-parse evil)" &&
	rm srv.git/deepops/policy &&
	git -C work checkout -q main &&
	policy_floor >work/.deepops/policy && policy_commit work "enforce again" &&
	policy_push work main &&
	policy_invent 96 &&
	policy_refused work E-EXEC-NORECORD main &&
	git -C srv.git update-ref -d refs/heads/HEAD &&
	reset
'

test_expect_success 'an include in a policy is refused when it is pushed' '
	printf "[include]\n\tpath = /etc/passwd\n" >work/.deepops/policy &&
	policy_commit work include &&
	policy_refused work E-POLICY-MALFORMED main &&
	test_grep "include is not allowed" work.said &&
	test_grep ! root: work.said &&
	reset
'

test_expect_success 'a malformed policy that got in stops pushes, and there is a way out' '
	git -C work checkout -q -b bad &&
	echo "[rule \"main\"]" >work/.deepops/policy && policy_commit work bad &&
	git -C srv.git fetch -q ../work bad:bad &&
	git -C srv.git update-ref refs/heads/main refs/heads/bad &&
	git -C srv.git branch -q -D bad &&
	git -C work checkout -q main && git -C work reset -q --hard bad &&
	policy_floor >work/.deepops/policy && policy_commit work mended &&
	policy_refused work E-POLICY-MALFORMED main &&
	test_grep "names no ref" work.said &&
	git -C srv.git config deepops.treePolicy false &&
	policy_push work main &&
	git -C srv.git config --unset deepops.treePolicy &&
	policy_invent 97 &&
	policy_refused work E-EXEC-NORECORD main &&
	reset
'

test_expect_success 'ignore and attribute files of the server change nothing' '
	mkdir -p srv.git/info &&
	echo "*" >srv.git/info/exclude &&
	echo "* -diff -text binary" >srv.git/info/attributes &&
	echo "metrics.json" >"$HOME/.gitignore" &&
	git config --global core.excludesFile "$HOME/.gitignore" &&
	echo "{\"acc\": 0.98}" >work/metrics.json &&
	git -C work add -f metrics.json && test_tick &&
	git -C work commit -q -m forced &&
	policy_refused work E-EXEC-NORECORD main &&
	git config --global --unset core.excludesFile &&
	rm srv.git/info/exclude srv.git/info/attributes &&
	reset
'

test_expect_success 'a replacement object changes nothing' '
	policy_invent 99 &&
	good=$(git -C work rev-parse origin/main) bad=$(git -C work rev-parse HEAD) &&
	git -C work replace "$bad" "$good" &&
	test_must_fail env GIT_NO_REPLACE_OBJECTS=1 git -C work push origin "refs/replace/*:refs/replace/*" main >out 2>&1 &&
	test_grep -F "[E-EXEC-NORECORD]" out &&
	git -C work replace -d "$bad" && reset
'

test_expect_success 'nor does it let data expire that a branch names' '
	(
		cd work && mkdir -p kept && echo 1 >kept/1 && git deepops track kept && git add -A &&
		test_tick && git commit -q -m data && test_commit after-data
	) &&
	policy_push work main && git deepops server index srv.git >before &&
	git -C work replace "$(git -C work rev-parse HEAD)" "$(
		cd work && git commit-tree -m nothing "$(git mktree </dev/null)")" &&
	git -C work push -q --no-verify origin "refs/replace/*:refs/replace/*" &&
	git deepops server index srv.git >after &&
	test_cmp before after &&
	git -C srv.git update-ref -d "$(git -C srv.git for-each-ref --format="%(refname)" refs/replace)" &&
	git -C work replace -d HEAD && reset
'

test_expect_success 'refs that are the server'\''s own are refused' '
	policy_refused work E-REF-RESERVED main:refs/deepops/log/archive &&
	git -C srv.git config --unset-all receive.hideRefs &&
	policy_refused work E-REF-RESERVED +main:refs/notes/deepops &&
	policy_refused work E-REF-RESERVED main:refs/notes/deepops/x &&
	policy_refused work E-REF-RESERVED main:refs/deepops/remotes/origin/x &&
	test_must_fail git -C work push --mirror >out 2>&1 &&
	test_grep -F "[E-REF-RESERVED]" out &&
	git -C srv.git config --add receive.hideRefs refs/notes/deepops &&
	git -C srv.git config --add receive.hideRefs "!refs/notes/deepops/x" &&
	policy_refused work E-REF-RESERVED main:refs/notes/deepops/x &&
	git -C srv.git config --unset-all receive.hideRefs
'

test_expect_success 'by git itself, so that they take no branch with them' '
	git deepops server install srv.git >out && git deepops server install srv.git >out &&
	test "$(git -C srv.git config --get-all receive.hideRefs | wc -l)" = 2 &&
	(cd work && test_commit beside-notes) &&
	git -C srv.git for-each-ref refs/notes refs/deepops >before &&
	test_must_fail git -C work push origin main "+main:refs/notes/deepops" main:refs/notes/deepops/x \
		main:refs/deepops/remotes/origin/x >out 2>&1 &&
	test "$(grep -c "deny updating a hidden ref" out)" = 3 &&
	test "$(git -C srv.git rev-parse main)" = "$(git -C work rev-parse main)" &&
	(cd work && test_commit mirrored) &&
	test_must_fail git -C work push --no-verify --mirror >out 2>&1 &&
	test "$(git -C srv.git rev-parse main)" = "$(git -C work rev-parse main)" &&
	policy_settle srv.git &&
	git -C srv.git for-each-ref refs/notes refs/deepops >after && test_cmp before after
'

# Objects that were pushed are in the quarantine: loose ones, and above unpackLimit a pack.
for limit in 100 1; do
	test_expect_success "pushed objects are seen in the quarantine (unpackLimit $limit)" '
		git -C srv.git config receive.unpackLimit $limit &&
		policy_invent 8$limit &&
		policy_refused work E-EXEC-NORECORD main &&
		test_grep "invented 8$limit" work.said &&
		reset &&
		policy_run work 7$limit &&
		policy_push work main
	'
done

test_expect_success 'a hook outside of the quarantine sees nothing and refuses' '
	policy_invent 88 &&
	new=$(git -C work rev-parse HEAD) old=$(git -C srv.git rev-parse main) &&
	echo "$old $new refs/heads/main" >line &&
	test_expect_code 1 sh -c "cd srv.git && GIT_DIR=. git-deepops-pre-receive" <line 2>err &&
	test_grep -F "[E-INTERNAL]" err &&
	(
		cd srv.git && GIT_DIR=. && export GIT_DIR &&
		GIT_ALTERNATE_OBJECT_DIRECTORIES=$TRASH/srv.git/objects \
		GIT_OBJECT_DIRECTORY=$TRASH/work/.git/objects GIT_QUARANTINE_PATH=$TRASH/work/.git/objects \
		git-deepops-pre-receive <../line 2>../err
		test $? -eq 1
	) &&
	test_grep -F "[E-EXEC-NORECORD]" err &&
	reset
'

# Everything about every file and directory, the time of its last change among it: something
# that was made and removed again shows in its directory.
state () {
	find srv.git work/.git/objects -printf "%p %y %m %n %s %T@ %C@\n" | sort
}

# hook_alone CODE REF...: the hook as git would run it, with the clone's objects as the quarantine.
hook_alone () {
	code=$1 && shift &&
	for ref; do
		echo "$(git -C srv.git rev-parse -q --verify "$ref" || printf %040d 0) $(
			git -C work rev-parse "$ref") $ref"
	done >line &&
	(
		cd srv.git && GIT_DIR=. && export GIT_DIR &&
		GIT_ALTERNATE_OBJECT_DIRECTORIES=$TRASH/srv.git/objects \
		GIT_OBJECT_DIRECTORY=$TRASH/work/.git/objects GIT_QUARANTINE_PATH=$TRASH/work/.git/objects \
		test_expect_code "$code" git-deepops-pre-receive <../line 2>../err
	)
}

test_expect_success 'the hook writes nothing, whatever it says' '
	policy_settle srv.git &&
	policy_invent 89 && state >before &&
	hook_alone 1 refs/heads/main && test_grep -F "[E-EXEC-NORECORD]" err &&
	state >after && test_cmp before after &&
	reset && policy_run work 90 && (cd work && git deepops push --data-only) && state >before &&
	hook_alone 1 "$(policy_journal work)" refs/heads/main && test_grep -F "[E-RECORD-PENDING]" err &&
	hook_alone 0 "$(policy_journal work)" && test_must_be_empty err &&
	state >after && test_cmp before after &&
	policy_push_only work "$(policy_journal work)" && policy_settle srv.git && state >before &&
	hook_alone 0 refs/heads/main && test_must_be_empty err &&
	state >after && test_cmp before after &&
	mv srv.git/deepops/runs.db keep.db && state >before &&
	hook_alone 1 refs/heads/main && test_grep -F "[E-INDEX-MISSING]" err &&
	state >after && test_cmp before after &&
	mv keep.db srv.git/deepops/runs.db
'

test_done
