# shellcheck shell=sh
# test-lib.sh - what every end-to-end test starts with
#
#	#!/bin/sh
#	test_description='what this file shows'
#	. "${0%/*}/test-lib.sh"
#
#	test_expect_success 'a pointer is written' '
#		git init repo &&
#		(
#			cd repo &&
#			test_commit one &&
#			git deepops track data
#		)
#	'
#	test_done
#
# Prints TAP for prove(1).  A script runs from any directory; its tests run in
# $TRASH, an empty directory of its own, with an isolated HOME, a fixed identity,
# a fixed clock and the binaries of $DEEPOPS_BUILD (default: build/) first in PATH.
# The output of a test is shown when it fails.  Each body must be one &&-chain.
#
# Flags: -v shows all output, -x traces the bodies, -d keeps and names the
# directory, -i stops at the first failure, --run=N,M runs those tests only
# ("--run=1,7").

TESTS_DIR=$(cd "$(dirname "$0")" && pwd -P) || exit 1
TOP_DIR=$(cd "$TESTS_DIR/../.." && pwd -P) || exit 1
DEEPOPS_BUILD=${DEEPOPS_BUILD:-$TOP_DIR/build}
case $DEEPOPS_BUILD in
/*) ;;
*) DEEPOPS_BUILD=$TOP_DIR/$DEEPOPS_BUILD ;;
esac

unset test_verbose_ test_trace_ test_keep_ test_stop_ test_only_
for test_arg_; do
	case $test_arg_ in
	-v) test_verbose_=t ;;
	-x) test_trace_=t test_verbose_=t ;;
	-d) test_keep_=t ;;
	-i) test_stop_=t ;;
	--run=*) test_only_=,${test_arg_#--run=}, ;;
	*) echo "usage: $0 [-v] [-x] [-d] [-i] [--run=N,M]" >&2; exit 129 ;;
	esac
done

test_name_=$(basename "$0" .sh)
TEST_ROOT=$(mktemp -d "${TMPDIR:-/tmp}/deepops-${test_name_%%-*}.XXXXXX") || exit 1
TEST_ROOT=$(cd "$TEST_ROOT" && pwd -P) || exit 1
TRASH=$TEST_ROOT/trash
mkdir "$TRASH" "$TEST_ROOT/home" || exit 1

# Nothing of the caller's configuration reaches a test.
for test_var_ in $(env | sed -n 's/^\(GIT_[A-Z0-9_]*\|DEEPOPS_[A-Z0-9_]*\|XDG_[A-Z_]*\)=.*/\1/p'); do
	case $test_var_ in
	DEEPOPS_BUILD | DEEPOPS_MAKE) ;;
	*) unset "$test_var_" ;;
	esac
done
unset SSH_AUTH_SOCK SSH_AGENT_PID SSH_ASKPASS CDPATH PAGER VISUAL MAKEFLAGS MFLAGS MAKELEVEL
# LD_PRELOAD takes no path with a blank in it.
FAULT_LIB=$TEST_ROOT/faultsys.so
ln -s "$DEEPOPS_BUILD/fault/faultsys.so" "$FAULT_LIB" || exit 1
export TESTS_DIR TOP_DIR DEEPOPS_BUILD TEST_ROOT TRASH
export HOME="$TEST_ROOT/home" PATH="$DEEPOPS_BUILD:$PATH"
export LC_ALL=C TZ=UTC TERM=dumb EDITOR=: PAGER=cat
# `make` with the variables of the build under test.
export DEEPOPS_MAKE="${DEEPOPS_MAKE:-make}"
# The packages of apt belong to this Python, whatever else PATH offers.
export TEST_PYTHON="${TEST_PYTHON:-/usr/bin/python3}"
# Nobody pulls the plug of a test; those that pretend to sync.
export DEEPOPS_FSYNC=0 GIT_TEST_FSYNC=0
export GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 GIT_EDITOR=: GIT_MERGE_AUTOEDIT=no
export GIT_CEILING_DIRECTORIES="$TEST_ROOT"
export GIT_AUTHOR_NAME='A U Thor' GIT_AUTHOR_EMAIL=author@example.org
export GIT_COMMITTER_NAME='C O Mitter' GIT_COMMITTER_EMAIL=committer@example.org
cat >"$HOME/.gitconfig" <<\END
[init]
	defaultBranch = main
[advice]
	detachedHead = false
[protocol "file"]
	allow = always
END
umask 022

# 3 and 4: where a body's stdout and stderr go; 5: TAP.
exec 5>&1
if test -n "${test_verbose_-}"; then
	exec 3>&2 4>&2
else
	exec 3>>"$TEST_ROOT/out" 4>&3
fi

test_count=0 test_failed_=0 test_finished_='' test_cleanup_='' test_atexit_=:

