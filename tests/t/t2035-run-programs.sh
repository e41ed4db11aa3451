#!/bin/sh
test_description='what really ran, and what it read from standard input'
. "${0%/*}/test-lib.sh"

last () {
	git-deepops runs -n 1 --csv --columns run | sed 1d
}

# "from path" of each program of the last run.
programs () {
	git-deepops show --raw "$(last)" | "$TEST_PYTHON" -c "
import json, sys
c = json.load(sys.stdin)['command']
print('watched', c.get('watched'), 'stdin', c.get('stdin'), c.get('stdin_id'))
for p in c.get('programs', ()):
    print(p['from'], p['path'], p.get('id'))"
}

# saw FROM PATH [ID]: the last run has it.
saw () {
	programs >"$TRASH/programs" && grep -q "^$1 $2 ${3-}" "$TRASH/programs" || {
		echo "not there: $1 $2 ${3-}"
		cat "$TRASH/programs"
		return 1
	}
}

digest () {
	echo "sha256:$(sha256sum "$@" | cut -c1-64)"
}

test_expect_success 'set up' '
	git init repo && mkdir outside "outside/my dir" &&
	(
		cd repo && printf "#!/bin/sh\necho inside\n" >in.sh && echo "echo plain" >plain.sh &&
		chmod +x in.sh && echo ignored.sh >.gitignore && echo "echo ignored" >ignored.sh &&
		git add -A && git commit -q -m one
	) &&
	printf "#!/bin/sh\necho outside\n" >outside/evil.sh && cp outside/evil.sh "outside/my dir/a b.sh" &&
	chmod +x outside/evil.sh outside/*/*.sh &&
	echo "X=1" >outside/env.sh
'

test_expect_success 'scripts of the tree, by interpreter, by their first line and by absolute path' '
	(
		cd repo &&
		git-deepops run --no-data -- sh plain.sh && saw tree plain.sh $(digest plain.sh) && saw system /usr/bin/sh &&
		git-deepops run --no-data -- ./in.sh && saw tree in.sh $(digest in.sh) && saw system /bin/sh &&
		git-deepops run --no-data -- sh "$PWD/plain.sh" && saw tree plain.sh &&
		! grep "^outside" ../programs && test_grep "watched every" ../programs &&
		git-deepops run --no-data -- sh ignored.sh && saw outside ignored.sh $(digest ignored.sh)
	)
'

# shellcheck disable=SC2089,SC2090 # the quotes are for the eval below
for command in "sh X" "env sh X" "env A=1 nice timeout 10 sh X" "sh -c X" "sh -e X" "bash -o pipefail -e X" \
	"sh -c 'sh -c X'" "sh -c '. X'" "X" "sh -c 'exec X'" "setsid -w X" "xargs -n 1 sh -c X"
do
	export command
	test_expect_success "a script from outside is seen: $command" '
		(
			cd repo && eval "git-deepops run --no-data -- $(echo "$command" | sed "s#X#$TRASH/outside/evil.sh#g")" </dev/null &&
			saw outside "$TRASH/outside/evil.sh" $(digest ../outside/evil.sh)
		)
	'
done

test_expect_success 'names with blanks, relative names, and many programs' '
	(
		cd repo && git-deepops run --no-data -- sh -c "cd .. && cd \"outside/my dir\" && ./\"a b.sh\"" &&
		saw outside "$TRASH/outside/my dir/a b.sh" &&
		git-deepops run --no-data -- sh -c "for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done" &&
		saw system /bin/true && test $(grep -c "system /bin/true" ../programs) -eq 1
	)
'

test_expect_success 'what is built from the tree while it runs is of the tree' '
	(
		cd repo && echo "int main(void) { return 0; }" >main.c &&
		{ command -v cc >../out || exit 0; } &&
		git-deepops run --no-data -- sh -c "cc -o prog main.c && ./prog" && saw tree prog && rm prog main.c
	)
'

test_expect_success 'a program of the system that is missing its interpreter, and a line without a shell' '
	(
		cd repo && printf "#!/no/such/sh\n" >bad.sh && chmod +x bad.sh &&
		test_expect_code 128 git-deepops run --no-data -- ./bad.sh 2>../err &&
		test_grep "bad.sh: the interpreter that its first line" ../err &&
		test_expect_code 128 git-deepops run --no-data -- "true | cat" 2>../err &&
		test_grep "command not found" ../err && test_grep "hint: .*sh -c" ../err && rm bad.sh
	)
'

test_expect_success 'a directory of PATH that may not be entered does not hide that a command is missing' '
	(
		cd repo && mkdir ../locked && chmod 0 ../locked &&
		test_expect_code 128 env PATH="$TRASH/locked:$PATH" setpriv --inh-caps=-all --bounding-set=-all \
			git-deepops run --no-data -- no-such-command 2>../err &&
		test_grep "no-such-command: command not found" ../err &&
		PATH="$TRASH/locked:$PATH" test_unprivileged git-deepops run --no-data -- true
	)
'

test_expect_success 'when only looked at from time to time it says so, and setuid programs keep their rights' '
	(
		cd repo && git config deepops.watch sample &&
		git-deepops run --no-data -- sh -c "sleep 0.3; :" && saw system /usr/bin/sleep &&
		test_grep "^watched sampled" ../programs && git config --unset deepops.watch
	)
'

test_expect_success 'an ordinary user sees as much' '
	(
		cd repo && test_unprivileged git-deepops run --no-data -- sh -c "env sh $TRASH/outside/evil.sh" &&
		saw outside "$TRASH/outside/evil.sh" && test_grep "^watched every" ../programs
	)
'

test_expect_success 'a command that names sudo and the like keeps its rights' '
	(
		cd repo && mkdir ../suid && printf "#!/bin/sh\n" >../suid/apptainer && cp /bin/true ../suid/own &&
		chmod 755 ../suid ../suid/apptainer && chmod 4755 ../suid/own &&
		for command in apptainer own "cd . && apptainer x" "(apptainer)"
		do
			PATH="$TRASH/suid:$PATH" test_unprivileged git-deepops run --no-data -- \
				sh -c "sleep 0.3; grep NoNewPrivs /proc/self/status >$TRASH/suid.said; exit 0" "$command" &&
			test_grep "NoNewPrivs:.*0" ../suid.said && programs >../programs && test_grep "^watched sampled" ../programs || return 1
		done &&
		test_unprivileged git-deepops run --no-data -- sh -c "exit 0" apptainer-like "not.su" &&
		programs >../programs && test_grep "^watched every" ../programs
	)
'

test_expect_success 'what is started by a call of another kind is seen' '
	test "$(uname -m)" = x86_64 || return 0
	(
		cd repo && printf "import ctypes\nctypes.CDLL(None).syscall(0x40000208, b\"%s\", 0, 0)\n" \
			"$TRASH/outside/evil.sh" >x32.py &&
		git-deepops run --no-data -- "$TEST_PYTHON" x32.py && saw outside "$TRASH/outside/evil.sh"
	)
'

test_expect_success 'what the command left behind can go on starting programs' '
	(
		cd repo && rm -f ../late &&
		git-deepops run --no-data -- sh -c "(sleep 0.5; /bin/echo late >../late) >/dev/null 2>&1 &" &&
		i=0 && while test ! -s ../late && test $i -lt 50; do sleep 0.1; i=$((i + 1)); done &&
		test_grep late ../late
	)
'

test_expect_success 'so can one whose supervisor was killed, and recover has what was seen' '
	(
		cd repo && rm -f ../late &&
		test_expect_code 137 env DEEPOPS_KILL_AT=run-started git-deepops run --no-data -- \
			sh -c "sleep 0.3; /bin/echo late >../late" &&
		i=0 && while test ! -s ../late && test $i -lt 50; do sleep 0.1; i=$((i + 1)); done &&
		test_grep late ../late && sleep 0.1 && git-deepops recover >../out && test_grep recorded ../out &&
		saw system /usr/bin/sh && test_grep "^watched sampled" ../programs
	)
'

test_expect_success 'standard input: null, a file, a pipe that is read, one that is not' '
	(
		cd repo && printf "a\nb\n" >../in &&
		git-deepops run --no-data -- cat <../in && saw watched every "stdin file $(digest ../in)" &&
		git cat-file -p refs/deepops/log/$(cat .git/deepops/writer):stdin >../got && test_cmp ../in ../got &&
		git-deepops rerun $(last) >../out 2>../err && test_grep "^b" ../out &&
		git-deepops run --no-data -- true <../in && saw watched every "stdin null None" &&
		git-deepops run --no-data -- cat </dev/null && saw watched every "stdin null None" &&
		cat ../in | git-deepops run --no-data -- cat && saw watched every "stdin pipe None" &&
		git-deepops rerun $(last) </dev/null >../out 2>../err && test_grep "read a pipe that was not kept" ../err &&
		cat ../in | git-deepops run --no-data -- true && saw watched every "stdin null None" &&
		(sleep 1; echo "echo late") | git-deepops run --no-data -- sh && saw watched every "stdin pipe None" &&
		sleep 1 | git-deepops run --no-data -- true && saw watched every "stdin null None"
	)
'

test_expect_success 'a loop around runs keeps its input, and a long file goes to the store' '
	(
		cd repo && printf "1\n2\n3\n" | while read -r i; do git-deepops run --no-data --title "turn $i" -- true; done &&
		test $(git-deepops runs --where "title=turn 3" --csv --columns run | sed 1d | wc -l) -eq 1 &&
		awk "BEGIN { for (i = 0; i < 20000; i++) print i, \"line\" }" >../long &&
		git-deepops run --no-data -- wc -l <../long && saw watched every "stdin file $(digest ../long)" &&
		git-deepops rerun $(last) >../out 2>../err && test_grep "^20000" ../out
	)
'

test_expect_success 'code that comes from outside is named: links, PYTHONPATH, editable packages, .pth' '
	(
		cd repo && mkdir ../shared ../pkg && echo "X = 1" >../shared/util.py && echo "Y = 1" >../pkg/pkg.py &&
		ln -s ../shared/util.py util.py && ln -s in.sh alias.sh && ln -s /no/where dangling && ln -s /dev/null null &&
		PYTHONPATH="$TRASH/shared:$PWD" git-deepops run --no-data -- true &&
		git-deepops show --raw $(last) >../got &&
		test_grep "\"outside\":\[\"PYTHONPATH: $TRASH/shared\",\"util.py -> ../shared/util.py\"\]" ../got &&
		rm util.py alias.sh dangling null &&
		v=.venv/lib/python3.9/site-packages && mkdir -p $v/pkg-1.dist-info $v/two-2.dist-info .venv/bin && echo .venv >>.gitignore &&
		ln -s lib .venv/lib64 && echo "home = /usr/bin" >.venv/pyvenv.cfg && cp /bin/true .venv/bin/python &&
		echo "x.py,," >$v/pkg-1.dist-info/RECORD && echo "{\"dir_info\": {\"editable\": true}, \"url\": \"file://$TRASH/pkg\"}" >$v/pkg-1.dist-info/direct_url.json &&
		printf "two.py,,\n../../../bin/tool,sha256=1,3\n" >$v/two-2.dist-info/RECORD && echo "$TRASH/shared" >$v/more.pth &&
		printf "#!$PWD/.venv/bin/python\n" >.venv/bin/tool && cp .venv/bin/tool .venv/bin/other && chmod +x .venv/bin/tool .venv/bin/other &&
		git-deepops run --no-data -- env A=1 nice .venv/bin/tool && saw environment .venv/bin/tool && saw environment .venv/bin/python &&
		git-deepops show --raw $(last) >../got && test_grep "\"more.pth: $TRASH/shared\",\"pkg: $TRASH/pkg\"" ../got &&
		git cat-file -p refs/deepops/log/$(cat .git/deepops/writer):machine >../machine &&
		test_grep "os.pkg.python.*/.venv/lib/python3.9/site-packages/two=2 sha256:" ../machine && test_grep ! lib64 ../machine &&
		git-deepops run --no-data -- sh -c ".venv/bin/other" && saw outside .venv/bin/other
	)
'

test_done
