#!/bin/sh
test_description='which place a URL means: several of them, other spellings, strangers, and what is shown'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

test_expect_success 'a clone with data' '
	new_pair one && (cd one && track_and_commit 1) && git init -q --bare b.git
'

test_expect_success 'two URLs to push to: the data goes beside each, by git push' '
	git -C one remote set-url --add --push origin "$TRASH/one.git" &&
	git -C one remote set-url --add --push origin "$TRASH/b.git" &&
	(cd one && git deepops run -q -i data -- true) &&
	git -C one push origin main 2>err && grep -c "sent 1 dataset" err >n && test "$(cat n)" = 2 &&
	arrived one.git main one/data && arrived b.git main one/data &&
	for place in one.git b.git
	do
		git -C $place for-each-ref refs/deepops/log >journals && test_line_count = 1 journals || return 1
	done
'

test_expect_success 'and by git deepops push' '
	(cd one && track_and_commit 2 && git deepops push origin main) &&
	arrived one.git main one/data && arrived b.git main one/data
'

test_expect_success 'the data of one goes nowhere before that of the other: each URL has its own turn' '
	mv b.git away.git && (cd one && track_and_commit 3) &&
	test_must_fail git -C one push origin main && arrived one.git main one/data &&
	mv away.git b.git && git -C one push -q origin main && arrived b.git main one/data
'

test_expect_success 'one of them that is declared a mirror stays silent and gets no data' '
	git init -q --bare c.git && git -C one remote set-url --add --push origin "$TRASH/c.git" &&
	git -C one remote add public "$TRASH/c.git/" && git -C one config remote.public.deepops false &&
	(cd one && track_and_commit 4) && git -C one push origin main 2>err &&
	test_grep ! "no data goes" err && test_path_is_missing c.git/deepops &&
	git -C c.git rev-parse main && (cd one && git deepops push origin main) && test_path_is_missing c.git/deepops
'

test_expect_success 'one that can take none ends the push with a reason and a way out' '
	git -C one remote set-url --delete --push origin "$TRASH/c.git" &&
	git -C one remote set-url --delete --push origin "$TRASH/b.git" &&
	git -C one remote set-url --add --push origin https://ghp_SECRET@nowhere.invalid/x.git &&
	test_expect_code 128 git -C one deepops push origin main 2>err &&
	test_grep "https://nowhere.invalid/x.git" err && test_grep "^hint: " err && test_grep ! SECRET err &&
	git -C one remote set-url --delete --push origin https://ghp_SECRET@nowhere.invalid/x.git
'

n=10
for url in "../one.git" "file://\$TRASH/one.git" "\$TRASH/one.git/" "\$TRASH/link" "\$TRASH//one.git" "\$TRASH/link.git" "short:one.git" "push:one.git"; do
	test_expect_success "git push $url is origin" '
		ln -sfn one.git link.git && n=$((n + 1)) && (cd one && track_and_commit $n) &&
		git -C one -c "url.$TRASH/.insteadOf=short:" -c "url.$TRASH/.pushInsteadOf=push:" push "'"$url"'" main 2>err &&
		test_grep "sent 1 dataset" err && arrived one.git main one/data
	'
done

test_expect_success 'the URL that is the pushurl of a remote is that remote' '
	git -C one remote set-url origin "$TRASH/elsewhere.git" && git -C one config remote.origin.pushurl "$TRASH/one.git" &&
	(cd one && track_and_commit 30) && git -C one push "$TRASH/one.git" main 2>err &&
	test_grep "sent 1 dataset" err && arrived one.git main one/data &&
	git -C one config --unset remote.origin.pushurl && git -C one remote set-url origin "$TRASH/one.git"
'

test_expect_success 'a URL that is no remote of ours: one line says that no data goes, once there is some' '
	git init -q --bare stranger.git && git -C one push "$TRASH/stranger.git" main 2>err &&
	test_grep "^deepops: no data goes with this push: .*stranger.git" err &&
	test_path_is_missing stranger.git/deepops &&
	git -C one push -q --no-verify "$TRASH/stranger.git" main:x &&
	git -C one push "$TRASH/stranger.git" :x 2>err && test_grep ! "no data goes" err &&
	git init -q --bare s2.git && git clone -q s2.git dry 2>/dev/null && git -C dry deepops init &&
	git -C dry remote add other "$TRASH/stranger.git" &&
	(cd dry && test_commit x && git push other main:x2 2>../err) && test_grep ! "no data goes" err
'

