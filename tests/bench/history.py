#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What commands cost beside a long history: start-up, run, runs, and the hook of a server
that holds many commits and records.  Called by tests/bench/run.

A figure is the median of --repeat runs, caches warm: CPU time and wall-clock time of the
command and its children, and the memory of the largest process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

POLICY = """[rule "main"]
	ref = refs/heads/main
	mode = enforce
	level = R2
	results = metrics.json
	noData = allow
"""
RUN = ("git", "deepops", "run", "-q", "--no-data")
FILES = 2000


def call(*argv, cwd=None, **more):
    return subprocess.run(argv, cwd=cwd, check=True, stdout=subprocess.PIPE, text=True,
                          **more).stdout.strip()


def figure(args, argv, cwd, stdin=None, env=None):
    """Milliseconds of CPU, milliseconds, MiB."""
    cpu, wall, peak = [], [], 0
    for _ in range(args.repeat + 1):
        with open(stdin or os.devnull, "rb") as given:
            start = time.monotonic()
            child = subprocess.Popen(argv, cwd=cwd, stdin=given, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL,
                                     env=dict(os.environ, **(env or {})))
            _, status, usage = os.wait4(child.pid, 0)
            wall.append(time.monotonic() - start)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit("%s: exit %d" % (" ".join(argv), child.returncode))
        cpu.append(usage.ru_utime + usage.ru_stime)
        peak = max(peak, usage.ru_maxrss // 1024)
    return [statistics.median(x[1:]) * 1000 for x in (cpu, wall)] + [peak]


def small_repository(work):
    repo = os.path.join(work, "small")
    call("git", "init", "-q", repo)
    for i in range(FILES):
        folder = os.path.join(repo, "d%d" % (i % 20))
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "f%d" % i), "w", encoding="ascii") as f:
            f.write("%d\n" % i)
    call("git", "deepops", "init", "-q", cwd=repo)
    call("git", "add", "-A", cwd=repo)
    call("git", "commit", "-q", "-m", "files", cwd=repo)
    return repo


def long_repository(args, work):
    """A server with the history, and a clone of it."""
    server, clone = os.path.join(work, "server"), os.path.join(work, "clone")
    call("git", "init", "-q", "--bare", server)
    made = subprocess.Popen((args.gen_history, str(args.records), "8"), stdout=subprocess.PIPE)
    call("git", "-C", server, "fast-import", "--quiet", stdin=made.stdout)
    made.stdout.close()
    if made.wait():
        raise SystemExit("%s failed" % args.gen_history)
    policy = os.path.join(work, "policy")
    with open(policy, "w", encoding="ascii") as f:
        f.write(POLICY)
    call("git", "deepops", "server", "install", server, "--policy", policy, "--mode", "enforce")
    call("git", "clone", "-q", server, clone)
    call("git", "deepops", "init", "-q", cwd=clone)
    call("git", "fetch", "-q", cwd=clone)
    return server, clone


def one_result(work, server, clone):
    """A commit with a result and its record at the server, off the branch; the hook's input."""
    call(*RUN, "-o", "metrics.json", "--", "sh", "-c", "echo '{\"acc\": 1}' >metrics.json",
         cwd=clone)
    call("git", "add", "metrics.json", cwd=clone)
    call("git", "commit", "-q", "-m", "result", cwd=clone)
    old = call("git", "rev-parse", "HEAD~1", cwd=clone)
    call("git", "push", "-q", "origin", "main:side", cwd=clone)
    given = os.path.join(work, "pushed")
    with open(given, "w", encoding="ascii") as f:
        f.write("%s %s refs/heads/main\n" % (old, call("git", "rev-parse", "HEAD", cwd=clone)))
    return given


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--gen-history", required=True)
    parser.add_argument("--records", type=int, default=100000)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--work", required=True, metavar="DIR")
    args = parser.parse_args()

    print("building %d commits and records ..." % args.records, file=sys.stderr, flush=True)
    small = small_repository(args.work)
    server, clone = long_repository(args, args.work)
    given = one_result(args.work, server, clone)
    many = "{:,} records".format(args.records)
    rows = (
        ("git deepops version", ("git-deepops", "version"), small, None, None),
        ("git deepops status, no dataset", ("git-deepops", "status"), small, None, None),
        ("git status, {:,} files".format(FILES), ("git", "status"), small, None, None),
        ("git deepops run -- true, {:,} files".format(FILES), RUN + ("--", "true"), small, None,
         None),
        ("git deepops runs, " + many, ("git-deepops", "runs", "-n", "20"), clone, None, None),
        ("git deepops runs --where 'metric.acc>0.999', " + many,
         ("git-deepops", "runs", "--where", "metric.acc>0.999"), clone, None, None),
        ("pre-receive, one new commit, %s and commits" % many,
         ("git-deepops-pre-receive",), server, given, {"GIT_DIR": server}),
    )
    print("\n### Beside a long history\n")
    print("| | CPU ms | ms | peak MiB |\n|---|---:|---:|---:|")
    for title, argv, cwd, stdin, env in rows:
        print("| %s | %.0f | %.0f | %d |" % (title, *figure(args, argv, cwd, stdin, env)),
              flush=True)


if __name__ == "__main__":
    main()