test_exit_ () {
	test_rc_=$?
	trap - EXIT
	cd / && eval "$test_atexit_" >&3 2>&4
	if test -n "${test_keep_-}"; then
		echo "# kept: $TEST_ROOT" >&5
	else
		# A server's hook may still be writing its notes behind a push that is over.
		test_try_=50
		while chmod -R u+rwx "$TEST_ROOT" 2>/dev/null
			! rm -rf "$TEST_ROOT" 2>/dev/null && test $((test_try_ -= 1)) -gt 0
		do
			sleep 0.1
		done
	fi
	if test -z "$test_finished_"; then
		echo "Bail out! $test_name_ ended before test_done" >&5
		test "$test_rc_" -ne 0 || test_rc_=1
	fi
	exit "$test_rc_"
}
trap test_exit_ EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Run `$1` when the script ends, last registered first: servers are stopped here.
test_atexit () {
	test_atexit_="$1
$test_atexit_"
}

# Run the command after the current test, also when it fails.  If it fails itself,
# the test fails.
test_when_finished () {
	test_cleanup_="{ $*
} && (exit \"\$test_eval_\"); test_eval_=\$?; $test_cleanup_"
}

# Advance the fixed clock by a minute and export it as git's dates.
test_tick () {
	test_clock_=$((${test_clock_:-1700000000} + 60))
	export GIT_COMMITTER_DATE="$test_clock_ +0000" GIT_AUTHOR_DATE="$test_clock_ +0000"
}
test_tick

# test_commit MESSAGE [FILE [CONTENT]]: one commit that writes FILE (MESSAGE.t).
test_commit () {
	test_tick &&
	printf '%s\n' "${3-$1}" >"${2-$1.t}" &&
	git add -- "${2-$1.t}" &&
	git commit -q -m "$1"
}

# test_seq N: a file full of numbers, as cheap content of a known size.
test_seq () {
	seq 1 "$1"
}

# test_bytes N SEED: N bytes, incompressible, the same for the same seed.
test_bytes () {
	perl -e '
		my ($n, $s) = @ARGV;
		$s = ($s * 2654435761 + 88172645463325252) & 0xffffffffffffffff;
		binmode STDOUT;
		while ($n > 0) {
			my $b = "";
			for (1 .. 1024) {
				$s ^= ($s << 13) & 0xffffffffffffffff;
				$s ^= $s >> 7;
				$s ^= ($s << 17) & 0xffffffffffffffff;
				$b .= pack("Q<", $s);
			}
			print substr($b, 0, $n < 8192 ? $n : 8192);
			$n -= 8192;
		}' "$1" "$2"
}

# The tests' own word for the other side: prints why and fails.
test_fail_ () {
	echo "$*" >&4
	return 1
}

# The command must fail as a program that found a reason does, not crash or be missing.
test_must_fail () {
	"$@"
	test_rc_=$?
	case $test_rc_ in
	0) test_fail_ "should have failed: $*" ;;
	126 | 127) test_fail_ "cannot be run ($test_rc_): $*" ;;
	12[89]) return 0 ;;
	*)
		test "$test_rc_" -lt 128 ||
			test_fail_ "died by signal $((test_rc_ - 128)): $*"
		;;
	esac
}

# The command's exit code must be exactly $1.
test_expect_code () {
	test_want_=$1
	shift
	"$@"
	test_rc_=$?
	test "$test_rc_" -eq "$test_want_" ||
		test_fail_ "exit code $test_rc_, not $test_want_: $*"
}

# Files are equal: test_cmp EXPECTED ACTUAL.
test_cmp () {
	diff -u "$1" "$2"
}

test_cmp_bin () {
	cmp "$1" "$2"
}

# test_grep [!] [GREP-OPTIONS] PATTERN FILE: shows the file where the answer is wrong.
test_grep () {
	test_not_=
	if test "$1" = '!'; then
		test_not_=t
		shift
	fi
	for test_file_; do :; done
	test -f "$test_file_" || {
		test_fail_ "test_grep: no file $test_file_"
		return 1
	}
	if grep "$@" >/dev/null; then
		test -z "$test_not_" && return 0
		test_fail_ "unwanted match: grep $*"
	else
		test -n "$test_not_" && return 0
		test_fail_ "no match: grep $*"
	fi
	sed 's/^/	| /' "$test_file_" >&4
	return 1
}

test_path_is_file () {
	test -f "$1" || test_fail_ "not a file: $1"
}

test_path_is_dir () {
	test -d "$1" || test_fail_ "not a directory: $1"
}

test_path_is_symlink () {
	test -h "$1" || test_fail_ "not a symbolic link: $1"
}

test_path_exists () {
	test -e "$1" || test_fail_ "missing: $1"
}

test_path_is_missing () {
	if test -e "$1" || test -h "$1"; then
		test_fail_ "should not exist: $1"
	fi
}

test_file_not_empty () {
	test -s "$1" || test_fail_ "missing or empty: $1"
}

test_must_be_empty () {
	test -f "$1" || {
		test_fail_ "not a file: $1"
		return 1
	}
	test ! -s "$1" || {
		sed 's/^/	| /' "$1" >&4
		test_fail_ "should be empty: $1"
	}
}

