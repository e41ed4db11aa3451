# shellcheck shell=sh
# lib-stop.sh - two commands at once, the one waiting in the middle of its work for the other
#
#	. "$TESTS_DIR/lib-stop.sh"
#
#	begin track-committed git deepops track data &&	runs until it gets there
#	git deepops gc &&				meanwhile
#	go_on						its exit status

# The stopped command, and those of a test that failed, must not outlive the script.
stop_end_ () {
	test -n "${stop_pid_-}" || return 0
	: >"$TEST_ROOT/stop.go"
	wait "$stop_pid_"
	stop_pid_=
}
test_atexit stop_end_

# begin POINT[:N] COMMAND...: in the background, until its Nth passage of that point.
# Fails if it ends before.  What it prints is in $TEST_ROOT/stop.log.
begin () {
	stop_end_
	stop_point_=$1
	shift
	rm -f "$TEST_ROOT/stop.here" "$TEST_ROOT/stop.go"
	DEEPOPS_STOP_AT=$stop_point_ DEEPOPS_STOP_FILE=$TEST_ROOT/stop "$@" >"$TEST_ROOT/stop.log" 2>&1 &
	stop_pid_=$!
	while ! test -e "$TEST_ROOT/stop.here"
	do
		if ! kill -0 "$stop_pid_" 2>/dev/null
		then
			echo "ended before $stop_point_" >&2
			cat "$TEST_ROOT/stop.log" >&2
			stop_pid_=
			return 1
		fi
		sleep 0.02
	done
}

# Let it go on to its end; its exit status.
go_on () {
	: >"$TEST_ROOT/stop.go"
	wait "$stop_pid_"
	stop_rc_=$?
	stop_pid_=
	cat "$TEST_ROOT/stop.log"
	return $stop_rc_
}
