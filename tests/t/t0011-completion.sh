#!/bin/sh
test_description='completion in bash and zsh knows commands and options'
. "${0%/*}/test-lib.sh"

# complete WORD...: what <TAB> offers at the end of that command line, one a line.
cat >complete.bash <<'END'
. /usr/share/bash-completion/completions/git
. "$TOP_DIR/contrib/completion/git-deepops.bash"
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
__git_wrap__git_main
printf '%s\n' "${COMPREPLY[@]}" | sed 's/ *$//'
END
complete () {
	bash --norc complete.bash "$@"
}

test_expect_success 'bash: commands by their first letters' '
	complete git deepops ver >got &&
	echo version >want &&
	test_cmp want got &&
	complete git deepops "" | sort >got &&
	git deepops --git-completion-helper | tr " " "\n" | sort >want &&
	test_cmp want got
'

test_expect_success 'bash: git options before the command do not confuse it' '
	complete git -C . deepops ver >got &&
	echo version >want &&
	test_cmp want got
'

test_expect_success 'bash: options of every command are those of -h' '
	for name in $(git deepops --git-completion-helper)
	do
		complete git deepops "$name" --quie >got
		test "$(cat got)" = --quiet || echo "$name"
	done >wrong &&
	test_must_be_empty wrong
'

test_expect_success 'bash: datasets and remotes' '
	git init -q repo &&
	(
		cd repo &&
		git remote add upstream nowhere &&
		: >images.deepops &&
		git add images.deepops &&
		bash --norc ../complete.bash git deepops push up >../got &&
		bash --norc ../complete.bash git deepops checkout im >>../got
	) &&
	printf "upstream\nimages\n" >want &&
	test_cmp want got
'

test_expect_success ZSH 'zsh: commands and options' '
	cat >complete.zsh <<-\END &&
	compadd () {
		shift ${@[(i)--]}
		print -l -- $@
	}
	words=("$@")
	CURRENT=$#words
	source $TOP_DIR/contrib/completion/_git-deepops
	END
	zsh -f complete.zsh git-deepops "" | sort >got &&
	git deepops --git-completion-helper | tr " " "\n" | sort >want &&
	test_cmp want got &&
	zsh -f complete.zsh git-deepops version -- >got &&
	test_grep -x -e "--quiet" got
'

test_expect_success 'a repository with a run and a branch' '
	cd repo && git rm -q -f images.deepops && test_commit one && git branch topic && git deepops run -q --no-data -- true &&
	git deepops runs --json >../json && sed -n "s/.*\"id\":\"\([0-9a-f]*\)\".*/\1/p" ../json >../run && test_file_not_empty ../run
'

test_expect_success 'bash: commands of commands, runs, revisions' '
	cd repo &&
	for c in "server:authorize doctor index install quota scrub" "remote:add check list rm" "notes:rebuild" "policy:explain lint" "machine:capture"
	do
		echo ${c#*:} | tr " " "\n" >../want &&
		bash --norc ../complete.bash git deepops ${c%%:*} "" | sort >../got && test_cmp ../want ../got || return 1
	done &&
	bash --norc ../complete.bash git deepops remote add "" >../got && test_grep ! "^check$" ../got &&
	for c in show logs rerun retract
	do
		bash --norc ../complete.bash git deepops $c "" >../got && test_cmp ../run ../got || return 1
	done &&
	echo topic >../want && bash --norc ../complete.bash git deepops diff top >../got && test_cmp ../want ../got
'

test_expect_success ZSH 'zsh: commands of commands, and runs' '
	cd repo && sed "s/source /_files () { :; }; &/" ../complete.zsh >../c.zsh &&
	zsh -f ../c.zsh git-deepops server "" | sort >../got && printf "%s\n" authorize doctor index install quota scrub >../want && test_cmp ../want ../got &&
	zsh -f ../c.zsh git-deepops show "" >../got && test_cmp ../run ../got
'

test_done
