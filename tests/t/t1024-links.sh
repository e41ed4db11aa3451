#!/bin/sh
test_description='symbolic links: out of a dataset, to nothing, and in the place of one'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-policy.sh"

test_expect_success 'a server that enforces, a clone, and data with links in it' '
	policy_floor >floor && policy_server srv.git floor && policy_clone srv.git work &&
	mkdir disk && echo weights >disk/w.bin &&
	cd work && mkdir -p m/sub/deep && echo own >m/own && ln -s own m/in && ln -s ../../own m/sub/deep/in &&
	ln -s ./../in m/sub/again
'

test_expect_success 'links that stay inside are no matter' '
	(
		cd work && git deepops track m 2>../err && test_must_be_empty ../err && git commit -q -m m &&
		echo 11 >seed && git commit -q -am 11 &&
		git deepops run -i m -m metrics.json -- sh train.sh && git add metrics.json && git commit -q -m r &&
		git push -q origin main
	)
'

test_expect_success 'track says what leads out, and what to nothing' '
	(
		cd work && ln -s "$TRASH/disk/w.bin" m/w.bin && ln -s ../../x m/climbs && ln -s nowhere m/dead &&
		ln -s /nowhere m/sub/out && git deepops track m 2>../err &&
		test_grep "^warning: 3 links lead out of the dataset, such as .m/climbs.: .* level R1" ../err &&
		test_grep "^warning: 1 link leads to nothing, such as .m/dead." ../err &&
		git deepops status 2>../err && test_must_be_empty ../err
	)
'

# refused_by LINK TARGET: with this link alone in it, the server takes no result of a run that read m.
refused_by () {
	(
		cd work && git checkout -q -f -B try main && git deepops checkout -q -f && find m -type l -delete && ln -s "$2" "$1" &&
		git deepops track -q m 2>/dev/null && git commit -q -m link && echo "$1$2" | cksum | cut -c1-6 >seed && git commit -q -am seed &&
		git deepops run -i m -m metrics.json -- sh train.sh && git add metrics.json && git commit -q -m r &&
		test_must_fail git push origin try:main 2>../err &&
		test_grep "E-DATA-LINK" ../err && test_grep "a link leads out of m: $1" ../err
	)
}

test_expect_success 'a run that read such data counts for no result' '
	refused_by m/w.bin "$TRASH/disk/w.bin" &&
	refused_by m/sub/deep/up ../../../m/own &&
	refused_by m/sub/x "../deep/../../sub/../../own"
'

test_expect_success 'one that was only tracked beside it does' '
	(
		cd work && git checkout -q -f -B try main && git deepops checkout -q -f && find m -type l -delete &&
		ln -s /etc/passwd m/p && git deepops track -q m 2>/dev/null && git commit -q -m link && echo 77 >seed && git commit -q -am seed &&
		git deepops run -i in.txt -m metrics.json -- sh train.sh && git add metrics.json && git commit -q -m r &&
		git push -q origin try:main && git checkout -q -f main && git reset -q --hard try && git deepops checkout -q -f
	)
'

test_expect_success 'a dataset that became a link: said, and the others are shown' '
	(
		cd work && mkdir -p other/a && echo 1 >other/a/1 && git deepops track -q other/a && git commit -q -m other &&
		mv m m.away && ln -s m.away m && echo 2 >other/a/2 &&
		git deepops status >../out 2>../err && test_grep "^unreadable *m$" ../out &&
		test_grep "^modified *other/a" ../out && test_grep "warning: .m. is a symbolic link" ../err &&
		test_grep "hint: .*mount --bind" ../err &&
		test_expect_code 1 git deepops status --exit-code >../out 2>&1 &&
		git deepops status --json 2>/dev/null >../out && test_grep "\"unreadable\"" ../out &&
		git deepops diff >../out 2>../err && test_grep "other/a/2" ../out && test_grep "warning: .m. is a symbolic link" ../err &&
		test_expect_code 128 git deepops track m 2>../err && test_grep "fatal: .m. is a symbolic link" ../err &&
		test_expect_code 128 git deepops checkout 2>../err && test_grep "fatal: .m. is a symbolic link" ../err &&
		rm m && mv m.away m
	)
'

test_expect_success 'a directory above that became a link: the same' '
	(
		cd work && mv other ../elsewhere && ln -s ../elsewhere other &&
		git deepops status >../out 2>../err && test_grep "^clean *m$" ../out && test_grep "^unreadable *other/a" ../out &&
		test_grep "lies behind a symbolic link, .other." ../err && test_grep "hint: git follows no link .*mount --bind" ../err &&
		git deepops diff 2>../err >../out && test_grep "lies behind a symbolic link, .other." ../err &&
		for command in "track other/a" "track other/b" "checkout other/a"; do
			# shellcheck disable=SC2086 # words
			test_expect_code 128 git deepops $command 2>../err &&
			test_grep "lies behind a symbolic link, .other." ../err && test_grep ! "git checkout --" ../err || exit 1
		done
	)
'

test_done
