#!/bin/sh
test_description='many datasets in one command, and several commands at once'
. "${0%/*}/test-lib.sh"

test_expect_success 'a repository' '
	git init -q repo && cd repo && git deepops init >/dev/null &&
	for i in 1 2 3 4 5 6 7 8; do mkdir d$i && test_bytes 100000 $i >d$i/f || return 1; done
'

test_expect_success 'eight at once: all are tracked, ignored and staged' '
	(
		cd repo &&
		for i in 1 2 3 4 5 6 7 8; do
			{ git deepops track d$i >../out$i 2>../err$i; echo $? >../rc$i; } &
		done
		wait
		for i in 1 2 3 4 5 6 7 8; do
			test "$(cat ../rc$i)" = 0 && grep "^tracked d$i" ../out$i && grep "^/d$i$" .gitignore &&
			grep "^/d$i$" .git/info/exclude && git ls-files --error-unmatch d$i.deepops ||
			{ cat ../err$i >&2; exit 1; }
		done &&
		git add -A && git ls-files d1 d2 d3 d4 d5 d6 d7 d8 >../out && test_must_be_empty ../out
	)
'

test_expect_success 'an index that somebody else has locked is waited for' '
	(
		cd repo && echo 1 >d1/g && : >.git/index.lock && { (sleep 1; rm .git/index.lock) & } &&
		git deepops track d1 && git diff --cached --name-only >../out && test_grep "^d1.deepops$" ../out && wait
	)
'

# How often git was asked, whatever for.
test_expect_success 'a hundred in one command: git is not asked a hundred times' '
	real=$(command -v git) && mkdir bin &&
	printf "#!/bin/sh\necho \"\$*\" >>\"%s\"\nexec \"%s\" \"\$@\"\n" "$TRASH/asked" "$real" >bin/git && chmod +x bin/git &&
	(
		cd repo && mkdir many && for i in $(test_seq 100); do echo $i >many/$i || exit 1; done &&
		PATH="$TRASH/bin:$PATH" git-deepops track many/* >../out && test_line_count = 100 ../out &&
		test_line_count -lt 12 ../asked && test "$(grep -c ^/many/ .gitignore)" = 100 &&
		git status --porcelain -uall many >../out && test "$(grep -c "^A  many/.*deepops$" ../out)" = 100 &&
		test_line_count = 100 ../out
	)
'

test_expect_success 'one in another, both named now: refused' '
	(
		cd repo && mkdir -p x/y && echo 1 >x/y/1 &&
		for order in "x x/y" "x/y x"; do
			# shellcheck disable=SC2086 # two words
			test_expect_code 128 git deepops track $order 2>../err && test_grep "lies in" ../err || exit 1
		done && test_path_is_missing x.deepops
	)
'

test_done
