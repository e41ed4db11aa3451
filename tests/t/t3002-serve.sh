#!/bin/sh
test_description='the chunk server: sessions, roles, cuts, kills'
. "${0%/*}/test-lib.sh"

remote () {
	"$DEEPOPS_BUILD/helper/remote" "$@"
}

nonce=00112233445566778899aabbccddeeff

test_expect_success 'setup' '
	git init -q --bare p.git &&
	for i in 1 2 3; do test_bytes 50000 $i >f$i || return 1; done
'

test_expect_success 'a repository without data answers as an empty one, and stays without a store' '
	remote p.git hello root=f1 get=f1 have=10:1 >out &&
	printf "%s\n" "role push generation 0 quota none" none absent 0 >want &&
	test_cmp want out &&
	test_path_is_missing p.git/deepops
'

test_expect_success 'what was put and committed is there' '
	remote p.git put=f1 put=f2 commit root=f1 get=f2 root=f3 >out &&
	printf "%s\n" committed complete same none >want &&
	test_cmp want out &&
	remote p.git get=f1 root=f2 >out &&
	printf "%s\n" same complete >want &&
	test_cmp want out
'

test_expect_success 'put again, it is stored once' '
	du -sb p.git/deepops/packs >before &&
	remote p.git put=f1 put=f2 commit >out &&
	du -sb p.git/deepops/packs >after &&
	test_cmp before after
'

test_expect_success 'a root whose content was not sent is named as missing, and may come then' '
	remote p.git name=f3 commit put=f3 commit root=f3 >out &&
	printf "%s\n" "missing 1" committed complete >want &&
	test_cmp want out
'

test_expect_success 'many chunks: the window slides, all come back' '
	remote p.git flood=1200:5 commit have=1200:5 >out &&
	remote p.git fetch=1200:5 fetch=10:6 >>out &&
	printf "%s\n" committed 1200 1200 0 >want &&
	test_cmp want out
'

test_expect_success 'a cut session resumes, one that is not named is forgotten' '
	git init -q --bare cut.git &&
	test_expect_code 137 remote cut.git begin=$nonce flood=600:7 have=600:7 die >out &&
	echo 600 >want &&
	test_cmp want out &&
	remote cut.git have=600:7 begin=$nonce have=600:7 commit have=600:7 >out &&
	printf "%s\n" 0 600 committed 600 >want &&
	test_cmp want out &&
	find cut.git/deepops/incoming -mindepth 1 >left &&
	test_must_be_empty left
'

# A client that begins a session and then neither speaks nor leaves.
hold_session () {
	perl -e '
		sub frame { my ($type, $body) = @_; pack("V C C v a*", 4 + length $body, $type, 0, 0, $body) }
		$| = 1;
		binmode STDOUT;
		print frame(1, "DOPSWIRE" . pack("v v C V V v v Q< a16 Q< Q< v", 1, 1, 0, 1114112,
			1 << 20, 4096, 8, 64 << 20, "", 0, ~0, 0)), frame(16, pack("H*", $ARGV[0]));
		sleep 60;
	' $nonce >hold &
	holder=$!
	git-deepops-serve held.git <hold >/dev/null &
	server=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		test -d held.git/deepops/incoming/$nonce && return 0
		sleep 0.2
	done
	return 1
}

test_expect_success 'a session that a dead connection holds is replaced after a while' '
	git init -q --bare held.git &&
	mkfifo hold &&
	hold_session &&
	remote held.git begin=$nonce put=f1 commit get=f1 >out &&
	kill $holder $server &&
	printf "%s\n" committed same >want &&
	test_cmp want out
'

test_expect_success 'role read may ask and fetch, not push' '
	remote "serve=git-deepops-serve --role read" p.git hello get=f1 root=f1 >out &&
	printf "%s\n" same complete >want &&
	test_grep "^role read " out &&
	sed 1d out >rest &&
	test_cmp want rest &&
	test_must_fail remote "serve=git-deepops-serve --role read" p.git put=f3 2>err &&
	test_grep "^fatal: p.git: role read may not push" err
'

test_expect_success 'and the server refuses a client that tries all the same' '
	mkdir cases && "$TESTS_DIR/helper/hostile-client" cases &&
	test_must_fail git-deepops-serve --role read p.git <cases/begin-twice >out 2>err &&
	test_grep "^fatal: role read may not push" err &&
	test_grep -a "role read may not push" out
'

test_expect_success 'role read makes no store' '
	git init -q --bare none.git &&
	remote "serve=git-deepops-serve --role read" none.git get=f1 >out &&
	echo absent >want &&
	test_cmp want out &&
	test_path_is_missing none.git/deepops
'

test_expect_success 'beside a work tree others may only read' '
	git init -q tree &&
	remote tree hello >out &&
	test_grep "^role read" out &&
	test_must_fail remote tree put=f1 2>err &&
	test_grep "role read may not push" err
'

