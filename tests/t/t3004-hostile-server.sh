#!/bin/sh
test_description='a hostile or broken server never gets wrong bytes accepted, and is named'
. "${0%/*}/test-lib.sh"

# fake MODE STEP...: against the fake server in this mode.
fake () {
	mode=$1
	shift
	timeout 20 "$DEEPOPS_BUILD/helper/remote" "serve='$TESTS_DIR/helper/fake-serve' $mode" /some/repo "$@"
}

# refused PATTERN MODE STEP...: it ends with exactly this message.
refused () {
	pattern=$1
	shift
	test_expect_code 128 fake "$@" >out 2>err &&
	test_must_be_empty out &&
	test_grep "^fatal: $pattern$" err
}

test_expect_success 'setup' '
	test_bytes 5000 1 >f
'

test_expect_success 'noise before the protocol is quoted' '
	refused "/some/repo: the other side says .Welcome to the machine!??.* before the protocol begins" noise get=f &&
	test_grep "^hint: .*shell start-up files" err &&
	refused "/some/repo: the other side says .This account is disabled.*" noise-only get=f &&
	refused "/some/repo: the other side says .xxxxxxxx*. before the protocol begins" much-noise get=f
'

test_expect_success 'a server that says nothing is explained' '
	refused "this machine: .*fake-serve. silent closed the connection" silent get=f
'

test_expect_success 'a missing server program gets a hint' '
	test_expect_code 128 "$DEEPOPS_BUILD/helper/remote" serve=/nonexistent/serve /some/repo get=f 2>err &&
	test_grep "^fatal: this machine: /nonexistent/serve is not installed there" err &&
	test_grep "^hint: .*deepopsServe" err
'

test_expect_success 'versions and demands that we do not know' '
	refused "/some/repo: no protocol version in common: 7 to 9 there, 1 to 1 here" future get=f &&
	refused "/some/repo: the other side requires quantum" demanding get=f &&
	refused "/some/repo: it says it is a client too" client get=f &&
	refused "/some/repo: HELLO .*" short-hello get=f &&
	refused "/some/repo: the other side.s limits let no chunk through" narrow get=f
'

test_expect_success 'bytes that are not those of the id' '
	refused "/some/repo: data sha256:[0-9a-f]* from there: wrong bytes" wrong-bytes get=f
'

for mode in wrong-length unknown-encoding bomb bomb-declared; do
	test_expect_success "a chunk that cannot be: $mode" '
		refused "/some/repo: data sha256:[0-9a-f]* from there: .*" '$mode' get=f
	'
done

test_expect_success 'lengths beyond every limit' '
	refused "/some/repo: chunk of 4294967295 bytes, .* stored" huge-plain get=f &&
	refused "/some/repo: frame of 2147483647 bytes" huge-frame get=f &&
	refused "/some/repo: frame of 0 bytes has no header" tiny-frame get=f
'

test_expect_success 'answers to another question' '
	for mode in wrong-id wrong-kind wrong-place; do
		refused "/some/repo: sends a chunk that was not asked for" $mode get=f || return 1
	done &&
	refused "/some/repo: CHUNK is no answer to the question" wrong-stream get=f &&
	refused "/some/repo: BITMAP is no answer to the question" wrong-type get=f &&
	refused "/some/repo: CHUNK is no answer to the question" wrong-bytes have=1:1 &&
	refused "/some/repo: BITMAP does not answer the question" bitmap-long have=1:1 &&
	refused "/some/repo: BITMAP with stray bits" bitmap-stray have=1:1
'

test_expect_success 'a server of before that cannot prove or tell its policy is named, with what mends it' '
	refused "/some/repo: the git-deepops-serve there is too old to prove what it holds" before-prove hash=f &&
	refused "/some/repo: the git-deepops-serve there is too old to tell its policy" before-prove policy &&
	test_grep "^hint: install .* on the server$" err
'