test_expect_success 'a remote of which nothing is said: the line names the setting that ends it' '
	git -C one remote add unsaid "$TRASH/stranger.git" && git -C one push unsaid main:other 2>err &&
	test_grep "^deepops: no data goes with this push: remote.unsaid.deepops is not set" err &&
	git -C one config remote.unsaid.deepops false && git -C one push unsaid main:again 2>err &&
	test_grep ! "no data goes" err && test_path_is_missing stranger.git/deepops
'

# committed URL [GIT-URL]: what the committed file says for a git remote is refused, and names the URL.
committed () {
	printf "[deepops]\n\tremote = \"%s\"\n" "$1" >one/.deepops/config &&
	git -C one remote set-url origin "${2-git@host.example:team/p.git}" &&
	test_expect_code 128 env GIT_SSH_COMMAND="touch $TRASH/connected; false" git -C one deepops push --data-only 2>err &&
	test_path_is_missing connected
}

for url in "ssh://mallory@host.example:2222/home/mallory/steal" "ssh://mallory@host.example/team/p.git" \
	"ssh://git@host.example:2222/team/p.git" "git@host.example:other/p.git" "host.example:team/p.git" \
	"git@HOST.example.org:team/p.git" "/srv/team/p.git" "file:///team/p.git" "ssh://git@host.example:22/~/team/p.git"; do
	test_expect_success "the committed file does not lead to $url unasked" '
		committed "'"$url"'" && test_grep "which is not the git remote.s place" err &&
		test_grep "^hint: if you trust it: git config --add deepops.confirmed" err
	'
done

test_expect_success 'the git remote itself needs no word, another path one' '
	printf "[deepops]\n\tremote = ssh://git@host.example/srv/p.git\n" >one/.deepops/config &&
	git -C one remote set-url origin git@host.example:/srv/p.git && git -C one deepops remote >out &&
	test_grep "ssh://git@host.example/srv/p.git" out &&
	committed ssh://git@host.example/srv/q.git git@host.example:/srv/p.git &&
	mend=$(sed -n "s/^hint: if you trust it: //p" err) && (cd one && eval "$mend") &&
	git -C one deepops remote >out && test_grep "ssh://git@host.example/srv/q.git" out
'

test_expect_success 'no program and no ssh command comes from the committed file' '
	printf "[deepops]\n\tsshTransport = ssh\n[core]\n\tsshCommand = touch %s/pwned\n[remote \"origin\"]\n\tdeepopsServe = touch %s/pwned\n\turl = /x\n\tpushurl = /x\n\tdeepops = true\n\tdeepopsUrl = /x\n" \
		"$TRASH" "$TRASH" >one/.deepops/config &&
	git -C one remote set-url origin "$TRASH/one.git" && git -C one deepops remote check >out &&
	test_grep "	$TRASH/one.git" out && test_path_is_missing pwned
'

evil="ssh://h\$(touch\${IFS}pwned)/x"
test_expect_success 'what a shell takes for more is no user and no host, wherever the URL comes from' '
	for url in "$evil" "ssh://a;touch/x" "git@h|x:p" "ssh://u\`x\`@h/p" "ssh://\$x@h/p" "h(x:p"
	do
		git -C one config remote.origin.deepopsUrl "$url" &&
		test_expect_code 128 git -C one deepops remote check 2>err && test_grep "malformed" err || return 1
	done &&
	git -C one config --unset remote.origin.deepopsUrl && test_path_is_missing one/pwned
'

test_expect_success 'no token, password or query is shown' '
	git -C one config remote.origin.deepopsUrl "https://ghp_SECRET@host.example/p?token=SECRET#SECRET" &&
	for command in remote "remote --json" doctor "remote check" "push --data-only" "push https://x:SECRET@h/p"
	do
		git -C one deepops $command || :
	done >out 2>&1 &&
	git -C one config --unset remote.origin.deepopsUrl &&
	test_grep "https://host.example/p" out && test_grep ! SECRET out &&
	test_must_fail git -C one push "https://ghp_SECRET@nowhere.invalid/p?a=SECRET" main >out 2>&1 &&
	test_grep ! ghp_SECRET out
'

test_expect_success 'nor recorded' '
	for url in "https://ghp_SECRET@h.example/p.git?token=SECRET" "https://h.example/p.git#SECRET" "ssh://me:SECRET@h.example/p.git"
	do
		git -C one remote set-url origin "$url" && (cd one && git deepops run -q --no-data -- true) &&
		git -C one for-each-ref --format="%(refname)" refs/deepops/log >ref && git -C one show "$(cat ref):record.json" >record && test_grep "h.example/p.git" record && test_grep ! SECRET record ||
		return 1
	done
'

test_done
