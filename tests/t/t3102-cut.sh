#!/bin/sh
test_description='what goes over the wire: round trips, cut connections, lies, sixteen at once'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

# relayed CLONE OPTION...: its connections go through the relay with these options.
relayed () {
	relayed_=$1 && shift &&
	git -C "$relayed_" config remote.origin.deepopsServe "'$TESTS_DIR/helper/relay' $* git-deepops-serve"
}

direct () {
	git -C "$1" config --unset-all remote.origin.deepopsServe || :
}

commit_data () {
	git -C "$1" deepops track data && git -C "$1" add -A && git -C "$1" commit -q -m data
}

# new_clone SERVER NAME
new_clone () {
	rm -rf "$2" && git clone -q "$1" "$2" && git -C "$2" deepops init
}

# Bytes that came from the client, and from the server, over all connections of a log.
bytes_up () {
	awk '/^bytes / { n += $2 } END { print n + 0 }' "$1"
}

bytes_down () {
	awk '/^bytes / { n += $3 } END { print n + 0 }' "$1"
}

test_expect_success 'a push of something unchanged is one connection and one round trip' '
	new_pair same && git deepops server install same.git &&
	mkdir same/data && test_bytes 300000 1 >same/data/a && test_bytes 3000 2 >same/data/b &&
	commit_data same && git -C same push -q origin main &&
	relayed same --log "$TRASH/log" &&
	git -C same deepops push --data-only &&
	printf "%s\n" "up HELLO" "up ROOTS" "up BYE" "down HELLO" "down BITMAP" >want &&
	grep -v ^bytes log | cut -d" " -f1,2 | sort >got && sort want >want.sorted &&
	test_cmp want.sorted got &&
	test_line_count = 6 log
'

test_expect_success 'many files cost few round trips' '
	new_pair many && mkdir many/data &&
	for i in 1 2 3 4 5 6 7 8 9; do
		test_bytes 100000 "1$i" >many/data/f$i || return 1
	done &&
	commit_data many && relayed many --log "$TRASH/log2" &&
	git -C many push -q origin main &&
	grep "up HAVE" log2 >asked && test_line_count = 2 asked &&
	new_clone many.git many2 && relayed many2 --log "$TRASH/log3" &&
	git -C many2 deepops pull -q && diff -r many/data many2/data &&
	grep -E "up (GET|HAVE|NODES)" log3 >asked && test_line_count -le 4 asked
'

test_expect_success 'cut at any byte of a push, the same push then succeeds' '
	new_pair cut && mkdir -p cut/data/sub && test_bytes 200000 3 >cut/data/a &&
	test_bytes 70 4 >cut/data/sub/b && commit_data cut &&
	git -C cut deepops remote check && relayed cut --log "$TRASH/whole" && cp -r cut.git before.git &&
	git -C cut deepops push --data-only && rm -rf cut.git &&
	for at in 0 1 92 150 300 77777 $(($(bytes_up whole) - 60)) $(($(bytes_up whole) - 9)); do
		rm -rf cut.git log && cp -r before.git cut.git && relayed cut --log "$TRASH/log" --cut-up $at &&
		test_expect_code 128 git -C cut deepops push --data-only 2>err &&
		test_grep "^fatal: this machine: " err && test_line_count = 1 err &&
		relayed cut --log "$TRASH/log" &&
		git -C cut deepops push origin main || { echo "cut at $at"; return 1; }
	done &&
	new_clone cut.git cut2 && git -C cut2 deepops pull -q && diff -r cut/data cut2/data
'

test_expect_success 'cut at any byte of the answers to a push' '
	for at in 0 50 $(seq 92 17 $(($(bytes_down whole) - 1))); do
		rm -rf cut.git && cp -r before.git cut.git && relayed cut --cut-down $at &&
		test_expect_code 128 git -C cut deepops push --data-only 2>err &&
		test_grep "^fatal: this machine: " err &&
		direct cut && git -C cut deepops push --data-only || { echo "cut at $at"; return 1; }
	done
'

test_expect_success 'cut at any byte of a fetch' '
	direct cut && git -C cut deepops push origin main &&
	new_clone cut.git cut3 && git -C cut3 deepops remote check && relayed cut3 --log "$TRASH/whole2" &&
	git -C cut3 deepops fetch && n=$(bytes_down whole2) &&
	for at in 0 95 150 $((n / 2)) $((n - 1)); do
		new_clone cut.git cut3 && git -C cut3 deepops remote check && relayed cut3 --cut-down $at &&
		test_expect_code 128 git -C cut3 deepops fetch 2>err &&
		test_grep "^fatal: .*this machine: " err &&
		test_path_is_missing cut3/data &&
		direct cut3 && git -C cut3 deepops pull -q && diff -r cut/data cut3/data ||
		{ echo "cut at $at"; return 1; }
	done
