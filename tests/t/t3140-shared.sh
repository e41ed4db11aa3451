#!/bin/sh
test_description='a repository that a group shares: every member can push, track, run and collect'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

test "$(id -u)" -eq 0 || skip_all 'needs two accounts: run as root'

# as UID COMMAND...: an account of the group 4711, with the umask of most systems.
as () {
	as_uid=$1
	shift
	(umask 022 && HOME=$TRASH/home$as_uid setpriv --reuid="$as_uid" --regid="$as_uid" --groups=4711 "$@")
}

test_expect_success 'set up: a server and a working clone of the group' '
	chmod 755 "$TEST_ROOT" "$TRASH" && for uid in 4001 4002; do
		mkdir home$uid && printf "[user]\n\tname = u$uid\n\temail = u$uid@example.com\n[safe]\n\tdirectory = *\n" >home$uid/.gitconfig &&
		chown -R $uid:$uid home$uid || return 1
	done &&
	mkdir group && chgrp 4711 group && chmod 2775 group &&
	as 4001 git init -q --bare --shared=group group/srv.git && chgrp -R 4711 group/srv.git &&
	as 4001 git deepops server install group/srv.git
'

for uid in 4001 4002 4001
do
	test_expect_success "account $uid pushes data and a branch" '
		as $uid git clone -q "$TRASH/group/srv.git" home$uid/clone && cd home$uid/clone && as $uid git deepops init &&
		as $uid sh -c "mkdir -p data && date +%s%N >data/f$$ && head -c 100000 /dev/urandom >data/r" &&
		as $uid git deepops track data && as $uid git add -A && as $uid git commit -qm $uid && as $uid git push -q origin HEAD:refs/heads/b$uid-$$-$test_count &&
		cd .. && rm -rf clone
	'
done

test_expect_success 'the server looks after itself for both' '
	as 4002 git deepops server index group/srv.git && as 4001 git deepops server index group/srv.git &&
	as 4002 git -C group/srv.git deepops fsck --deep && as 4001 git -C group/srv.git deepops fsck --deep &&
	{ as 4002 git deepops server doctor group/srv.git >out || :; } && test_grep ! "belongs to uid" out &&
	find group/srv.git/deepops ! -perm -g+r >out && test_must_be_empty out
'

test_expect_success 'a working clone is used by both' '
	cd group && as 4001 git -c core.sharedRepository=group clone -q --config core.sharedRepository=group srv.git work && chgrp -R 4711 work && chmod -R g+ws work &&
	cd work && as 4001 git deepops init && as 4001 sh -c "umask 002; mkdir data; echo 1 >data/a" && as 4001 git deepops track data && as 4001 git add -A && as 4001 git commit -qm one && as 4001 rm -f .git/COMMIT_EDITMSG &&
	as 4002 sh -c "umask 002; echo 2 >data/b" && as 4002 git deepops track data && as 4002 git add -A && as 4002 git commit -qm two &&
	as 4001 git deepops run --no-data -o out1 -- sh -c "echo 1 >out1" && as 4002 git deepops run --no-data -o out2 -- sh -c "echo 2 >out2" &&
	as 4001 git deepops gc && as 4002 git deepops gc && as 4002 git deepops fsck --deep && as 4001 git deepops status
'

test_done
