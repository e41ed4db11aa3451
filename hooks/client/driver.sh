#!/bin/sh
# @HOOK@ hook of git-deepops.  `git deepops init` wrote it and may write it anew.
# A hook that was here before is @HOOK@.d/50-previous; any program in
# that directory runs first, in order of names, with the same arguments and input.

case $0 in */*) dir=${0%/*} ;; *) dir=. ;; esac
input=
for hook in "$dir/@HOOK@.d"/*; do
	test -f "$hook" || continue
	test -x "$hook" || continue
	if test -z "$input"; then
		input=$(mktemp "${TMPDIR:-/tmp}/deepops-hook.XXXXXX") || exit 1
		trap 'rm -f "$input"' EXIT
		trap 'exit 130' HUP INT TERM
		# Other hooks have no input of their own: theirs may be the terminal.
		test @HOOK@ != pre-push || cat >"$input"
	fi
	"$hook" "$@" <"$input" || exit
done

if command -v git-deepops >/dev/null 2>&1; then
	program=git-deepops
elif test -x @PROGRAM@; then
	program=@PROGRAM@
elif test @HOOK@ = pre-push; then
	echo "fatal: git-deepops is not installed here: data and run records can't go with this push" >&2
	echo "hint: install it, or remove $0" >&2
	exit 1
else
	exit 0
fi
if test -n "$input"; then
	"$program" hook @HOOK@ "$@" <"$input"
else
	exec "$program" hook @HOOK@ "$@"
fi