test_expect_success 'the repository is found as git finds it' '
	git init -q --bare found.git &&
	for path in found found.git found.git/ tree tree/.git; do
		remote $path hello || return 1
	done &&
	git -C tree commit -q --allow-empty -m x &&
	git -C tree worktree add -q ../linked &&
	remote linked hello &&
	for path in nowhere "$TRASH" f1; do
		test_must_fail remote "$path" hello 2>err &&
		test_grep "^fatal: .*: $path is not a git repository$" err || return 1
	done
'

test_expect_success 'the store is as open as the repository' '
	git init -q --bare closed.git &&
	chmod 750 closed.git &&
	remote closed.git put=f1 commit &&
	find closed.git/deepops -perm /027 >wide &&
	test_must_be_empty wide &&
	git init -q --bare --shared=group shared.git &&
	remote shared.git put=f1 commit &&
	find shared.git/deepops -type d -not -perm -770 >narrow &&
	test_must_be_empty narrow
'

test_expect_success 'what came is not proven before it was read again, and stays so when it was' '
	git init -q --bare proof.git &&
	remote proof.git put=f1 put=f2 hash=f1 commit prove=f1 hash=f1 prove=f2 hash=f3 >out &&
	printf "%s\n" damaged committed not proven proven damaged >want && test_cmp want out &&
	remote proof.git prove=f1 >out && echo proven >want && test_cmp want out &&
	remote "serve=git-deepops-serve --role read" proof.git prove=f1 hash=f2 >out &&
	printf "%s\n" proven proven >want && test_cmp want out
'

test_expect_success 'a flipped byte is found, its chunk is not there from then on, and its neighbour is proven' '
	pack=$(find proof.git/deepops/packs -type f) && chmod u+w "$pack" && sleep 0.1 &&
	printf WRONG | dd of="$pack" bs=1 seek=$((28 + 52 + 50000 + 52 + 100)) conv=notrunc 2>/dev/null &&
	remote proof.git prove=f1 root=f2 hash=f2 root=f2 get=f2 hash=f1 >out &&
	printf "%s\n" not complete damaged pending absent proven >want && test_cmp want out &&
	remote proof.git put=f2 commit hash=f2 >out && printf "%s\n" committed proven >want && test_cmp want out
'

test_expect_success 'every role may ask for the floor policy; there may be none, or one that cannot be read' '
	remote "serve=git-deepops-serve --role read" proof.git policy >out && echo "no policy" >want && test_cmp want out &&
	printf "[policy \"main\"]\n\tmode = warn\n" >proof.git/deepops/policy &&
	remote "serve=git-deepops-serve --role read" proof.git policy >out && test_cmp proof.git/deepops/policy out &&
	test_bytes 262145 1 >proof.git/deepops/policy &&
	test_must_fail remote proof.git policy 2>err &&
	test_grep "^fatal: proof.git: its policy cannot be read: .*/policy: more than 262144 bytes$" err &&
	rm proof.git/deepops/policy && mkdir proof.git/deepops/policy &&
	test_must_fail remote proof.git policy 2>err && test_grep "its policy cannot be read: .*directory" err
'

# Millions of small chunks must fit into memory: what is whole is committed on the way.
test_expect_success 'a long session is committed in parts' '
	git init -q --bare long.git &&
	test_expect_code 137 remote long.git begin=$nonce flood=280000:4:256 have=1:4:256 die &&
	remote long.git have=280000:4:256 >out && test "$(cat out)" -ge 131072 &&
	remote long.git begin=$nonce flood=280000:4:256 put=f1 commit have=280000:4:256 >out &&
	printf "%s\n" committed 280000 >want && test_cmp want out
'

test_expect_success 'and so is one that sends little at a time' '
	git init -q --bare slow.git &&
	test_expect_code 137 remote slow.git begin=$nonce flood=140000:6:8 have=1:6:8 nap=3000 die &&
	remote slow.git have=140000:6:8 >out && echo 140000 >want && test_cmp want out
'

# What the relay saw acknowledged must be there, whatever became of the server.
for point in $(grep -rho 'killpoint("serve-[^"]*"' "$TOP_DIR/server" | sed 's/.*("//; s/"//' | sort -u); do
	case $point in
	serve-part) continue ;; # above
	serve-missing) steps='put=f1 name=f2 commit' ;;
	*) steps='put=f1 commit fetch=700:9' ;;
	esac
	test_expect_success "killed at $point: what was acknowledged is there, the next try succeeds" '
		rm -rf k.git log && git init -q --bare k.git &&
		test_expect_code 128 env DEEPOPS_KILL_AT='"$point"' "$DEEPOPS_BUILD/helper/remote" \
			"serve='"'\$TESTS_DIR/helper/relay'"' --log \"$TRASH/log\" git-deepops-serve" \
			k.git begin=$nonce flood=700:9 '"$steps"' &&
		acked=$(awk "/down ACK/ { n = \$4 } END { print int((n - 5040) / 65576) }" log) &&
		remote k.git begin=$nonce have=700:9 >out && test "$(cat out)" -ge "$acked" &&
		remote k.git begin=$nonce flood=700:9 put=f1 commit fetch=700:9 get=f1 >out &&
		printf "%s\n" committed 700 same >want &&
		test_cmp want out &&
		find k.git/deepops/incoming -mindepth 1 >left &&
		test_must_be_empty left
	'
done

test_done
