#!/bin/sh
test_description='drop and gc: local copies go when the remote has them, and never before'
. "${0%/*}/test-lib.sh"

make_data () {
	mkdir -p data/many && for i in 1 2 3 4 5; do
		test_bytes 30000 "$1$i" >"data/many/f$i" || return 1
	done && test_bytes 600000 "${1}9" >data/big.bin
}

store_bytes () {
	find "$1/.git/deepops/packs" -name '*.pack' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

test_expect_success 'set up' '
	git init -q --bare srv.git &&
	git clone -q srv.git one 2>/dev/null && git -C one deepops init &&
	(cd one && make_data 1 && git deepops track data && git add -A && git commit -q -m data)
'

test_expect_success 'what is on no remote is not dropped' '
	test_expect_code 1 git -C one deepops drop data 2>err &&
	test_grep "data is not safe on origin" err &&
	test_path_is_file one/data/big.bin
'

test_expect_success 'what no ref names on the remote is not dropped' '
	git -C one deepops push --data-only &&
	test_expect_code 1 git -C one deepops drop data 2>err &&
	test_grep "only pinned" err &&
	test_path_is_file one/data/big.bin
'

test_expect_success 'changes that are recorded nowhere are not dropped' '
	git -C one push -q origin main &&
	git -C srv.git deepops server index . &&
	echo more >one/data/many/f1 &&
	test_expect_code 1 git -C one deepops drop data 2>err &&
	test_grep "recorded nowhere" err &&
	(cd one && git deepops checkout --force data)
'

test_expect_success 'what the remote holds for a ref is, and comes back' '
	cp -r one/data kept &&
	before=$(store_bytes one) &&
	git -C one deepops drop data >out &&
	test_grep "dropped data" out &&
	test_path_is_missing one/data &&
	test_path_is_file one/data.deepops &&
	test "$(store_bytes one)" -lt "$before" &&
	git -C one deepops status --json >status && test_grep missing status &&
	(cd one && git deepops fetch && git deepops checkout data) &&
	diff -r kept one/data
'

test_expect_success 'a part shared with another dataset stays' '
	(
		cd one && cp -r data/many again && git deepops track again && git add -A &&
		git commit -q -m again && git push -q origin main
	) &&
	git -C srv.git deepops server index . &&
	git -C one deepops drop data &&
	rm -rf one/again && (cd one && git deepops checkout again) &&
	diff -r kept/many one/again &&
	(cd one && git deepops fetch && git deepops checkout data)
'

test_expect_success 'a link among the parents does not lead out of the work tree' '
	mkdir outside && cp -r kept outside/data &&
	(cd one && mkdir sub && cp -r ../kept sub/data && git deepops track sub/data && git add -A &&
	 git commit -q -m sub && git push -q origin main) &&
	git -C srv.git deepops server index . &&
	mv one/sub one/sub-kept && ln -s "$TRASH/outside" one/sub &&
	cp one/sub-kept/data.deepops outside/ &&
	test_must_fail git -C one deepops drop --force sub/data &&
	diff -r kept outside/data &&
	rm one/sub && mv one/sub-kept one/sub
'

test_expect_success 'dropping what is not there is named' '
	test_expect_code 128 git -C one deepops drop nothing 2>err &&
	test_grep "nothing" err &&
	test_expect_code 128 git -C one deepops drop data/many 2>err &&
	test_grep "inside the dataset" err
'

test_expect_success 'gc leaves everything that something names' '
	before=$(store_bytes one) &&
	git -C one deepops gc --grace 0 &&
	test "$(store_bytes one)" -eq "$before" &&
	git -C one deepops fsck
'

test_expect_success 'what was tracked and never committed goes after the grace period' '
	(
		cd one && cp data.deepops ../pointer && test_bytes 400000 77 >data/draft &&
		git deepops track data && rm data/draft && git checkout -q HEAD -- data.deepops &&
		git reset -q && git deepops checkout data
	) &&
	full=$(store_bytes one) &&
	git -C one deepops gc >out &&
	test_grep "until the grace period is over" out &&
	test "$(store_bytes one)" -eq "$full" &&
	DEEPOPS_TEST_CLOCK_OFFSET=864000 git -C one deepops gc -n >out &&
	test_grep ! "would remove" out &&
	DEEPOPS_TEST_CLOCK_OFFSET=1728000 git -C one deepops gc -n >out &&
	test_grep "would remove .* no pointer names" out &&
	test "$(store_bytes one)" -eq "$full" &&
	DEEPOPS_TEST_CLOCK_OFFSET=1728000 git -C one deepops gc >out &&
	test_grep "^removed .* no pointer names" out &&
	test "$(store_bytes one)" -lt "$full" &&
	git -C one deepops fsck && rm -rf one/data && git -C one deepops checkout data &&
	diff -r kept one/data
'

test_expect_success 'what is staged in another work tree is named' '
	git clone -q srv.git both && git -C both deepops init && git -C both worktree add -q ../linked -b linked &&
	mkdir linked/there && test_bytes 70000 31 >linked/there/f && git -C linked deepops track there &&
	git -C both deepops gc --grace 0 && git -C linked deepops gc --grace 0 &&
	rm -rf linked/there && git -C linked deepops checkout there && test_path_is_file linked/there/f &&
	mkdir both/here && test_bytes 70000 32 >both/here/f && git -C both deepops track here &&
	git -C linked deepops gc --grace 0 && rm -rf both/here && git -C both deepops checkout here
'

test_expect_success 'what is stashed is named' '
	(
		cd one && test_bytes 400000 78 >data/draft && git deepops track data && git stash -q &&
		git deepops checkout --force data
	) &&
	DEEPOPS_TEST_CLOCK_OFFSET=0 git -C one deepops gc --grace 0 >out &&
	test_grep ! "no pointer names" out &&
	(cd one && git stash pop -q && git deepops checkout data) &&
	test_path_is_file one/data/draft &&
	(cd one && git commit -q -a -m draft)
'

test_expect_success 'over its limit the cache gives up what the remote holds, not the rest' '
	git -C one config deepops.cacheLimit 100k &&
	git -C one deepops gc -n >out 2>err &&
	test_grep "would remove .* that the remote has" out &&
	git -C one deepops gc >out 2>err &&
	test_grep "removed .* that the remote has" out &&
	test_grep "more than deepops.cacheLimit" err &&
	test_grep "nowhere else" err &&
	rm -rf one/data && git -C one deepops checkout data &&
	test_path_is_file one/data/draft
'

test_expect_success 'a remote that cannot be asked: everything stays' '
	git clone -q srv.git two && git -C two deepops init &&
	(cd two && git deepops fetch && git deepops checkout) &&
	git -C two config deepops.cacheLimit 1k &&
	git -C two remote set-url origin "$TRASH/nowhere.git" &&
	before=$(store_bytes two) &&
	git -C two deepops gc 2>err &&
	test_grep "be asked" err &&
	test "$(store_bytes two)" -eq "$before"
'

test_expect_success 'old temporary files go, those of a living process stay' '
	mkdir -p two/.git/deepops/tmp/snapshot-$$-0123456789abcdef two/.git/deepops/tmp/snapshot-999999999-0 &&
	touch -d "30 days ago" two/.git/deepops/tmp/* &&
	git -C two config --unset deepops.cacheLimit &&
	git -C two deepops gc >out &&
	test_grep "1 temporary file" out &&
	test_path_is_dir two/.git/deepops/tmp/snapshot-$$-0123456789abcdef &&
	test_path_is_missing two/.git/deepops/tmp/snapshot-999999999-0
'

test_expect_success 'bad arguments are named' '
	test_expect_code 129 git -C two deepops gc --grace soon 2>err &&
	test_grep "soon" err &&
	git init -q empty && git -C empty deepops gc
'

test_done
