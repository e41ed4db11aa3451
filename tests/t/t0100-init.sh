#!/bin/sh
test_description='git deepops init: files, configuration and hooks, beside what is there'
. "${0%/*}/test-lib.sh"

# A repository with a bare one as its origin.
make_repo () {
	git init -q --bare "$1.git" &&
	git init -q "$1" &&
	git -C "$1" remote add origin "$TRASH/$1.git"
}

# A hook that writes its name, arguments and input to the file "ran".
make_hook () {
	mkdir -p "${1%/*}" &&
	printf '#!/bin/sh\n{ echo "%s: $*" && cat; } >>"%s/ran"\n' "$2" "$TRASH" >"$1" &&
	chmod +x "$1"
}

test_expect_success 'sets up a clone and says what it does' '
	make_repo plain &&
	(
		cd plain &&
		git deepops init >../out &&
		test_path_is_file .deepops/config &&
		echo "*.deepops -text -filter merge=deepops diff=deepops" >want &&
		test_cmp want .gitattributes &&
		test "$(git config remote.origin.deepops)" = true &&
		test "$(git config notes.displayRef)" = "refs/notes/deepops*" &&
		git config --get-all remote.origin.fetch >fetch &&
		test_line_count = 3 fetch &&
		test_grep ! -v "\*" fetch &&
		git config merge.deepops.driver &&
		for hook in pre-push post-commit post-checkout post-merge
		do
			test -x .git/hooks/$hook || exit 1
		done
	) &&
	test_grep "remote.origin.deepops = true" out &&
	test_grep "hooks/pre-push" out
'

test_expect_success 'a second time changes nothing and says nothing' '
	cp -a plain before &&
	git -C plain deepops init >out 2>err &&
	test_must_be_empty out &&
	test_grep "set up here already" err &&
	diff -r before plain
'

test_expect_success 'git fetch works while the remote has no record' '
	git -C plain fetch origin
'

test_expect_success 'without a remote it says what is left to do' '
	git init -q lonely &&
	git -C lonely deepops init 2>err &&
	test_grep "git remote add origin" err &&
	test_path_is_file lonely/.git/hooks/pre-push
'

test_expect_success 'a remote of another name is taken if it is the only one' '
	git init -q upstream &&
	git -C upstream remote add up "$TRASH/plain.git" &&
	git -C upstream deepops init &&
	test "$(git -C upstream config remote.up.deepops)" = true &&
	git -C upstream config --get-all remote.up.fetch | grep -q refs/deepops/remotes/up/log
'

test_expect_success 'an explicit no to a remote is kept' '
	make_repo refused &&
	git -C refused config remote.origin.deepops false &&
	git -C refused deepops init &&
	test "$(git -C refused config remote.origin.deepops)" = false &&
	test_must_fail git -C refused config --get-all remote.origin.fetch deepops
'

test_expect_success '--remote is shared by the committed file, and confirmed here' '
	make_repo far &&
	git -C far deepops init --remote ssh://data.example.org/srv/store &&
	test_grep "remote = ssh://data.example.org/srv/store" far/.deepops/config &&
	test "$(git -C far config deepops.confirmed)" = ssh://data.example.org/srv/store &&
	git -C far deepops init --remote ssh://other.example.org/srv/store &&
	test_grep ! data.example.org far/.deepops/config &&
	test "$(grep -c remote far/.deepops/config)" = 1
'

test_expect_success 'an existing hook runs first, with arguments and input' '
	make_repo chained &&
	make_hook chained/.git/hooks/pre-push theirs &&
	git -C chained deepops init >out &&
	test_grep "the one that was there runs first" out &&
	test_path_is_file chained/.git/hooks/pre-push.d/50-previous &&
	rm -f ran &&
	(cd chained && echo "in put" | DEEPOPS_IN_PUSH=1 .git/hooks/pre-push origin "u r l") &&
	printf "theirs: origin u r l\nin put\n" >want &&
	test_cmp want ran &&
	git -C chained deepops init >out 2>&1 &&
	test_grep "set up here already" out
'

test_expect_success 'an existing hook that fails stops the push' '
	printf "#!/bin/sh\nexit 7\n" >chained/.git/hooks/pre-push.d/40-no &&
	chmod +x chained/.git/hooks/pre-push.d/40-no &&
	test_expect_code 7 chained/.git/hooks/pre-push origin url </dev/null &&
	rm chained/.git/hooks/pre-push.d/40-no
'

test_expect_success 'a relative link as a hook still leads to its program' '
	make_repo linked &&
	make_hook linked/scripts/check linked-check &&
	mkdir -p linked/.git/hooks &&
	ln -s ../../scripts/check linked/.git/hooks/pre-push &&
	git -C linked deepops init &&
	rm -f ran &&
	(cd linked && DEEPOPS_IN_PUSH=1 .git/hooks/pre-push origin url </dev/null) &&
	test_grep "linked-check: origin url" ran
