#!/bin/sh
test_description='a hostile client gets one clear answer and leaves nothing in the store'
. "${0%/*}/test-lib.sh"

hostile=$TESTS_DIR/helper/hostile-client

remote () {
	"$DEEPOPS_BUILD/helper/remote" "$@"
}

test_expect_success 'setup: a store with something in it' '
	git init -q --bare p.git &&
	test_bytes 5000 1 >f &&
	remote p.git put=f commit &&
	(cd p.git/deepops/packs && find . -type f | sort) >packs
'

mkdir cases && "$hostile" cases || exit 1
while read -r name words; do
	test_expect_success "$name" '
		test_file_not_empty cases/'"$name"' &&
		{ timeout 20 git-deepops-serve p.git <cases/'"$name"' >out 2>err; echo $? >rc; } &&
		echo 128 >want &&
		test_cmp want rc &&
		test_line_count = 1 err &&
		test_grep -E "^fatal: .*('"$words"')" err &&
		sed "s/^fatal: //" err >told &&
		test_grep -a -F "$(cut -c1-60 told)" out
	'
done <cases/list

test_expect_success 'the store holds what it held, and works' '
	(cd p.git/deepops/packs && find . -type f | sort) >after &&
	test_cmp packs after &&
	remote p.git get=f root=f >out &&
	printf "%s\n" same complete >want &&
	test_cmp want out &&
	find p.git/deepops/incoming -type f -name "[0-9]*" >left &&
	test_must_be_empty left
'

# The most memory, in KiB, that the server had after two seconds of endless frames.
flooded () {
	"$hostile" -g | git-deepops-serve p.git >out 2>err &
	server=$!
	sleep 2
	sed -n "s/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p" /proc/$server/status
	kill $server
}

test_expect_success 'a client that sends without end does not fill memory' '
	flooded >most &&
	test_must_be_empty err &&
	test "$(cat most)" -gt 0 &&
	test "$(cat most)" -lt 200000
'

# left PATTERN: a client that said what is in `said`, and then nothing and does not go away, is left.
left () {
	rm -f line && mkfifo line && exec 8<>line && cat said >&8 &&
	{ timeout 20 git-deepops-serve --idle 1 p.git <line >out 2>err 8<&-; echo $? >rc; } &&
	exec 8<&- && echo 128 >want && test_cmp want rc && test_grep "^fatal: $1" err && test_grep -a "$1" out
}

test_expect_success 'a client that says nothing, or half of something, is left' '
	: >said && left "no HELLO came in time" &&
	head -c 20 cases/unknown-type >said && left "no HELLO came in time" &&
	"$hostile" -b >said && left "no whole message came for 1 seconds" &&
	"$hostile" -h >said && left "no whole message came for 1 seconds"
'

# A PING every 0.3 s into `line`, for as long as somebody reads.
keep_asking () {
	while printf "\005\0\0\0\016\0\0\0x"
	do
		sleep 0.3
	done >&8 2>/dev/null &
	asker=$!
}

test_expect_success 'a client that keeps a session and only asks is left, too' '
	"$hostile" -b >said && rm -f line && mkfifo line && exec 8<>line && cat said >&8 && keep_asking &&
	{ timeout 20 git-deepops-serve --idle 1 p.git <line >out 2>err 8<&-; echo $? >rc; } &&
	kill $asker && exec 8<&- && echo 128 >want && test_cmp want rc &&
	test_grep "^fatal: a session in which nothing was put for 4 seconds" err
'

test_expect_success 'a client that asks without end and reads nothing does not fill memory' '
	rm -f stuck && mkfifo stuck && exec 8<>stuck &&
	"$hostile" -p | { timeout 20 git-deepops-serve --idle 1 p.git >stuck 2>err; echo $? >rc; } &&
	exec 8<&- && echo 128 >want && test_cmp want rc && test_grep "^fatal: the other side takes no more bytes" err
'

test_expect_success 'and nothing of all that holds the store' '
	git -C p.git deepops fsck --repair && remote p.git get=f >out && echo same >want && test_cmp want out
'

test_done
