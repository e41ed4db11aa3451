#!/bin/sh
test_description='git deepops doctor: each part present, bypassed or broken, and how to mend it'
. "${0%/*}/test-lib.sh"

doctor () {
	git -C "$1" deepops doctor >out 2>err
}

test_expect_success 'a clone that was set up is in order' '
	git init -q --bare srv.git &&
	git clone -q srv.git one 2>/dev/null &&
	git -C one deepops init &&
	doctor one &&
	test_grep "^present.*hook pre-push" out &&
	test_grep "^present.*remote: origin" out &&
	test_grep "^present.*connection: .*role" out &&
	test_grep "^absent.*local store" out &&
	test_grep ! "^broken" out
'

test_expect_success 'JSON says the same' '
	git -C one deepops doctor --json >json &&
	python3 - <<-\END
	import json
	d = json.load(open("json"))
	assert d["version"] == 1 and d["broken"] is False
	parts = {p["part"]: p["state"] for p in d["parts"]}
	assert parts["hook pre-push"] == "present" and parts["local store"] == "absent", parts
	END
'

test_expect_success 'a clone without init: what will fail is broken, with the mend' '
	git clone -q srv.git bare-clone 2>/dev/null &&
	test_expect_code 1 doctor bare-clone &&
	test_grep "^broken.*hook pre-push: not installed" out &&
	test_grep "^broken.*gitattributes" out &&
	test_grep "mend: git deepops init" out
'

test_expect_success 'a hook that lost its run bit' '
	cp -a one unrun && chmod -x unrun/.git/hooks/pre-push &&
	test_expect_code 1 doctor unrun &&
	test_grep "^broken.*pre-push.*not executable" out
'

test_expect_success 'a hook that somebody else replaced, and a hooks directory elsewhere' '
	cp -a one replaced && printf "#!/bin/sh\n" >replaced/.git/hooks/pre-push &&
	doctor replaced &&
	test_grep "^bypassed.*hook pre-push" out &&
	cp -a one away && git -C away config core.hooksPath /nowhere/hooks &&
	doctor away &&
	test_grep "^bypassed.*core.hooksPath leads to /nowhere/hooks" out &&
	test_grep "git deepops hook pre-push" out
'

test_expect_success 'a committed configuration that cannot be read' '
	cp -a one malformed && echo "[deepops" >malformed/.deepops/config &&
	test_expect_code 1 doctor malformed &&
	test_grep "^broken.*deepops/config:1" out
'

test_expect_success 'notes that would follow an amended commit' '
	cp -a one rewriting && git -C rewriting config notes.rewriteRef "refs/notes/*" &&
	test_expect_code 1 doctor rewriting &&
	test_grep "^broken.*notes.rewriteRef" out
'

test_expect_success 'a refspec that names one ref' '
	cp -a one exact &&
	git -C exact config --add remote.origin.fetch +refs/notes/deepops:refs/notes/x &&
	test_expect_code 1 doctor exact &&
	test_grep "^broken.*refs/notes/deepops:refs/notes/x" out
'

test_expect_success 'a remote that is gone, unless it is not asked' '
	cp -a one gone && git -C gone remote set-url origin "$TRASH/nowhere.git" &&
	test_expect_code 1 doctor gone &&
	test_grep "^broken.*connection" out &&
	git -C gone deepops doctor --offline >out &&
	test_grep ! connection out
'

test_expect_success 'a branch with plain files where a dataset lies' '
	cp -a one plain &&
	(
		cd plain &&
		mkdir data && echo 1 >data/f && git add data && git commit -q -m plain &&
		git checkout -q -b tracked && git rm -q -r --cached data &&
		git deepops track data && git commit -q -m tracked
	) &&
	test_expect_code 1 doctor plain &&
	test_grep "^broken.*refs/heads/main has plain files" out
'

test_expect_success 'a pointer that is none' '
	cp -a plain conflicted && echo "<<<<<<< ours" >conflicted/data.deepops &&
	test_expect_code 1 doctor conflicted &&
	test_grep "^broken.*data" out
'

test_done
