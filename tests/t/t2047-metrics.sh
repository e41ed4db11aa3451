#!/bin/sh
test_description='metrics: what is no number, names in two files, more than a record holds'
. "${0%/*}/test-lib.sh"

# The record of the last run
print_record () {
	git-deepops show --raw "$(git-deepops runs -n 1 --csv --columns run | sed 1d)"
}

test_expect_success 'set up' '
	git init repo && cd repo && mkdir .deepops && printf "[metric]\n\tbest = max:acc\n" >.deepops/config &&
	git add -A && test_commit one
'

test_expect_success 'one name in two files: neither value counts, and both places say so' '
	cd repo &&
	git-deepops run --no-data -m log.csv -m m.jsonl -- sh -c "
		printf \"epoch,loss,acc\n1,inf,0.99\n\" >log.csv; echo \"{\\\"loss\\\": 0.5, \\\"acc\\\": 0.5, \\\"f1\\\": 1}\" >m.jsonl" 2>err &&
	test_grep "metric loss is in log.csv and in m.jsonl: it is left out" err &&
	print_record >got && test_grep "metric loss is in log.csv and in m.jsonl" got &&
	test_grep "\"metrics\":{\"final\":\[{\"name\":\"epoch\",\"value\":\"1\"},{\"name\":\"f1\",\"value\":\"1\"}\],\"series\"" got &&
	git-deepops run --no-data -m m.json -- sh -c "
		echo \"{\\\"acc\\\": 0.5}\" >m.json; echo \"{\\\"acc\\\": 0.99}\" >\$DEEPOPS_METRICS" 2>err &&
	test_grep "metric acc is in m.json and in .DEEPOPS_METRICS" err &&
	print_record >got && test_grep ! "{\"name\":\"acc\"" got
'

test_expect_success 'a file that gives nothing is named' '
	cd repo &&
	git-deepops run --no-data -m log.csv -m m.json -m no.csv -- sh -c "
		printf \"epoch;acc\n1;0,5\n\" >log.csv; echo \"{\\\"acc\\\": \\\"95%\\\"}\" >m.json; printf \"1,2\n\" >no.csv" 2>err &&
	print_record >got && test_grep ! "\"metrics\":{" got &&
	for f in err got
	do
		test_grep "log.csv: .;. separates its columns" $f && test_grep "m.json: acc: .95%. is a text, no number" $f &&
		test_grep "m.json: there is no number with a name in it" $f &&
		test_grep "no.csv: the first line must name the columns" $f || exit 1
	done
'

test_expect_success 'the metric that the configuration names has room, and its best value over all rows' '
	cd repo &&
	git-deepops run --no-data -m m.json -- perl -e "
		open F, q(>m.json); print F q({), (map { qq(\"m\$_\":\$_,) } 1..300), q(\"acc\":0.5});" 2>err &&
	test_grep "more metrics than a record holds: 101 of them are left out" err &&
	print_record >got && test_grep "\"best\":\[{\"name\":\"acc\",\"value\":\"0.5\"}\]" got &&
	test_grep "{\"name\":\"acc\",\"value\":\"0.5\"},{\"name\":\"m1\"" got && test_grep ! "\"m200\"" got &&
	git-deepops run --no-data -- perl -e "
		open F, qq(>\$ENV{DEEPOPS_METRICS}); print F qq({\"acc\":\$_}\n) for 1..900000, 0" 2>err &&
	test_grep "the series of metrics is cut" err &&
	print_record >got && test_grep "\"best\":\[{\"name\":\"acc\",\"value\":\"900000\"}\]" got
'

test_done
