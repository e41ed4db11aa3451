#!/bin/sh
test_description='push, fetch, pull: data arrives before what names it'
. "${0%/*}/test-lib.sh"

make_data () {
	mkdir -p data/many data/deep/er &&
	for i in 1 2 3 4 5 6 7 8; do
		test_bytes 9000 "$1$i" >"data/many/f$i" || return 1
	done &&
	: >data/many/empty &&
	test_bytes 700000 "${1}9" >data/deep/er/big.bin &&
	test_bytes 1500000 "${1}7" >data/deep/huge.bin
}

clone_with_data () {
	git clone -q srv.git "$1" &&
	git -C "$1" deepops init &&
	(cd "$1" && make_data "$2" && git deepops track data && git commit -q -m "data $2")
}

# Everything a fresh clone gets is what was pushed.
arrived () {
	rm -rf there && git clone -q srv.git there && git -C there deepops init &&
	(cd there && git deepops pull) && diff -r "$1/data" there/data
}

test_expect_success 'plain git push is enough' '
	git init -q --bare srv.git &&
	clone_with_data one 1 &&
	git -C one push -q origin main &&
	arrived one
'

test_expect_success 'a push with nothing new sends nothing' '
	(cd one && git deepops push -n 2>err) &&
	test_grep "0 chunks" one/err
'

test_expect_success 'of a change only the change is sent' '
	(
		cd one &&
		test_bytes 5000 77 >data/many/f3 &&
		git deepops track data && git commit -q -am change &&
		git deepops push -n 2>err && test_grep "would send [23] chunks" err &&
		git deepops push
	) &&
	arrived one
'

test_expect_success 'the same data under another split is proven, not sent' '
	(
		cd one &&
		mkdir again && cp -r data/many again/ &&
		git deepops track again && git commit -q -am again &&
		git deepops push -n 2>err && test_grep "would send [12] chunks" err &&
		git push -q origin main
	)
'

# chunks_read FILE: how often the server read a chunk back while what FILE says was pushed.
chunks_read () {
	grep -cE "pread64\\([0-9]+, .*, [0-9]{5,}, [0-9]+\\) +=" "$1"
}
test_expect_success 'the server reads no file again that came whole, and proves any other' '
	git init -q --bare whole.git && test_when_finished "rm -rf whole.git whole trace" &&
	git clone -q whole.git whole && git -C whole deepops init && mkdir whole/data &&
	# A process under strace cannot be searched for leaks.
	git -C whole config remote.origin.deepopsServe \
		"ASAN_OPTIONS=detect_leaks=0 strace -f -o \"$PWD/trace\" -e trace=pread64 git-deepops-serve" &&
	(
		cd whole && for i in 1 2 3; do test_bytes 900000 5$i >data/$i || return 1; done &&
		git deepops track data && git commit -q -m whole && git deepops push &&
		test "$(chunks_read ../trace)" = 0 &&
		test_bytes 900000 54 | sed "s/^/x/" >data/1 && cat data/1 data/1 >data/4 &&
		git deepops track data && git commit -q -m twice && git deepops push &&
		test "$(chunks_read ../trace)" -gt 20
	) &&
	rm -rf there && git clone -q whole.git there && git -C there deepops init &&
	(cd there && git deepops pull) && diff -r whole/data there/data
'

test_expect_success 'a remote without deepops = true gets neither data nor records' '
	git init -q --bare public.git &&
	git -C one remote add public ../public.git &&
	git -C one push -q public main &&
	test_path_is_missing public.git/deepops &&
	git -C public.git for-each-ref refs/deepops refs/notes >refs && test_must_be_empty refs
'

# sleeps OPTION...: how often a push of something new waits for a tenth of a second or more.
sleeps () {
	rm -rf slow.git && git init -q --bare slow.git && git -C slow config remote.origin.url "$TRASH/slow.git" &&
	(cd slow && ASAN_OPTIONS=detect_leaks=0 strace -o ../trace -e trace=nanosleep,clock_nanosleep git-deepops push --data-only "$@") &&
	grep -Ec "nanosleep\(.*tv_nsec=[0-9]{9}}" trace
}

