#!/bin/sh
test_description='git deepops run: signals, the terminal, and streams that are closed or full'
. "${0%/*}/test-lib.sh"

terminal () {
	"$TEST_PYTHON" "$TESTS_DIR/helper/terminal" "$@" >"$TRASH/shown" 2>&1 || {
		cat "$TRASH/shown"
		return 1
	}
}

# Nothing is left behind: every run is in the journal, none waits for recover.
all_recorded () {
	git deepops recover 2>"$TRASH/err" && test_grep "nothing to recover" "$TRASH/err"
}

# What is typed must not hold the text that is waited for: the commands are scripts.
test_expect_success 'set up' '
	git init repo && ( cd repo && test_commit one ) &&
	cat >count.py <<-\END &&
	import os, signal, time
	signal.signal(signal.SIGINT, lambda *a: os.write(1, b"interrupted\n"))
	print("ready now", flush=True)
	end = time.monotonic() + 1
	while time.monotonic() < end:
	    time.sleep(0.1)
	print("to the end", flush=True)
	END
	echo "echo up; exec sleep 30" >long &&
	echo "echo up; sleep 1; echo ended" >short &&
	echo "read x; echo got \$x; read y; echo then \$y" >ask &&
	echo "read x </dev/tty; echo got \$x" >ask-tty &&
	echo "echo up >&2; sleep 1; echo data" >quiet &&
	echo "read key </dev/tty; echo key \$key; cat" >pager &&
	echo "for i in 1 2 3; do echo turn \$i; git deepops run --no-data -- sh ../long; done" >loop
'

test_expect_success '^C ends the command, and the loop around it' '
	( cd repo && terminal "> . ../loop" "< turn 1" "< up" "> ^C" "< signal 2" "< \$ " \
		"> echo still\"\" here" "< still here" &&
	  test_grep ! "turn 2" ../shown && all_recorded )
'

test_expect_success '^C reaches the command once, whoever passes it on' '
	( cd repo && terminal "> git deepops run --no-data -- $TEST_PYTHON ../count.py" \
		"< ready now" "> ^C" "< to the end" "< ok in" &&
	  test "$(grep -c interrupted ../shown)" -eq 1 && all_recorded )
'

test_expect_success '^Z stops run and command, fg goes on with both' '
	( cd repo && terminal "> git deepops run --no-data -- sh ../short" \
		"< up" "> ^Z" "< Stopped" "> fg" "< ended" "< ok in" && all_recorded )
'

test_expect_success 'a command that reads the terminal gets it, and gives it back' '
	( cd repo && terminal "> git deepops run --no-data -- sh ../ask" \
		"> one" "< got one" "> ^Z" "< Stopped" "> fg" "> two" "< then two" "< ok in" \
		"> echo still\"\" here" "< still here" &&
	  terminal "> git deepops run --no-data -- sh ../ask-tty </dev/null" \
		"> one" "< got one" "< ok in" && all_recorded )
'

test_expect_success 'a job in the background that wants the terminal stops, fg gives it' '
	( cd repo && terminal "> git deepops run --no-data -- sh ../ask-tty &" \
		"> sleep 1; jobs" "< Stopped" "> fg" "> one" "< got one" "< ok in" && all_recorded )
'

test_expect_success 'a pager beside it can read the keys' '
	( cd repo && terminal "> git deepops run --no-data -- sh ../quiet | sh ../pager" \
		"< up" "> k1" "< key k1" "< \$ " &&
	  test_grep "^data" ../shown && all_recorded )
'

test_expect_success 'a signal reaches the command though nobody reads its output' '
	mkfifo pipe &&
	{ ( cd repo && exec git-deepops run --no-data -- sh -c "echo >../up; exec yes" >../pipe 2>../err ) & } &&
	pid=$! &&
	exec 7<pipe &&
	{ until test -s up; do sleep 0.05; done } &&
	sleep 0.3 && kill -TERM $pid &&
	test_expect_code 143 wait $pid &&
	exec 7<&- &&
	( cd repo && all_recorded )
'

test_expect_success 'closed streams do not matter, and full ones are said' '
	(
		cd repo &&
		git-deepops run --no-data -- cat <&- &&
		git-deepops run --no-data -- echo x >&- &&
		git-deepops run --no-data -- sh -c "echo x; echo y >&2" <&- >&- 2>&- &&
		git-deepops run --no-data -- sh -c "echo x; sleep 0.2; echo y; echo z >../went-on" >/dev/full 2>../err &&
		test_grep "warning: stdout: No space left on device" ../err &&
		test_path_is_file ../went-on &&
		git deepops logs $(git deepops runs --csv --columns run -n 1 | sed -n 2p) >../got &&
		printf "x\ny\n" >../want && test_cmp ../want ../got
	)
'

test_expect_success 'what the command leaves in the background does not hold it up, and is said' '
	(
		cd repo &&
		git-deepops run --no-data --title left -- sh -c "sleep 20 & echo \$! >../left; echo done" >../got 2>../err &&
		kill $(cat ../left) &&
		echo done >../want && test_cmp ../want ../got &&
		test_grep "warning: .*still runs" ../err &&
		git deepops runs --where "title=left AND wall_ms<1500" --csv --columns run >../got &&
		test_line_count = 2 ../got
	)
'

test_expect_success 'much output of both streams arrives whole and in order' '
	(
		cd repo &&
		test_seq 400000 >../want &&
		git-deepops run --no-data -- sh -c "cat ../want; cat ../want >&2" 2>../err | cat >../got &&
		test_cmp_bin ../want ../got &&
		grep -v "^run " ../err >../got.err && test_cmp_bin ../want ../got.err
	)
'

test_done