'

mib=1048576

test_expect_success 'a push that was cut repeats at most one window' '
	new_pair big && mkdir big/data && head -c $((90 * mib)) /dev/urandom >big/data/a && commit_data big &&
	relayed big --log "$TRASH/first" --cut-up $((80 * mib)) &&
	test_must_fail git -C big deepops push --data-only &&
	relayed big --log "$TRASH/second" && git -C big push -q origin main &&
	test "$(bytes_up second)" -le $((74 * mib))
'

test_expect_success 'a fetch that was cut repeats less' '
	new_clone big.git big2 && relayed big2 --log "$TRASH/third" --cut-down $((80 * mib)) &&
	test_must_fail git -C big2 deepops fetch &&
	relayed big2 --log "$TRASH/fourth" && git -C big2 deepops pull -q &&
	test "$(bytes_down fourth)" -le $((15 * mib)) && cmp big/data/a big2/data/a
'

# A recipe is no hash of what it says: every chunk is right, the file is not.
test_expect_success 'a recipe that makes another file never reaches the work tree' '
	chunk=$(sha256sum <same/data/b | cut -c1-64) &&
	new_clone same.git lied && relayed lied --twist $chunk:3000:100 &&
	test_expect_code 128 git -C lied deepops pull 2>err &&
	test_grep "^fatal: data: remote origin: recipe sha256:.* gives the file" err &&
	test_path_is_missing lied/data && git -C lied deepops fsck --deep &&
	direct lied && git -C lied deepops pull -q && diff -r same/data lied/data
'

test_expect_success 'one that makes more than the tree says is not filled with data' '
	new_clone same.git lied && relayed lied --twist $chunk:3000:200 --log "$TRASH/lies" &&
	test_expect_code 128 git -C lied deepops pull 2>err &&
	test_grep "^fatal: data: recipe sha256:[0-9a-f]* makes a file of 600000 bytes, not 300000" err &&
	test_path_is_missing lied/data &&
	new_clone same.git lied && relayed lied --twist $chunk:1:300000 &&
	test_expect_code 128 git -C lied deepops pull 2>err &&
	test_path_is_missing lied/data &&
	direct lied && git -C lied deepops pull -q && diff -r same/data lied/data
'

test_expect_success 'more roots than one COMMIT takes' '
	new_pair roots && mkdir roots/data && echo x >roots/data/x && commit_data roots &&
	id=$(sed -n "s/.*id = //p" roots/data.deepops) &&
	for i in $(seq 36); do
		awk -v id="$id" -v i="$i" "BEGIN {
			print \"[deepops]\\n\\tversion = 1\\n\\tkind = tree\"
			for (k = 0; k < 1900; k++)
				printf \"[shard \\\"%02d-%05d\\\"]\\n\\tid = %s\\n\\tfiles = 1\\n\\tbytes = 2\\n\\tkind = node\\n\", i, k, id
		}" >roots/d$i.deepops || return 1
	done &&
	git -C roots add . && git -C roots commit -q -m roots && relayed roots --log "$TRASH/log4" &&
	git -C roots deepops push --data-only && grep "down COMMITTED" log4 >commits &&
	test_line_count = 2 commits
'

test_expect_success 'sixteen pushers at once: every one succeeds, nothing is lost' '
	new_pair crowd && (cd crowd && test_commit base && git push -q origin main) &&
	for i in $(seq 16); do
		new_clone crowd.git p$i && mkdir p$i/data && test_bytes 150000 "6$i" >p$i/data/own &&
		test_bytes 400000 7 >p$i/data/shared && commit_data p$i || return 1
	done &&
	for i in $(seq 16); do
		{ git -C p$i push -q origin main:from-$i >out$i 2>&1; echo $? >rc$i; } &
	done &&
	wait &&
	for i in $(seq 16); do
		echo 0 | test_cmp - rc$i || { cat out$i; return 1; }
	done &&
	for i in 1 5 16; do
		rm -rf there && git clone -q -b from-$i crowd.git there && git -C there deepops init &&
		git -C there deepops pull -q && diff -r p$i/data there/data || return 1
	done &&
	git clone -q crowd.git all && git -C all deepops init && git -C all deepops fetch --all 2>err &&
	! grep "not on the remote" err
'

test_done