test_expect_success '--bwlimit holds the push back' '
	mkdir slow && git -C slow init -q && git -C slow remote add origin x && git -C slow deepops init && mkdir slow/data &&
	test_bytes 900000 41 >slow/data/a && (cd slow && git deepops track data && git add -A && git commit -q -m slow) &&
	test_expect_code 129 git -C one deepops push --bwlimit fast &&
	test_must_fail sleeps && sleeps --bwlimit 1M >n && test "$(cat n)" -gt 0
'

test_expect_success 'git push -n sends no data' '
	git init -q --bare srv2.git && git clone -q srv2.git dry && git -C dry deepops init &&
	(cd dry && make_data 5 && git deepops track data && git commit -q -m data &&
	 git push -q -n origin main) &&
	test_path_is_missing srv2.git/deepops/catalogue.db
'

test_expect_success '--no-verify in between is made good by the next push' '
	(cd dry && git push -q --no-verify origin main && test_commit later && git push -q origin main) &&
	git clone -q srv2.git dry2 && git -C dry2 deepops init &&
	(cd dry2 && git deepops pull) && diff -r dry/data dry2/data
'

test_expect_success 'fetch names what the remote lacks' '
	git init -q --bare srv3.git && git clone -q srv3.git lost && git -C lost deepops init &&
	(cd lost && make_data 6 && git deepops track data && git commit -q -m data &&
	 git push -q --no-verify origin main) &&
	git clone -q srv3.git lost2 && git -C lost2 deepops init &&
	(cd lost2 && test_expect_code 128 git deepops fetch 2>err) &&
	test_grep "^fatal: data.*not on" lost2/err && test_grep "^hint: " lost2/err
'

test_expect_success 'fetch of a part, then of the rest' '
	git clone -q srv.git part && git -C part deepops init &&
	(
		cd part &&
		git deepops fetch data/many && git deepops checkout -I "/many" data &&
		test_path_is_file data/many/f1 && test_path_is_missing data/deep/huge.bin &&
		git deepops fetch && git deepops checkout data
	) &&
	diff -r one/data part/data
'

test_expect_success 'data pushed, branch refused: not evicted, and fetch restores lost packs' '
	git init -q --bare srv4.git &&
	printf "#!/bin/sh\nexit 1\n" >srv4.git/hooks/pre-receive && chmod +x srv4.git/hooks/pre-receive &&
	git clone -q srv4.git ref && git -C ref deepops init &&
	(
		cd ref && make_data 8 && git deepops track data && git commit -q -m data &&
		test_must_fail git push -q origin main &&
		test_expect_code 1 git deepops drop data 2>err && test_grep "pinned" err &&
		test_path_is_file data/many/f1 &&
		rm -rf .git/deepops/packs/* &&
		git deepops fetch && cp -r data ../kept && rm -rf data &&
		git deepops checkout data && diff -r data ../kept
	)
'

for point in $(grep -rho 'killpoint("push-[^"]*"' "$TOP_DIR/git-deepops/lib" "$TOP_DIR/git-deepops/cmd/push.c" | sed 's/.*("//; s/"//' | sort -u); do
	test_expect_success "killed at $point, the same push then succeeds" '
		git init -q --bare k.git && test_when_finished "rm -rf k.git k k2" &&
		git clone -q k.git k && git -C k deepops init &&
		(
			cd k && make_data 3 && git deepops track data && git add -A && git commit -q -m data &&
			git deepops run -- true &&
			test_expect_code 137 env DEEPOPS_KILL_AT='"$point"' git-deepops push origin main &&
			git deepops push origin main && git deepops fsck
		) &&
		git -C k.git fsck && git -C k.git for-each-ref refs/deepops/log >journals &&
		test_line_count = 1 journals &&
		git clone -q k.git k2 && git -C k2 deepops init && (cd k2 && git deepops pull) &&
		diff -r k/data k2/data
	'
done

for point in fetch-chunk fetch-chunk:9 fetch-before-commit; do
	test_expect_success "killed at $point, the same pull then succeeds" '
		git clone -q srv.git k && test_when_finished "rm -rf k" && git -C k deepops init &&
		(
			cd k && test_expect_code 137 env DEEPOPS_KILL_AT='"$point"' git-deepops pull &&
			test_path_is_missing data && git deepops pull -q && git deepops fsck
		) &&
		diff -r one/data k/data
	'
done

test_done
