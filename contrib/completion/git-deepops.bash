# shellcheck shell=bash disable=SC2154,SC2317 # git's completion sets cur, words, cword
# git-deepops.bash - completion of `git deepops` for bash
#
# git's own completion finds _git_deepops once this file is sourced, or installed
# where bash-completion looks for `git-deepops`.  Commands and options come from the
# program itself (--git-completion-helper), so that they never lag behind it.

# The index in `words` after which the subcommand may stand.
__git_deepops_start ()
{
	local i

	for ((i = 1; i < cword; i++)); do
		if [ "${words[i]}" = deepops ]; then
			echo $((i + 1))
			return
		fi
	done
	echo 1
}

# Datasets of this repository, without the suffix of their pointers.
__git_deepops_datasets ()
{
	git ls-files -- '*.deepops' 2>/dev/null | sed 's/\.deepops$//'
}

__git_deepops_runs ()
{
	git deepops runs --json 2>/dev/null |
		grep -oE '"id":[[:space:]]*"[0-9a-f]+"' | grep -oE '[0-9a-f]{6,}'
}

# What may stand behind `server`, `remote`, ...: the first words of its usage lines.
__git_deepops_words ()
{
	git deepops "$1" -h 2>/dev/null |
		sed -n "s/^\(usage:\|   or:\) git deepops $1 \[\?\([a-z]*\)\]\?\( .*\|\)\$/\2/p"
}

_git_deepops ()
{
	local commands start sub

	commands=$(git deepops --git-completion-helper 2>/dev/null)
	start=$(__git_deepops_start)
	if [ "$cword" -le "$start" ]; then
		__gitcomp "$commands"
		return
	fi
	sub=${words[start]}
	case $cur in
	--*)
		__gitcomp "$(git deepops "$sub" --git-completion-helper 2>/dev/null)"
		return
		;;
	esac
	case $sub in
	help) __gitcomp "$commands" ;;
	explain) __gitcomp "$(git deepops explain 2>/dev/null | sed 's/ .*//')" ;;
	push | fetch | pull) __gitcomp_nl "$(git remote)" ;;
	show | logs | rerun | retract) __gitcomp_nl "$(__git_deepops_runs)" ;;
	checkout | diff) __gitcomp_nl "$(__git_deepops_datasets; __git_refs)" ;;
	drop | du | ls | sha256sums | status | untrack)
		__gitcomp_nl "$(__git_deepops_datasets)"
		;;
	machine | notes | policy | remote | server)
		[ "$cword" -ne $((start + 1)) ] || __gitcomp_nl "$(__git_deepops_words "$sub")"
		;;
	esac
}

# Called as git-deepops, outside of git's completion.
if declare -f __git_complete >/dev/null; then
	__git_complete git-deepops _git_deepops
fi
