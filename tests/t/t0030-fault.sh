#!/bin/sh
test_description='system calls that fail: the library that makes them, and replacing a file'
. "${0%/*}/test-lib.sh"
. "$TESTS_DIR/../fault/sweep.sh"

# Run a command with a fault anywhere: with_fault FAULT CMD...
with_fault () {
	fault=$1
	shift
	env LD_PRELOAD="$FAULT_LIB" DEEPOPS_FAULT="$fault" DEEPOPS_FAULT_HIT="$TRASH/hit" "$@"
}

test_expect_success 'the nth call fails with the errno asked for, and says that it did' '
	printf 123456 >in &&
	test_must_fail with_fault write:2:28 dd if=in of=out bs=2 2>err &&
	grep "No space left on device" err &&
	test_path_is_file hit &&
	printf 12 >expect &&
	test_cmp expect out
'

test_expect_success 'beyond the last call nothing happens' '
	rm -f hit &&
	with_fault write:99:28 dd if=in of=out bs=2 2>err &&
	test_cmp in out &&
	test_path_is_missing hit
'

test_expect_success 'with + every later call fails too' '
	touch a b c &&
	test_must_fail with_fault unlink:2:13 rm -f a b c &&
	test_path_is_file b &&
	test_path_is_missing c &&
	touch a c &&
	test_must_fail with_fault unlink:2+:13 rm -f a b c &&
	test_path_is_missing a &&
	test_path_is_file b &&
	test_path_is_file c
'

test_expect_success 'short writes, kills, and every kind of call' '
	with_fault write:1:short dd if=in of=out bs=6 2>err &&
	test_cmp in out &&
	test_expect_code 137 with_fault mkdir:1:kill mkdir d &&
	test_path_is_missing d &&
	test_must_fail with_fault mkdir:1:28 mkdir d &&
	test_must_fail with_fault rename:1:28 mv -n in moved &&
	test_must_fail with_fault fsync:1:5 sync in &&
	test_must_fail with_fault fdatasync:1:5 sync -d in &&
	test_must_fail with_fault open:1:30 cp in copy &&
	test_must_fail with_fault close:1:5 cp in copy &&
	test_path_is_file in
'

test_expect_success 'only in the program named' '
	rm -f hit &&
	with_fault mkdir:1:28 env DEEPOPS_FAULT_IN=sh mkdir e &&
	test_path_is_missing hit &&
	test_must_fail with_fault mkdir:1:28 env DEEPOPS_FAULT_IN=mkdir mkdir f &&
	test_path_is_file hit
'

# Old or new, whole; after an error no temporary file; the same command then works.
cat >check <<\END
case $(cat target) in
old) test "$fault_status" -ne 0 || exit 1 ;;
new) ;;
*) exit 1 ;;
esac &&
{ test "$fault_status" -eq 137 || test "$(ls -A dir | grep -c "^.tmp-")" -eq 0; } &&
printf new | "$DEEPOPS_BUILD/fault/replace" dir/target &&
test "$(cat dir/target)" = new
END

test_expect_success 'a file is replaced whole or not at all, whatever fails' '
	mkdir dir &&
	ln -s dir/target target &&
	fault_sweep replace "
			open:%:28 write:%:28 write:%:short write:%:kill fsync:%:5 fsync:%:28
			fsync:%:kill close:%:5 rename:%:28 rename:%:kill
		" \
		"rm -f dir/* dir/.tmp-* && printf old >dir/target" \
		"printf new | \"\$DEEPOPS_BUILD/fault/replace\" dir/target" \
		". ./check" &&
	test "$fault_hits" -ge 10
'

test_expect_success 'a sweep notices a lost file, a wrong status and a fault that cannot happen' '
	! fault_sweep replace rename:%:kill "printf old >dir/target" \
		"printf new | \"\$DEEPOPS_BUILD/fault/replace\" dir/target" \
		"test \"\$(cat target)\" = new" >out &&
	grep "rename:1:kill: exit status 137, and what was checked" out &&
	! fault_sweep replace rename:%:kill "printf old >dir/target" \
		"printf new | \"\$DEEPOPS_BUILD/fault/replace\" dir/target" \
		"test \"\$(cat target)\" = new; :" >out &&
	grep "rename:1:kill: exit status 137, and what was checked" out &&
	! fault_sweep replace write:%:28 : \
		"printf new | \"\$DEEPOPS_BUILD/fault/replace\" dir/target; exit 3" : >out &&
	grep "write:1:28: exit status 3" out &&
	! fault_sweep replace mkdir:%:28 : \
		"printf new | \"\$DEEPOPS_BUILD/fault/replace\" dir/target" : >out &&
	grep "mkdir:%:28 never hit replace" out
'

test_done
