#!/bin/sh
test_description='no name of a repository reaches the terminal raw, and commands to paste do what they say'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

esc=$(printf '\033') bel=$(printf '\007')

# A dataset whose name is a command, and one with a byte that some terminal obeys and .gitignore can hold.
test_expect_success 'datasets with hostile names' '
	new_pair pair >/dev/null && cd pair &&
	evil="x;touch PASTED;#" && quote="it'\''s \$(touch PASTED)" && c1="$(printf "c\302\233m1")" && raw="$(printf "r\233\220")" &&
	for name in "$evil" "$quote" "$c1" "$raw"; do
		mkdir "./$name" && echo 1 >"./$name/1" && printf "%s\n" "$name" >>../names || return 1
	done &&
	git deepops track -- "$evil" "$quote" "$c1" "$raw" >../out 2>../err && git commit -q -m one && git push -q origin main 2>>../err &&
	cat ../out >>../err && test_grep ! "$(printf "\302\233")" ../err
'

# clean COMMAND...: whatever its exit code, no byte below a blank but line ends and tabs, no C1 character.
clean () {
	"$@" >"$TRASH/said" 2>&1
	perl -0777 -ne "exit(/[\\x00-\\x08\\x0b-\\x1f\\x7f]|\\xc2[\\x80-\\x9f]/)" "$TRASH/said" || {
		cat -v "$TRASH/said" >&4
		return 1
	}
}

# pasted COMMAND...: the hints that it gives, run as they stand, make no file PASTED.
pasted () {
	"$@" >"$TRASH/said" 2>&1
	sed -n -e "s/^hint: \(git [^;(]*.*\)/\1/p" -e "s/^ *mend: //p" "$TRASH/said" >"$TRASH/hints"
	test_file_not_empty "$TRASH/hints" && (cd "$TRASH/pair" && bash "$TRASH/hints" >/dev/null 2>&1)
	test_path_is_missing "$TRASH/pair/PASTED"
}

test_expect_success 'every command that names them' '
	(
		cd pair && while read -r name; do echo 2 >>"$name/1"; done <../names &&
		for command in status "status --json" diff "diff --stat" doctor "doctor --json" ls du "drop ." "track ." checkout \
			"checkout -n -f" "checkout -f" "drop --force ." pull fetch "run --no-data -n -- true" "fsck" "untrack ." push
		do
			# shellcheck disable=SC2086 # words
			clean git deepops $command || { echo "$command"; exit 1; }
		done
	)
'

test_expect_success 'what is to be pasted is quoted' '
	(
		cd pair && git checkout -q -f main && git deepops checkout -q -f &&
		while read -r name; do echo 3 >>"$name/1"; done <../names &&
		pasted git deepops drop -- "x;touch PASTED;#" && test_grep "git deepops track .x;touch" ../said &&
		pasted git deepops drop -- "it'\''s \$(touch PASTED)" &&
		pasted git deepops track -- "x;touch PASTED;#/1" && pasted git deepops cat "x;touch PASTED;#" &&
		pasted git deepops untrack -- "x;touch PASTED;#/1" &&
		git checkout -q -f main && git deepops checkout -q -f && git add -f "x;touch PASTED;#/1" &&
		pasted git deepops status && pasted git deepops doctor --offline &&
		git add -f "it'\''s \$(touch PASTED)/1" && pasted git deepops track -- "it'\''s \$(touch PASTED)" && git reset -q &&
		rm "x;touch PASTED;#.deepops" && pasted git deepops status &&
		git checkout -q -f main && printf "<<<<<<< x\n" >"x;touch PASTED;#.deepops" && pasted git deepops status
	)
'

# What "less" or "cat" would do with it is theirs; here a terminal is written to.
test_expect_success BASH 'logs: to a terminal go text and colours, to a file all bytes' '
	(
		cd pair && git checkout -q -f main && git deepops checkout -q -f &&
		printf "a\033[31mred\033[0m\033]0;title\007\033[2Jb\302\233c\302\251\r\033[1;2" >bytes &&
		git deepops run --no-data -- cat bytes >/dev/null &&
		run=$(git deepops runs --csv --columns run -n 1 | sed -n 2p) &&
		git deepops logs "$run" >../out && cmp bytes ../out &&
		script -q -c "git deepops logs $run" /dev/null </dev/null >../seen &&
		test_grep "a$esc\[31mred$esc\[0m?\]0;title??\[2Jb?c" ../seen && test_grep "$(printf "\302\251")" ../seen &&
		test_grep ! "$bel" ../seen
	)
'

test_done