test_expect_success 'answers to PROVE and POLICY that cannot be' '
	refused "/some/repo: answers PROVE with 3" prove-3 hash=f &&
	refused "/some/repo: BITMAP does not answer the question" prove-narrow hash=f &&
	refused "/some/repo: CHUNK is no answer to the question" wrong-bytes hash=f &&
	refused "/some/repo: malformed POLICY" policy-state policy &&
	refused "/some/repo: malformed POLICY" policy-mute policy &&
	refused "/some/repo: POLICY of 262145 bytes" policy-huge policy &&
	refused "/some/repo: its policy cannot be read: ?.2Jgone?" policy-escapes policy
'

test_expect_success 'one answer twice' '
	test_expect_code 128 fake twice get=f get=f 2>err &&
	test_grep "^fatal: /some/repo: CHUNK is no answer to the question$" err
'

test_expect_success 'frames that we do not know' '
	refused "/some/repo: frame of unknown type 99" unknown-type get=f &&
	refused "/some/repo: frame with unknown flags 0x80" unknown-flag get=f &&
	fake optional-type get=f >out &&
	echo absent >want &&
	test_cmp want out
'

test_expect_success 'an acknowledgement of what was never sent' '
	refused "/some/repo: acknowledges what was not sent" false-ack put=f commit
'

test_expect_success 'a connection that ends' '
	refused "this machine: .* closed the connection" end get=f &&
	refused "this machine: .* closed the connection" cut get=f &&
	refused "this machine: .* closed the connection" end put=f commit
'

test_expect_success 'control bytes in its words never reach the terminal' '
	refused "/some/repo: ?.2Jgotcha?" escapes get=f &&
	test_grep "^hint: run ?.0;evil?$" err &&
	refused "/some/repo: malformed ERR" bad-err get=f
'

# Every path but what a dataset may write: its own tree, the local store, our own logs.
world () {
	find . ../outside /tmp/outside -path ./said -prune -o -path ./before -o -path ./after -o -path ./clone/.git/deepops -prune -o -print 2>/dev/null |
		grep -v -E "^./clone/data(/x(/y)?)?$" | sort
	cksum clone/.git/config clone/.git/hooks/*
}

# hostile CASE: a clone whose server is in league with who made the tree.
hostile () {
	rm -rf clone chunks said && git init -q clone && mkdir chunks said &&
	(
		cd clone && git remote add origin /some/repo &&
		git config remote.origin.deepopsServe "'$TESTS_DIR/helper/fake-serve' 'dir:$TRASH/chunks'" &&
		git deepops init && "$TESTS_DIR/helper/hostile-tree" ../chunks "$1" >data.deepops &&
		echo /data >.gitignore && git add -A && git commit -q -m evil
	)
}

# The ids are right, the pointer is committed: only what they say must not be done.
for case in $("$TESTS_DIR/helper/hostile-tree" . list); do
	test_expect_success "a tree that is not to be checked out: $case" '
		hostile '"$case"' && world >before &&
		(
			cd clone &&
			{ timeout 60 git-deepops fetch; echo $? >../said/rc; } >../said/out 2>../said/err &&
			{ timeout 60 git-deepops checkout; echo $? >>../said/rc; } >>../said/out 2>>../said/err
		) &&
		test_grep "^128$" said/rc && ! grep -v -x -e 0 -e 128 said/rc &&
		test_grep "^fatal: .*data" said/err && ! LC_ALL=C grep "[[:cntrl:]]" said/err &&
		world >after && test_cmp before after
	'
done

test_expect_success 'a chunk that is not as long as its recipe says is refused as it comes' '
	hostile piece-length && (cd clone && test_expect_code 128 git-deepops fetch 2>../err) &&
	test_grep "chunk sha256:[0-9a-f]* has 70000[01] bytes, not 70000[01]$" err
'

test_expect_success 'a tree that names one node any number of times is fetched in no time' '
	hostile many && (cd clone && timeout 20 git-deepops fetch)
'

test_done
