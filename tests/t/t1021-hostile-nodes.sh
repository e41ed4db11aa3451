#!/bin/sh
test_description='a few small nodes that name each other a million million times stop nobody'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

# No honest command comes near that with so little data; a walk of 2^40 paths does not end.
bounded () {
	timeout 60 "$@"
}

# bomb KIND FILES BYTES: HEAD has x.deepops that says so.
bomb () {
	git checkout -q -f main && git reset -q --hard one &&
	"$DEEPOPS_BUILD/helper/bomb" "$@" >x.deepops && git add -f x.deepops && git commit -q -m bomb
}

test_expect_success 'a clone with data, and one beside it' '
	new_pair pair >/dev/null && cd pair &&
	mkdir x && echo 1 >x/1 && git deepops track -q x && git commit -q -m one && git tag one &&
	git push -q origin main
'

# stopped: every command that walks the tree ends with the reason.
stopped () {
	for command in checkout "checkout -n" "checkout --force" "ls -r x" "sha256sums x" \
		"diff one HEAD" "diff HEAD one" status "checkout -I a/a"
	do
		# shellcheck disable=SC2086 # words
		test_expect_code 128 bounded git deepops $command >../out 2>../err &&
		test_grep "$1" ../err || { echo "git deepops $command"; return 1; }
	done &&
	bounded git log -p -1 >../out && test_grep "^+.*files = " ../out &&
	git checkout -q -b other one && echo 2 >x/2 && git deepops track -q -f x && git commit -q -m two &&
	{ bounded git merge -q main 2>../err || test $? -lt 124; } &&
	git checkout -q -f main && git branch -q -D other
}

test_expect_success 'a pointer that claims less than there is' '
	(cd pair && bomb files 7 7 && stopped "other sums than the 7 files" &&
		for command in "du x/a" "cat x/a/b/a" "ls x/a"; do
			test_expect_code 128 git deepops $command 2>../err && test_grep "other sums" ../err || exit 1
		done)
'

test_expect_success 'a pointer that claims nothing: empty directories' '
	(cd pair && bomb empty 0 0 && stopped "more than 1000000 directories without a file")
'

test_expect_success 'a pointer that claims it all is shown as it is where git asks' '
	(
		cd pair && bomb files 1099511627776 1099511627776 &&
		bounded git log -p -1 >../out && test_grep "^+.*files = 1099511627776" ../out &&
		bounded git deepops du x >../out && test_grep 1099511627776 ../out
	)
'

test_expect_success 'fetch stops, too: with patterns it goes through every path' '
	for kind in "files 7 7" "empty 0 0"; do
		(cd pair && bomb $kind && git push -q -f --no-verify origin main) &&
		rm -rf there && git clone -q pair.git there && cd there && git deepops init >/dev/null &&
		mkdir -p .git/deepops && cp -r ../pair/.git/deepops/packs ../pair/.git/deepops/segments ../pair/.git/deepops/catalogue.db \
			../pair/.git/deepops/format .git/deepops/ &&
		test_expect_code 128 bounded git deepops fetch -I "a/**" 2>../err &&
		test_grep "other sums\|directories without a file" ../err && cd .. || return 1
	done
'

test_done
