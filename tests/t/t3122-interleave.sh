#!/bin/sh
test_description='two commands at once, one of them stopped anywhere: nothing named is ever gone'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/lib-data.sh"
. "$TESTS_DIR/lib-stop.sh"

# With INTERLEAVE=all (make check-interleavings) every pair at every point, else a few.

# What runs: a name, its points, and below what it does.
first='track:track-chunk-put track:track-committed track:track-pointer-written track:store-sealed track:store-before-catalogue
	track:store-after-catalogue gc:gc-looked gc:store-before-catalogue gc:store-evict-unlink drop:store-evict-unlink
	drop:drop-before-remove run:run-inputs-read run:run-data-stored run:run-spooled run:run-ended run:run-outputs-stored
	run:run-recorded push:push-before-commit push:serve-before-sync push:serve-committed fetch:fetch-chunk
	fetch:fetch-before-commit'
second='track gc drop run push fetch fsck'
test "${INTERLEAVE-}" = all || {
	first="track:track-committed gc:gc-looked run:run-ended"
	second="track gc drop"
}

# The first and the second of a pair write different things: $1 is 1 or 2.
act () {
	case $2 in
	track) test_bytes 90000 5 >"side/t$1" && "$3" git deepops track -q side ;;
	gc) "$3" git deepops gc --grace 0 ;;
	drop) "$3" git deepops drop data ;;
	run) test_bytes 80000 6 >"in$1" && "$3" git deepops run -q -i "in$1" -o "out$1" -- cp "in$1" "out$1" ;;
	push) "$3" git deepops push --data-only ;;
	fetch) "$3" git deepops fetch -q ;;
	fsck) "$3" git deepops fsck --repair ;;
	esac
}

plain () {
	"$@"
}

stopped () {
	begin "$point" "$@"
}

# One pair in a copy of the clone.  A command may be refused because the other is at work.
pair () {
	rm -rf one one.git && cp -rp made one && cp -rp made.git one.git && cd one &&
	if act 1 "$1" stopped
	then
		act 2 "$3" plain >../second.log 2>&1
		rc=$?
		if test $rc -ge 129; then
			cat ../second.log
			return 1
		fi
		go_on
		rc=$?
		if test $rc -ge 129; then
			return 1
		fi
	fi
	git deepops fsck --deep && rm -rf data side && git deepops fetch -q && git deepops checkout -q && diff -r ../data data &&
	test -f side/kept && cmp ../kept side/kept && git add -A && git commit -q --allow-empty -m after && git push -q origin main && cd ..
}

test_expect_success 'set up: data that the server keeps, data that only the clone has, and chunks that nothing names' '
	git init -q --bare one.git && git clone -q one.git one && git -C one deepops init && cp -r one.git made.git &&
	(
		cd one && printf "/in1\n/in2\n" >>.git/info/exclude && make_data 1 && git deepops track -q data && git add -A && git commit -qm data && git push -q origin main &&
		mkdir side && test_bytes 90000 5 >side/t1 && test_bytes 70000 3 >side/kept && git deepops track -q side &&
		rm side/t1 && git deepops track -q side && git add -A && git commit -qm side
	) &&
	cp -r one/data data && cp one/side/kept kept && git -C one.git deepops server index . &&
	rm -rf made.git && cp -rp one.git made.git && cp -rp one made
'

for one in $first
do
	command=${one%%:*} point=${one#*:}
	for two in $second
	do
		test_expect_success "$command at $point, meanwhile $two" "pair $command $point $two"
	done
done

test_done
