#!/bin/sh
test_description='plain git push from submodules, shallow clones, by several, over ssh, killed'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"
. "$TESTS_DIR/lib-sshd.sh"

test_expect_success 'set up' '
	new_pair one && (cd one && track_and_commit 1 && git push -q origin main)
'

test_expect_success 'a submodule pushes its own data to its own remote' '
	new_pair lib && (cd lib && track_and_commit 11 && git push -q origin main) &&
	new_pair outer &&
	(
		cd outer && git submodule --quiet add "$TRASH/lib.git" lib && git commit -q -m sub &&
		git -C lib deepops init && cd lib && make_data 12 && git deepops track data &&
		git commit -q -a -m more && cd .. && git add lib && git commit -q -m bump &&
		git push -q --recurse-submodules=on-demand origin main
	) &&
	arrived lib.git main outer/lib/data
'

test_expect_success 'a shallow clone' '
	for i in 1 2 3; do (cd one && test_commit "filler$i") || return 1; done &&
	git -C one push -q origin main &&
	git clone -q --depth 1 "file://$TRASH/one.git" shallow && git -C shallow deepops init &&
	(cd shallow && git deepops fetch && git deepops checkout && make_data 13 &&
	 git deepops track data && git commit -q -a -m shallow && git push -q origin main) &&
	arrived one.git main shallow/data
'

test_expect_success 'a clone of one branch, and with another name for the remote' '
	git clone -q -o up --single-branch one.git narrow && git -C narrow deepops init &&
	(cd narrow && git deepops fetch && git deepops checkout && make_data 14 &&
	 git deepops track data && git commit -q -a -m narrow && git push -q up main) &&
	arrived one.git main narrow/data
'

test_expect_success 'two pushers at once: neither loses data' '
	git clone -q one.git left && git -C left deepops init &&
	git clone -q one.git right && git -C right deepops init &&
	(cd left && git deepops fetch && git deepops checkout && test_bytes 100000 21 >data/more &&
	 git deepops track data && git commit -q -a -m x) &&
	(cd right && mkdir y && test_bytes 100000 22 >y/f && git deepops track y && git add -A && git commit -q -m y) &&
	(
		git -C left push -q origin main & left=$!
		git -C right push -q origin main
		wait $left
		for who in left right
		do
			git -C $who pull -q --no-rebase origin main && git -C $who push -q origin main || exit 1
		done
	) &&
	git clone -q one.git both && git -C both deepops init && (cd both && git deepops fetch)
'

test_expect_success 'two add to one directory: git pull merges what one has and the other has not fetched' '
	new_pair pair && (cd pair && track_and_commit 23 && git push -q origin main) &&
	git clone -q pair.git pair2 && git -C pair2 deepops init &&
	(cd pair2 && git deepops pull && echo 2 >data/two && git deepops track data && git commit -q -a -m two && git push -q origin main) &&
	(cd pair && echo 1 >data/one && git deepops track data && git commit -q -a -m one &&
	 git pull -q --no-rebase --no-edit origin main && git deepops pull && test "$(cat data/one data/two)" = "1
2" && git push -q origin main) &&
	(cd pair2 && echo 3 >data/two && git deepops track data && git commit -q -a -m three &&
	 git config pull.rebase true && git deepops pull && test "$(cat data/one data/two)" = "1
3")
'

test_expect_success SSHD 'over ssh' '
	sshd_start one && git init -q --bare far.git &&
	git clone -q "ssh://testhost$TRASH/far.git" far 2>/dev/null && git -C far deepops init &&
	(cd far && track_and_commit 15 && git push -q origin main) &&
	git clone -q "ssh://testhost$TRASH/far.git" far2 && git -C far2 deepops init &&
	(cd far2 && git deepops pull -q) && diff -r far/data far2/data
'

for point in $(grep -ho 'killpoint("push-hook-[^"]*"' "$TOP_DIR"/git-deepops/cmd/hook.c | sed 's/.*("//; s/"//'); do
	test_expect_success "killed at $point, git push then succeeds" '
		rm -rf k k.git && new_pair k &&
		(
			cd k && track_and_commit 16 &&
			test_must_fail env DEEPOPS_KILL_AT='"$point"' git push -q origin main &&
			git push -q origin main
		) &&
		git -C k.git fsck && arrived k.git main k/data
	'
done

test_expect_success 'post-checkout and post-merge say whose data moved' '
	(
		cd one && git checkout -q main && git checkout -q -b moved && track_and_commit 17 &&
		git checkout main 2>../err && git merge -q moved 2>../err2
	) &&
	test_grep "^hint: the data of data changed: git deepops checkout" err &&
	test_grep "^hint: the data of data changed: git deepops checkout" err2
'

test_done
