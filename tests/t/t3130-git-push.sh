#!/bin/sh
test_description='plain git push through the hook, from every kind of repository'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

test_expect_success 'says on stderr what it sends, and nothing on stdout' '
	new_pair one &&
	(cd one && track_and_commit 1 && git push origin main >../out 2>../err) &&
	test_must_be_empty out &&
	test_grep "deepops: sent 1 dataset" err &&
	arrived one.git main one/data
'

test_expect_success 'git push -n sends nothing, however it is written' '
	(
		cd one && make_data 2 && git deepops track data && git commit -q -a -m two &&
		id=$(sed -n "s/.*id = sha256://p" data.deepops | head -1) &&
		for flags in "-n" "--dry-run" "-qn" "--dry" "-n --no-dry-run --dry-run"
		do
			git push $flags origin main || exit 1
		done 2>../err &&
		git config alias.p "push -n" && git p origin main 2>>../err
	) &&
	test_grep ! "deepops: sent" err &&
	test_grep "would send 1 dataset" err &&
	git clone -q -b main one.git nothing && git -C one rev-parse main >mine &&
	git -C nothing rev-parse main >theirs && ! cmp -s mine theirs
'

test_expect_success 'an option value that looks like -n is no dry run' '
	git -C one.git config receive.advertisePushOptions true &&
	git -C one push -q -o -n origin main 2>err &&
	arrived one.git main one/data
'

test_expect_success 'run by nothing that is git push, it sends nothing and says so' '
	(
		cd one && track_and_commit 3 &&
		test_expect_code 128 .git/hooks/pre-push origin "$TRASH/one.git" </dev/null 2>../err
	) &&
	test_grep "dry run" err &&
	test_grep "^hint: git deepops push" err
'

test_expect_success 'a push that names the journal too: both arrive, and what git says of that is explained' '
	new_pair named &&
	(
		cd named && track_and_commit 4 && git deepops run -q -- true &&
		test_expect_code 1 git push origin main "refs/deepops/log/*" 2>../err
	) &&
	test_grep "^hint: the journal is there now" err &&
	arrived named.git main named/data &&
	git -C named for-each-ref --format="%(objectname) %(refname)" refs/deepops/log >mine &&
	git -C named.git for-each-ref --format="%(objectname) %(refname)" refs/deepops/log >theirs &&
	test_line_count = 1 mine && test_cmp mine theirs &&
	git -C named push origin main "refs/deepops/log/*"
'

test_expect_success 'a push that only deletes sends nothing' '
	git -C one push -q --no-verify origin main:refs/heads/old &&
	git -C one push origin :old 2>err &&
	test_grep ! "deepops: sent" err
'

test_expect_success 'with nothing new for git, what --no-verify left out is made good' '
	git -C one push -q --no-verify origin main &&
	git -C one push origin main 2>err &&
	test_grep "deepops: sent 1 dataset" err &&
	test_grep "Everything up-to-date" err &&
	arrived one.git main one/data
'

test_expect_success 'a second remote without deepops = true gets the branch alone' '
	git init -q --bare public.git && git -C one remote add public "$TRASH/public.git" &&
	git -C one push public main 2>err &&
	test_grep ! "deepops: sent" err &&
	test_path_is_missing public.git/deepops &&
	git -C public.git for-each-ref refs/deepops refs/notes >refs &&
	test_must_be_empty refs &&
	test_expect_code 128 git -C one deepops push public main 2>err &&
	test_grep "remote.public.deepops is not true" err &&
	test_path_is_missing public.git/deepops
'

test_expect_success 'a raw URL counts if it is that of a remote that counts' '
	(cd one && track_and_commit 4 && git push "$TRASH/one.git" main 2>../err) &&
	test_grep "deepops: sent 1 dataset" err &&
	(cd one && track_and_commit 5 && git push "$TRASH/public.git" main 2>../err) &&
	test_grep ! "deepops: sent" err &&
	test_path_is_missing public.git/deepops &&
	git -C one push -q origin main
'

test_expect_success 'push --mirror to a place of ours publishes no copies of journals' '
	git init -q --bare whole.git && git -C one remote add whole "$TRASH/whole.git" &&
	git -C one push -q --mirror whole &&
	test_path_is_missing whole.git/deepops
'

test_expect_success 'tags: of a commit, of a tree, of a file' '
	(
		cd one && track_and_commit 6 && git tag -m v1 v1 && git tag tree HEAD^{tree} &&
		git tag blob HEAD:data.deepops && git push -q origin v1 tree blob 2>../err
	) &&
	git clone -q -b v1 one.git at-tag && git -C at-tag deepops init &&
	(cd at-tag && git deepops fetch && git deepops checkout) && diff -r one/data at-tag/data
'

test_expect_success 'a detached HEAD' '
	(
		cd one && git checkout -q --detach && track_and_commit 7 &&
		git push -q origin HEAD:refs/heads/detached
	) &&
	arrived one.git detached one/data &&
	git -C one checkout -q main && (cd one && git deepops checkout -q)
'

test_expect_success 'an unborn branch is pushed from nothing' '
	new_pair unborn &&
	{ git -C unborn push origin 2>err || :; } &&
	(cd unborn && track_and_commit 8 && git push -q -u origin main) &&
	arrived unborn.git main unborn/data
'

test_expect_success 'a linked work tree, from a subdirectory' '
	(
		cd one && git worktree add -q -b side ../one-side && cd ../one-side &&
		track_and_commit 9 && mkdir sub && cd sub && git push -q origin side
	) &&
	arrived one.git side one-side/data
'

test_expect_success 'GIT_DIR and GIT_WORK_TREE from the environment' '
	(
		cd one && track_and_commit 10 && cd .. && mkdir -p elsewhere && cd elsewhere &&
		GIT_DIR="$TRASH/one/.git" GIT_WORK_TREE="$TRASH/one" git push -q origin main
	) &&
	arrived one.git main one/data
'

test_done
