#!/bin/sh
test_description='a list of chunks that is not the file: never stored from outside, never trusted over the file itself'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"

lie () {
	"$DEEPOPS_BUILD/helper/lie" "$1" "$2" "$(sha256sum <"$TRASH/good/b" | cut -d " " -f 1)"
}

test_expect_success 'set up: data on a server, and a clone without it' '
	new_pair one && (cd one && track_and_commit 1 && git push -q origin main) && cp -r one/data good &&
	git clone -q one.git two && git -C two deepops init
'

for how in other order
do
	test_expect_success "a server lies about a recipe ($how): nothing of it is kept" '
		lie $how one.git/deepops && cd two && test_expect_code 128 git deepops fetch 2>../err &&
		test_grep "^fatal: data: remote origin" ../err && test_grep "^hint: .*git deepops fsck --deep --repair" ../err &&
		test_grep ! "whoever has the data" ../err &&
		git deepops fsck --deep && lie $how ../one.git/deepops && git deepops fetch -q && git deepops fsck --deep &&
		git deepops checkout -q && diff -r ../good data && rm -rf data .git/deepops && git deepops init
	'
done

test_expect_success 'a clone that has a lie asks the remote again' '
	cd two && git deepops fetch -q && lie other .git/deepops &&
	test_expect_code 1 git deepops fsck --deep >../out && test_grep "recipe .*names chunks that are not here" ../out &&
	git deepops fetch -q && git deepops fsck --deep && git deepops checkout -q && diff -r ../good data
'

test_expect_success 'fsck --repair gives a lie up, and fetch brings the truth' '
	cd two && lie order .git/deepops && test_expect_code 1 git deepops fsck --deep >../out && test_grep "recipe .*gives the file" ../out &&
	test_expect_code 1 git deepops fsck --deep --repair && git deepops fetch -q && git deepops fsck --deep &&
	rm -r data && git deepops checkout -q && diff -r ../good data
'

test_expect_success 'track stores what the file is, whatever is said of it here' '
	cd two && for how in other order; do
		lie $how .git/deepops && touch data/b && git deepops track data && git deepops fsck --deep &&
		rm -r data && git deepops checkout -q && diff -r ../good data || exit 1
	done &&
	lie other .git/deepops && git deepops track data && rm -r data && git deepops checkout -q && diff -r ../good data
'

test_expect_success 'a recipe that only this clone has is not given up for a remote that lacks it' '
	cd one && test_bytes 300000 8 >data/only && git deepops track -q data && git commit -qam only && cp -r .git/deepops ../kept &&
	test_expect_code 0 git deepops fetch && diff -r ../kept/packs .git/deepops/packs
'

test_done
