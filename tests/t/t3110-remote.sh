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

test_expect_success 'of the committed file nothing else is taken' '
	printf "[deepops]\n\tsshTransport = ssh\n[core]\n\tsshCommand = touch %s/pwned\n" "$TRASH" \
		>stranger/.deepops/config &&
	git -C stranger deepops remote check >out &&
	test_grep "$TRASH/srv.git" out &&
	test_path_is_missing pwned
'

test_expect_success SSHD 'over ssh' '
	sshd_start one &&
	git -C one config remote.origin.deepops true &&
	git -C one remote set-url origin "ssh://testhost$TRASH/srv.git" &&
	git -C one deepops remote check >out &&
	test_grep "ssh" out
'

test_done