# test_line_count OP N FILE, as in: test_line_count = 3 out
test_line_count () {
	test_lines_=$(wc -l <"$3") &&
	test "$test_lines_" "$1" "$2" || {
		test_fail_ "$3 has $test_lines_ lines, not $1 $2"
		sed 's/^/	| /' "$3" >&4
		return 1
	}
}

# test_config KEY VALUE: for this test only.
test_config () {
	test_when_finished "git -C '$(pwd)' config --unset-all '$1'" &&
	git config "$1" "$2"
}

# Run a command to which permissions apply, also when the tests run as root:
# uid 0 without capabilities obeys mode bits.
test_unprivileged () {
	if test "$(id -u)" -eq 0; then
		setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"
	else
		"$@"
	fi
}

# test_need NAME 'COMMAND' 'what to install': prerequisite NAME holds if the command
# succeeds.  It runs once, when the first test asks.
test_need () {
	eval "test_probe_$1=\$2 test_reason_$1=\$3 test_have_$1="
}

test_have_prereq () {
	for test_p_ in $(echo "$1" | tr , ' '); do
		eval "test_state_=\$test_have_$test_p_"
		if test -z "$test_state_"; then
			eval "eval \"\$test_probe_$test_p_\"" >/dev/null 2>&1 </dev/null
			test_state_=$?
			eval "test_have_$test_p_=$test_state_"
		fi
		if test "$test_state_" -ne 0; then
			test_missing_=$test_p_
			return 1
		fi
	done
}

test_need SSHD 'test -x /usr/sbin/sshd && command -v ssh' 'openssh-server and openssh-client'
test_need NUMPY '"$TEST_PYTHON" -c "import numpy"' python3-numpy
test_need PYTORCH '"$TEST_PYTHON" -c "import torch"' python3-torch
test_need FASHION 'test -d /usr/share/datasets/fashion-mnist' dataset-fashion-mnist
test_need ASCIIDOCTOR 'command -v asciidoctor' asciidoctor
test_need BASH 'command -v bash' bash
test_need ZSH 'command -v zsh' zsh
test_need GROFF 'command -v groff' groff-base

# One test: [PREREQ[,PREREQ]] TITLE BODY.
test_expect_success () {
	test_need_=
	if test $# -eq 3; then
		test_need_=$1
		shift
	fi
	test $# -eq 2 || {
		echo "Bail out! test_expect_success takes two or three arguments" >&5
		exit 1
	}
	test_count=$((test_count + 1))
	case ${test_only_-} in
	'' | *,"$test_count",*) ;;
	*) echo "ok $test_count - $1 # SKIP by --run" >&5; return 0 ;;
	esac
	if ! test_have_prereq "$test_need_"; then
		eval "test_reason_=\${test_reason_$test_missing_-}"
		echo "ok $test_count - $1 # SKIP needs $test_missing_${test_reason_:+ ($test_reason_)}" >&5
		return 0
	fi
	test -n "${test_verbose_-}" || : >"$TEST_ROOT/out"
	test_run_ "$2"
	if test "$test_eval_" -eq 0; then
		echo "ok $test_count - $1" >&5
		return 0
	fi
	test_failed_=$((test_failed_ + 1))
	echo "not ok $test_count - $1" >&5
	printf '%s\n' "$2" | sed 's/^/#	/' >&5
	if test -z "${test_verbose_-}"; then
		tail -n 60 "$TEST_ROOT/out" | sed 's/^/# | /' >&5
	fi
	test -z "${test_stop_-}" || exit 1
}

# The body runs in this shell, in $TRASH, so that variables it sets stay.  First
# the chain is tried with a status no command gives: a broken && would lose it.
test_run_ () {
	cd "$TRASH" || exit 1
	test_cleanup_=
	eval "(exit 117) && $1" </dev/null >/dev/null 2>&1
	test_eval_=$?
	if test "$test_eval_" -ne 117; then
		echo "broken &&-chain, or a syntax error" >&4
		test_eval_=1
		return
	fi
	if test -n "${test_trace_-}"; then
		test_trace_run_ "$1" </dev/null >&3 2>&4
	else
		eval "$1" </dev/null >&3 2>&4
	fi
	test_eval_=$?
	cd "$TRASH" || exit 1
	eval "$test_cleanup_" </dev/null >&3 2>&4
}

test_trace_run_ () {
	set -x
	eval "$1"
	{
		test_traced_=$?
		set +x
	} 2>/dev/null
	return "$test_traced_"
}

# skip_all REASON: nothing here can run on this machine.
skip_all () {
	echo "1..0 # SKIP $1" >&5
	test_finished_=t
	exit 0
}

test_done () {
	test_finished_=t
	echo "1..$test_count" >&5
	test "$test_failed_" -eq 0
	exit $?
}

cd "$TRASH" || exit 1
