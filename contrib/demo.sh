#!/bin/sh
# demo.sh - the whole path on real data: track, run, two refused pushes, their mends,
# the accepted one, and a rerun from a fresh clone
#
# Runs in a scratch directory of its own, which it names and leaves for a look.  The server
# is a real sshd on loopback with a bare repository and our hooks.  `make demo` calls it.
# DEMO_TRAIN holds the arguments of the training; DEMO_DIR, where the scratch directory goes.
set -u

top=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
DEEPOPS_BUILD=${DEEPOPS_BUILD:-$top/build}
DEMO_TRAIN=${DEMO_TRAIN---images --epochs 12}
example=$top/contrib/examples/fashion-mnist
demo=$(mktemp -d "${DEMO_DIR:-${TMPDIR:-/tmp}}/git-deepops-demo.XXXXXX") || exit 1

# Neither the user's configuration nor his keys take part.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE SSH_AUTH_SOCK
export HOME="$demo/home" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 GIT_PAGER=cat
export PATH="$DEEPOPS_BUILD:$PATH"
mkdir "$HOME" || exit 1
cat >"$HOME/.gitconfig" <<\END
[user]
	name = Ada Example
	email = ada@example.org
[init]
	defaultBranch = main
[advice]
	detachedHead = false
END

die () {
	echo >&2
	echo "demo: $*" >&2
	exit 1
}

# What lib-sshd.sh expects of its user.
TEST_ROOT=$demo
stop=:
test_atexit () {
	stop="$1; $stop"
}
trap 'eval "$stop"' EXIT
trap 'exit 130' INT TERM HUP
. "$top/tests/t/lib-sshd.sh"

step=0
heading () {
	step=$((step + 1))
	printf '\n=== %d. %s ===\n' "$step" "$*"
}

# say TEXT: why the next commands are run.
say () {
	printf '%s\n' "$*" | fold -s -w 78 | sed 's/^/# /; s/ *$//'
}

# Print a command line as one would type it, then run it, with its output as it comes, which
# stays in $demo/out.  git pads what a server says with blanks.
show () {
	printf '\n$ %s\n' "$1"
	{
		eval "$1" 2>&1
		echo $? >"$demo/status"
	} | sed -u 's/ *$//' | tee "$demo/out"
	return "$(cat "$demo/status")"
}

must () {
	show "$1" || die "this should have worked: $1"
}

# refused COMMAND CODE: the push must be refused, with that code.
refused () {
	! show "$1" || die "this push should have been refused: $1"
	grep -q "$2" "$demo/out" || die "the refusal does not say $2"
}

heading "A server: sshd, a bare repository, the hook"
sshd_start demo || die "no sshd"
repo=$demo/srv/fashion.git
mkdir "$demo/srv" || exit 1
cat >"$demo/policy" <<\END
[rule "main"]
	ref = refs/heads/main
	mode = enforce
	level = R2
	results = metrics.json
	results = model.npz.deepops
END
say "An ordinary bare repository on a host that one can ssh to. One command gives" \
	"it the hooks and a policy no push can change: whoever changes a result on main" \
	"needs a record at level R2 for it."
cd "$demo" || exit 1
must "cat policy"
must "git init -q --bare srv/fashion.git"
must "git deepops server install srv/fashion.git --policy policy --mode enforce"

heading "A clone, and 70,000 real images under version control"
must "git clone -q ssh://testhost$repo work"
cd work || exit 1
must "git deepops init"
cp "$example/train.py" "$example/unpack.py" . || exit 1
must "/usr/bin/python3 unpack.py data"
must "git deepops track data"
must "git add train.py unpack.py && git commit -q -m 'Fashion-MNIST and a small network'"
say "git holds a pointer of a few lines; the 5,004 files are chunks beside it."
must "cat data.deepops"
must "git deepops status"

heading "An experiment"
must "git deepops run -i data -o model.npz -m metrics.json -- /usr/bin/python3 train.py $DEMO_TRAIN"
must "git deepops runs"

heading "Refused: a result without a record"
say "Somebody improves the accuracy with an editor, and pushes."
must "sed -i 's/\"val_acc\": .*/\"val_acc\": 0.9999,/' metrics.json"
must "git deepops track model.npz && git add metrics.json && git commit -q -m 'Accuracy 0.9999'"
refused "git push origin main" "E-EXEC-NORECORD"

heading "The mend: run it"
say "The edited commit is given up. More data, a new run, and the numbers it really gave."
must "git reset -q --hard HEAD~1"
must "/usr/bin/python3 unpack.py --train 4500 data"
must "git deepops track data"
must "git deepops run -i data -o model.npz -m metrics.json -- /usr/bin/python3 train.py $DEMO_TRAIN"
must "git deepops track model.npz && git add -A && git commit -q -m '500 more images, and what training gives'"

heading "Refused: a recorded input that the server has not got"
say "Pushed past the client's hook, only what git knows goes: the branch and the journal, not the data."
refused "git push --no-verify origin main 'refs/deepops/log/*'" "E-DATA-INCOMPLETE"

heading "The mend, as the message says, and the accepted push"
must "git deepops push --data-only && git push origin main"

heading "What everybody sees now"
say "The server has put on the commit what it found of the run; that comes with a pull."
must "git deepops pull -q"
must "git log -1"
grep -q "code=clean" "$demo/out" || die "the note does not say that the code is clean"
must "git deepops runs"
must "git deepops show $(git deepops runs | sed -n '1s/ .*//p')"

heading "Somebody else, years later: a fresh clone, the data, the same bytes"
cd "$demo" || exit 1
must "git clone -q ssh://testhost$repo fresh"
cd fresh || exit 1
must "git deepops init"
must "git deepops pull"
must "git deepops runs"
must "git log -1"
run=$(sed -n 's/^ *Deepops-Run: \([0-9a-f]*\) .*/\1/p' "$demo/out")
test -n "$run" || die "the commit has no note"
must "git deepops rerun $run"
grep -qx "verdict: identical" "$demo/out" || die "the rerun gave other bytes"

cat <<END

=== Done ===
Everything is left in $demo:
	work   the clone that pushed        fresh  the clone that ran it again
	srv    the bare repository, its hooks and chunks
To look around: cd $demo/work && PATH=$DEEPOPS_BUILD:\$PATH git deepops runs
END