'

test_expect_success 'husky: the line goes to the script that husky runs' '
	make_repo husky &&
	git -C husky config core.hooksPath .husky/_ &&
	mkdir -p husky/.husky/_ &&
	echo "npm test" >husky/.husky/pre-push &&
	git -C husky deepops init &&
	printf "npm test\ngit deepops hook pre-push \"\$@\"\n" >want &&
	test_cmp want husky/.husky/pre-push &&
	test -x husky/.husky/post-merge &&
	test_must_fail ls husky/.husky/_/pre-push
'

test_expect_success 'a script that would not get to our line is left alone' '
	make_repo early &&
	git -C early config core.hooksPath .githooks &&
	mkdir early/.githooks &&
	printf "#!/bin/sh\nmake test\nexit 0\n" >early/.githooks/pre-push &&
	cp early/.githooks/pre-push before-hook &&
	git -C early deepops init 2>err &&
	test_cmp before-hook early/.githooks/pre-push &&
	test_grep "add this line" err
'

test_expect_success 'hooks of the whole account are not touched' '
	make_repo shared &&
	mkdir -p all-hooks &&
	git -C shared config core.hooksPath "$TRASH/all-hooks" &&
	git -C shared deepops init 2>err &&
	ls all-hooks >files &&
	test_must_be_empty files &&
	test_grep "git deepops hook pre-push" err
'

test_expect_success 'the driver finds the program that init was run with' '
	make_repo moved &&
	git -C moved deepops init &&
	make_hook moved/.git/hooks/pre-push.d/10-first first &&
	rm -f ran &&
	(
		PATH=$(printf %s "$PATH" | tr : "\n" | grep -vxF "$DEEPOPS_BUILD" | paste -sd:) &&
		! command -v git-deepops &&
		cd moved &&
		DEEPOPS_IN_PUSH=1 .git/hooks/pre-push origin url </dev/null
	) &&
	test_grep "first: origin url" ran
'

test_expect_success 'a program that is gone stops a push, not a checkout' '
	sed "s,$DEEPOPS_BUILD,/nowhere,g" moved/.git/hooks/pre-push >pre-push &&
	sed "s,$DEEPOPS_BUILD,/nowhere,g" moved/.git/hooks/post-checkout >post-checkout &&
	(
		PATH=$(printf %s "$PATH" | tr : "\n" | grep -vxF "$DEEPOPS_BUILD" | paste -sd:) &&
		test_expect_code 1 sh ./pre-push origin url </dev/null 2>err &&
		sh ./post-checkout a b 1
	) &&
	test_grep "not installed" err
'

test_expect_success 'a linked work tree and a subdirectory are fine places' '
	make_repo trees &&
	(
		cd trees &&
		test_commit one &&
		mkdir sub &&
		(cd sub && git deepops init) &&
		test_path_is_file .deepops/config &&
		git worktree add -q ../trees-linked &&
		git -C ../trees-linked deepops init 2>../err
	) &&
	test_path_is_file trees-linked/.deepops/config
'

test_expect_success 'a symbolic link in the place of our files is refused' '
	make_repo trap &&
	: >victim &&
	ln -s "$TRASH/victim" trap/.gitattributes &&
	test_expect_code 128 git -C trap deepops init 2>err &&
	test_grep "gitattributes" err &&
	test_must_be_empty victim
'

test_expect_success 'bad places and arguments are named' '
	test_expect_code 128 git -C plain.git deepops init 2>err &&
	test_grep "bare" err &&
	mkdir nothing &&
	test_expect_code 128 git -C nothing deepops init 2>err &&
	test_grep "not a git repository" err &&
	git init -q --object-format=sha256 sha256 &&
	test_expect_code 128 git -C sha256 deepops init 2>err &&
	test_grep "SHA-256 repository" err &&
	test_line_count = 1 err &&
	test_expect_code 129 git -C plain deepops init extra 2>err &&
	test_grep "extra" err
'

test_expect_success 'settings and policy are read as core.autocrlf checks them out' '
	git init -q lf &&
	(
		cd lf &&
		git deepops init --remote ssh://data.example.org/srv/store &&
		printf "[rule \"m\"]\n\tref = refs/heads/main\n\tmode = warn\n\tresults = x\n" >.deepops/policy &&
		git add . && git commit -q -m settings
	) &&
	git clone -q -c core.autocrlf=true lf crlf &&
	(
		cd crlf &&
		grep -q "$(printf "\r")" .deepops/config &&
		git remote set-url origin ssh://git.example.org/p.git &&
		git config deepops.confirmed ssh://data.example.org/srv/store &&
		git deepops init &&
		git deepops remote >../got &&
		git deepops policy lint
	) &&
	printf "origin\tssh://data.example.org/srv/store\n" >want &&
	test_cmp want got
'

test_done
