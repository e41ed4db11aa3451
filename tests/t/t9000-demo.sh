#!/bin/sh
test_description='make demo: the whole path on real images, with a short training'
. "${0%/*}/test-lib.sh"

test_expect_success SSHD,NUMPY,FASHION 'the demo runs to its end and checks itself' '
	export DEMO_DIR="$TRASH" DEMO_TRAIN="--images --epochs 1" &&
	if ! "$TOP_DIR/contrib/demo.sh" >out 2>&1
	then
		cat out
		false
	fi
'

test_expect_success SSHD,NUMPY,FASHION 'it shows two refusals, the note, and an identical rerun' '
	test_grep "E-DATA-INCOMPLETE" out &&
	test_grep "E-EXEC-NORECORD" out &&
	test "$(grep -c "Deepops-Run: .* level=R2/T0 " out)" = 2 &&
	test_grep "^verdict: identical" out &&
	scratch=$(sed -n "s/^Everything is left in \(.*\):\$/\1/p" out) &&
	test_path_is_dir "$scratch/work" &&
	git --git-dir="$scratch/srv/fashion.git" fsck --strict
'

test_done
