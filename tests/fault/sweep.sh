# shellcheck shell=sh
# sweep.sh - fail each system call of a command in turn; sourced after test-lib.sh
#
#	. "$TESTS_DIR/../fault/sweep.sh"
#
#	test_expect_success 'track survives' '
#		fault_sweep git-deepops "fsync:%:28 write:%:28 rename:%:kill" \
#			"rm -rf repo && cp -a start repo" \
#			"git -C repo deepops track data" \
#			"git -C repo deepops fsck && git -C repo deepops track data && ..."
#	'
#
# fault_sweep PROGRAM FAULTS SETUP COMMAND CHECK
#
# For each fault and n = 1, 2, ... in place of %: run SETUP, then COMMAND with
# the nth call of PROGRAM failing, then CHECK without a fault; until n is beyond
# the last such call.  COMMAND must end with 128 and `fatal: ` something after an
# errno, with 137 after `kill` and with 0 after `short`; 0 is also right after an
# errno if the call did not matter (closing what was read, removing a temporary file), and
# CHECK then must find everything done: $fault_status tells it.  CHECK is run by a shell of its
# own with -e, so the first command in it that fails ends it.
#
# $FAULT_STEP=1 tries every n, which takes minutes; by default n is 1, 3, 7, 15, ..., so that
# the suite stays short.
#
# A fault that never hits is an error, except with $FAULT_MAY_MISS=t, for a set of faults that
# serves several commands: look at $fault_hits then.
#
# A fault in a server is felt by the client: with PROGRAM git-deepops-serve, 128 is right
# after `kill`, and 0 if the answer was given before.

fault_hits=0 # of all sweeps in this script

# A run that hangs ends with 124, which is never right.
fault_run_ () {
	rm -f "$TRASH/fault.hit" &&
	# Fsyncs must happen to fail.  A sanitizer wants to be loaded first, and can't.
	env -u DEEPOPS_FSYNC LD_PRELOAD="$FAULT_LIB" DEEPOPS_FAULT="$2" DEEPOPS_FAULT_IN="$1" \
		DEEPOPS_FAULT_HIT="$TRASH/fault.hit" \
		ASAN_OPTIONS="verify_asan_link_order=0:$ASAN_OPTIONS" \
		timeout 60 sh -c "$3" >"$TRASH/fault.out" 2>"$TRASH/fault.err"
}

# Is the exit status right for what was done? fault_judge_ PROGRAM FAULT STATUS
fault_judge_ () {
	case $1:$2:$3 in
	*-serve:*:kill:137) ;;
	*:kill:137 | *:short:0 | *-serve:*:0) return 0 ;;
	*-serve:*:kill:128) grep -q '^fatal: .' "$TRASH/fault.err" && return 0 ;;
	*:kill:* | *:short:*) ;;
	*:0) return 0 ;;
	*:128) grep -q '^fatal: .' "$TRASH/fault.err" && return 0 ;;
	esac
	echo "# $2: exit status $3"
	sed 's/^/#	/' "$TRASH/fault.err"
	return 1
}

fault_one_ () {
	(eval "$3") >"$TRASH/fault.setup" 2>&1 || {
		echo "# $2: setting up"
		cat "$TRASH/fault.setup"
		return 1
	}
	fault_run_ "$1" "$2" "$4"
	fault_status=$?
	test -e "$TRASH/fault.hit" || return 0
	fault_hits=$((fault_hits + 1))
	echo "$2: exit status $fault_status"
	fault_judge_ "$1" "$2" "$fault_status" || return 1
	# A shell of its own: here, on the left of an ||, `set -e` would mean nothing.
	fault_status=$fault_status sh -ec "$5" >"$TRASH/fault.check" 2>&1 && return 0
	echo "# $2: exit status $fault_status, and what was checked then:"
	cat "$TRASH/fault.err" "$TRASH/fault.check"
	return 1
}

fault_sweep () {
	for fault_ in $2; do
		fault_n_=1
		while :; do
			fault_this_=${fault_%%%*}$fault_n_${fault_#*%}
			fault_one_ "$1" "$fault_this_" "$3" "$4" "$5" || return 1
			test -e "$TRASH/fault.hit" || break
			fault_n_=$((fault_n_ + ${FAULT_STEP:-$((fault_n_ + 1))}))
		done
		# A fault that never happened shows nothing: a misspelt call, a wrong program.
		if test "$fault_n_" -eq 1 && test -z "${FAULT_MAY_MISS-}"; then
			echo "# $fault_ never hit $1"
			return 1
		fi
	done
}
