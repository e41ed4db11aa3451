#!/bin/sh
# @HOOK@ hook of git-deepops.  `git deepops server install` wrote it and may write it anew.
# A hook that was here before is @HOOK@.d/50-previous; any program in
# that directory runs first, in order of names, each with its own copy of the input.

case $0 in */*) dir=${0%/*} ;; *) dir=. ;; esac
input=$(mktemp "${TMPDIR:-/tmp}/deepops-hook.XXXXXX") || exit 1
trap 'rm -f "$input"' EXIT
trap 'exit 130' HUP INT TERM
cat >"$input" || exit 1
for hook in "$dir/@HOOK@.d"/*; do
	test -f "$hook" || continue
	test -x "$hook" || continue
	# After the push there is nothing left to stop.
	"$hook" "$@" <"$input" || test @HOOK@ = post-receive || exit
done
# Not by PATH: who pushes may have a word in what that is.
if test ! -x @PROGRAM@; then
	echo "deepops: @PROGRAM@ is not installed on the server" >&2
	test @HOOK@ = post-receive
	exit
fi
@PROGRAM@ <"$input"
