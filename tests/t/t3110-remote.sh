#!/bin/sh
test_description='git deepops remote: where data goes, by configuration, file and hand'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-sshd.sh"

test_expect_success 'beside the git repository, unless something else is said' '
	git init -q --bare srv.git &&
	git clone -q srv.git one 2>/dev/null && git -C one deepops init &&
	git -C one deepops remote >out &&
	printf "origin\t%s\n" "$TRASH/srv.git" >want &&
	test_cmp want out &&
	git -C one deepops remote --json >json &&
	python3 -c "
import json
d = json.load(open(\"json\"))
assert d[\"version\"] == 1 and d[\"remotes\"][0][\"name\"] == \"origin\"
"
'

test_expect_success 'check connects and says how' '
	git -C one deepops remote check >out &&
	test_grep "role  *maintain\|role  *push" out &&
	test_grep "transport" out &&
	test_grep "generation" out
'

test_expect_success 'add names another place, for this git remote alone' '
	git init -q --bare mirror.git && git init -q --bare elsewhere.git &&
	git -C one remote add mirror "$TRASH/mirror.git" &&
	git -C one deepops remote add mirror "$TRASH/elsewhere.git" &&
	git -C one deepops remote >out &&
	test_grep "mirror	$TRASH/elsewhere.git" out &&
	test_grep "origin	$TRASH/srv.git" out &&
	git -C one deepops remote check mirror
'

test_expect_success 'rm: nothing of ours goes there any more' '
	git -C one deepops remote rm mirror &&
	git -C one deepops remote >out &&
	test_grep ! mirror out &&
	git -C one remote | grep -qx mirror &&
	git -C one deepops remote rm origin &&
	test_must_fail git -C one config --get-all remote.origin.fetch deepops &&
	git -C one fetch origin
'

test_expect_success 'a remote that is not there is named' '
	test_expect_code 128 git -C one deepops remote add nobody /x 2>err &&
	test_grep "nobody" err &&
	test_expect_code 128 git -C one deepops remote rm nobody 2>err &&
	test_grep "nobody" err &&
	test_expect_code 129 git -C one deepops remote frobnicate 2>err &&
	test_grep "^hint" err
'

test_expect_success 'a place that only the committed file names has to be confirmed' '
	git clone -q srv.git stranger 2>/dev/null && git -C stranger deepops init &&
	printf "[deepops]\n\tremote = %s\n" "$TRASH/elsewhere.git" >stranger/.deepops/config &&
	test_expect_code 128 git -C stranger deepops remote check 2>err &&
	test_grep "elsewhere.git" err &&
	test_grep "^hint: .*deepops.confirmed" err &&
	git -C stranger config --add deepops.confirmed "$TRASH/elsewhere.git" &&
	git -C stranger deepops remote check >out &&
	test_grep "elsewhere.git" out
'

evil="/x.git'; touch pwned; echo '"
test_expect_success 'and the command that confirms it is safe to paste' '
	printf "[deepops]\n\tremote = \"%s\"\n" "$evil" >stranger/.deepops/config &&
	test_expect_code 128 git -C stranger deepops remote check 2>err && cat err &&
	mend=$(sed -n "s/^hint: if you trust it: //p" err) &&
	(cd stranger && eval "$mend") && test_path_is_missing stranger/pwned &&
	git -C stranger config --get-all deepops.confirmed >got && test_grep "x.git.*; touch pwned" got
'

test_expect_success 'of the committed file nothing else is taken' '
	printf "[deepops]\n\tsshTransport = ssh\n[core]\n\tsshCommand = touch %s/pwned\n" "$TRASH" \
		>stranger/.deepops/config &&
	git -C stranger deepops remote check >out &&
	test_grep "$TRASH/srv.git" out &&
	test_path_is_missing pwned
'

test_expect_success 'data comes from where the branch comes from, and goes where it goes' '
	git init -q --bare up.git && git init -q --bare fork.git &&
	git clone -q up.git author 2>/dev/null && git -C author deepops init &&
	mkdir author/data && echo 1 >author/data/f && git -C author deepops track data &&
	git -C author add -A && git -C author commit -q -m one && git -C author push -q origin main &&
	git clone -q up.git me && git -C me remote add fork "$TRASH/fork.git" &&
	git -C me deepops init && git -C me config remote.pushDefault fork && git -C me config remote.fork.deepops true &&
	git -C me deepops pull -q && test_cmp author/data/f me/data/f &&
	git -C me checkout -q -b topic --track main && git -C me deepops fetch &&
	echo 2 >me/data/f && git -C me deepops track data && git -C me commit -q -a -m two &&
	git -C me push -q fork topic && git clone -q -b topic fork.git there && git -C there deepops init &&
	git -C there deepops pull -q && test_cmp me/data/f there/data/f &&
	git -C me config --unset remote.pushDefault && git -C me deepops remote check >out &&
	test_grep "up.git" out
'

test_expect_success 'fetch names the remote that has the data of a branch merged from a fork' '
	git clone -q up.git merger && git -C merger deepops init && git -C merger deepops pull -q &&
	git -C merger remote add fork "$TRASH/fork.git" && git -C merger fetch -q fork &&
	git -C merger merge -q fork/topic && test_expect_code 128 git -C merger deepops fetch 2>err &&
	test_grep "^hint: git deepops fetch --remote=.fork.$" err &&
	mend=$(sed -n "s/^hint: //p" err) && (cd merger && eval "$mend" && git deepops checkout) &&
	test_cmp me/data/f merger/data/f
'

test_expect_success 'pull passes options of git pull on' '
	git clone -q up.git left && git -C left deepops init && git -C left deepops pull -q &&
	(cd left && test_commit left) && (cd author && test_commit right && git push -q origin main) &&
	test_expect_code 1 git -C left deepops pull --ff-only &&
	git -C left deepops pull --no-rebase --no-edit && git -C left rev-parse HEAD^2 &&
	git -C left reset -q --hard HEAD^ && git -C left deepops pull --rebase && test_must_fail git -C left rev-parse HEAD^2 &&
	test_path_is_file left/right.t && test_expect_code 129 git -C left deepops pull --frobnicate
'

test_expect_success 'push passes options of git push on' '
	git init -q --bare opts.git && git clone -q opts.git opts 2>/dev/null && git -C opts deepops init &&
	mkdir opts/data && echo 1 >opts/data/f && git -C opts deepops track data && git -C opts add -A && git -C opts commit -q -m one &&
	git -C opts tag v1 && git -C opts deepops push -u --tags origin main &&
	git -C opts rev-parse main@{upstream} && git -C opts.git rev-parse v1 &&
	git -C opts commit -q --amend -m two && test_expect_code 1 git -C opts deepops push origin main &&
	git -C opts deepops push --force-with-lease origin main && git -C opts deepops push --delete origin v1 &&
	test_must_fail git -C opts.git rev-parse -q --verify v1
'

test_expect_success 'in a clone without init, push works where others have data already, and says what init does' '
	git clone -q opts.git noinit && git -C noinit deepops pull -q && echo 3 >noinit/data/f &&
	git -C noinit deepops track data && git -C noinit commit -q -a -m three &&
	git -C noinit deepops push origin main 2>err && test_grep "^hint: git deepops init" err &&
	git clone -q opts.git noinit2 && git -C noinit2 deepops pull -q && test_cmp noinit/data/f noinit2/data/f &&
	git init -q --bare fresh.git && git -C noinit remote set-url origin "$TRASH/fresh.git" &&
	test_expect_code 128 git -C noinit deepops push origin main 2>err && test_grep "^hint: git deepops init" err &&
	git -C noinit remote set-url origin "$TRASH/opts.git" && git -C noinit config remote.origin.deepops false &&
	test_expect_code 128 git -C noinit deepops push origin main
'

# kept CLONE: what is kept of the floor policy.
kept () {
	cat "$1"/.git/deepops/floor/*
}

test_expect_success 'the floor policy is kept by every push and fetch, and by check' '
	git init -q --bare ruled.git && printf "[rule \"main\"]\n\tref = refs/heads/main\n\tmode = warn\n" >policy &&
	git clone -q ruled.git ruler 2>/dev/null && git -C ruler deepops init &&
	git -C ruler deepops remote check >out && test_grep "policy  *none" out && kept ruler >out && test_grep "^none$" out &&
	git deepops server install ruled.git --policy policy && git -C ruler deepops remote check >out &&
	test_grep "policy  *[0-9][0-9]* bytes" out && kept ruler >out && test_grep "mode = warn" out &&
	rm -rf ruler/.git/deepops/floor && mkdir ruler/data && echo 1 >ruler/data/f && git -C ruler deepops track data &&
	git -C ruler add -A && git -C ruler commit -q -m one && git -C ruler push -q origin main &&
	kept ruler >out && test_grep "mode = warn" out &&
	git clone -q ruled.git ruled && git -C ruled deepops init && git -C ruled deepops pull -q &&
	kept ruled >out && test_grep "mode = warn" out
'

test_expect_success 'one that is cut off or cannot be kept stops nothing' '
	for file in ruler/.git/deepops/floor/*
	do
		head -c 60 "$file" >short && cat short >"$file" || return 1
	done &&
	echo 2 >ruler/data/f && git -C ruler deepops track data && git -C ruler commit -q -a -m two &&
	git -C ruler push -q origin main && kept ruler >out && test_grep "mode = warn" out &&
	rm -rf ruler/.git/deepops/floor && : >ruler/.git/deepops/floor &&
	echo 3 >ruler/data/f && git -C ruler deepops track data && git -C ruler commit -q -a -m three &&
	git -C ruler push -q origin main && git -C ruler deepops remote check
'

test_expect_success SSHD 'over ssh' '
	sshd_start one &&
	git -C one config remote.origin.deepops true &&
	git -C one remote set-url origin "ssh://testhost$TRASH/srv.git" &&
	git -C one deepops remote check >out &&
	test_grep "ssh" out
'

test_done
