#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Times git deepops beside git, rsync and whichever of restic, borg and git-lfs is
installed, on the workloads W1 to W4, in one run.  Called by tests/bench/run.

A figure is the wall-clock time of one command, caches warm, best of --repeat where the
command can be repeated without another state.  Peak memory is that of the largest process.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

WORKLOADS = {
    "W1": "50,000 incompressible files, 615 MB; v2 rewrites 1 %, adds 1 %, removes 0.2 %",
    "W2": "8 tar shards of 134 MB; v2 makes 100 scattered edits in one",
    "W3": "one CSV of 1,074 MB; v2 edits 1 % of the rows in 200 places",
    "W4": "one float32 file of 537 MB, 124 tensors; v2 changes 5 of them",
}
JOBS = ("store v1", "status", "send v1", "no change", "bytes v1", "clone v1", "store v2", "send v2",
        "bytes v2", "pull v2", "switch", "verify", "peak MiB")


class Failed(Exception):
    pass


class Timer:
    """Runs commands; knows the longest and the largest."""

    def __init__(self, cwd, env):
        self.cwd, self.env, self.peak = cwd, env, 0

    def run(self, *argv, cwd=None):
        start = time.monotonic()
        with tempfile.TemporaryFile() as out:
            child = subprocess.Popen(argv, cwd=cwd or self.cwd, env=self.env,
                                     stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            took = time.monotonic() - start
            if child.returncode:
                out.seek(0)
                text = out.read().decode(errors="replace")[-2000:]
                raise Failed("%s: exit %d\n%s" % (" ".join(argv), child.returncode, text))
        self.peak = max(self.peak, usage.ru_maxrss // 1024)
        return took


def tree_bytes(path):
    total = 0
    for root, _, files in os.walk(path):
        for name in files:
            total += os.lstat(os.path.join(root, name)).st_size
    return total


class Peer:
    """One tool on one workload.  A job that the tool does not have answers None."""

    needs = ()

    def __init__(self, args, work, data):
        self.args, self.work, self.data = args, work, data
        env = dict(os.environ, GIT_SSH_COMMAND="ssh -F " + args.ssh_config)
        env["BORG_RSH"] = env["GIT_SSH_COMMAND"]
        env.update(RESTIC_PASSWORD="bench", RESTIC_CACHE_DIR=os.path.join(work, "cache"),
                   BORG_BASE_DIR=os.path.join(work, "borg"),
                   BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
                   BORG_RELOCATED_REPO_ACCESS_IS_OK="yes")
        self.t = Timer(work, env)
        self.repo = os.path.join(work, "repo")
        self.server = os.path.join(work, "server")
        self.copy = os.path.join(work, "clone")

    @classmethod
    def available(cls):
        return all(shutil.which(n) for n in cls.needs)

    def prepare(self):
        pass

    def store(self):
        return None

    def status(self):
        return None

    def clone(self):
        """Version 1 into a new directory, from the server."""
        return None

    def pull(self):
        """Version 2 into that same directory."""
        return None

    def switch(self):
        """The work tree from version 2 to 1 and back, both being here already."""
        return None

    def verify(self):
        """Read everything that is kept here and compare it with its hashes."""
        return None


class GitPeer(Peer):
    needs = ("git",)

    def prepare(self):
        url = "ssh://testhost" + self.server
        self.t.run("git", "init", "-q", "--bare", self.server)
        self.t.run("git", "init", "-q", self.repo)
        self.t.run("git", "-C", self.repo, "remote", "add", "origin", url)
        shutil.move(self.data, os.path.join(self.repo, "data"))
        self.data = os.path.join(self.repo, "data")
        self.setup()

    def setup(self):
        pass

    def git(self, *argv):
        return self.t.run("git", *argv, cwd=self.repo)

    def store(self):
        return self.git("add", "data") + self.git("commit", "-q", "-m", "data")

    def status(self):
        self.git("status", "--porcelain")
        return min(self.git("status", "--porcelain") for _ in range(self.args.repeat))

    def send(self):
        return self.git("push", "-q", "origin", "main")

    def clone(self):
        return self.t.run("git", "clone", "-q", "ssh://testhost" + self.server, self.copy)

    def pull(self):
        return self.t.run("git", "pull", "-q", cwd=self.copy)

    def switch(self):
        return (self.git("checkout", "-q", "HEAD~1") + self.git("checkout", "-q", "main")) / 2

    def verify(self):
        return self.git("fsck", "--full")


class DeepopsPeer(GitPeer):
    needs = ("git", "git-deepops")

    def setup(self):
        self.git("deepops", "server", "install", self.server)
        self.git("deepops", "init")

    def store(self):
        return self.git("deepops", "track", "-q", "data") + self.git("commit", "-q", "-m", "data")

    def status(self):
        self.git("deepops", "status")
        return min(self.git("deepops", "status") for _ in range(self.args.repeat))

    def clone(self):
        took = super().clone()
        return took + self.t.run("git", "deepops", "init", cwd=self.copy) + self.pull()

    def pull(self):
        return self.t.run("git", "deepops", "pull", "-q", cwd=self.copy)

    def switch(self):
        took = 0
        for commit in ("HEAD~1", "main"):
            took += self.git("checkout", "-q", commit) + self.git("deepops", "checkout", "-q")
        return took / 2

    def verify(self):
        return self.git("deepops", "fsck", "--deep", "-q")


class LfsPeer(GitPeer):
    """git-lfs without its server: what its filter costs."""

    needs = ("git", "git-lfs")

    def setup(self):
        self.git("lfs", "install", "--local", "--skip-smudge")
        self.git("lfs", "track", "data/**")

    def send(self):
        return None

    def clone(self):
        return None

    def pull(self):
        return None

    def verify(self):
        return self.git("lfs", "fsck")


class RsyncPeer(Peer):
    """Keeps no versions: the time that moving the bytes takes."""

    needs = ("rsync",)

    def rsync(self, source, target):
        ssh = "ssh -F " + self.args.ssh_config
        return self.t.run("rsync", "-a", "--delete", "-e", ssh, source, target)

    def send(self):
        os.makedirs(self.server, exist_ok=True)
        return self.rsync(self.data + "/", "testhost:%s/" % self.server)

    def clone(self):
        return self.rsync("testhost:%s/" % self.server, self.copy + "/")

    def pull(self):
        return self.clone()


class ResticPeer(Peer):
    needs = ("restic",)

    def restic(self, *argv):
        return self.t.run("restic", "-q", "-r", "sftp:testhost:" + self.server, "-o",
                          "sftp.command=ssh -F %s testhost -s sftp" % self.args.ssh_config, *argv)

    def prepare(self):
        self.restic("init")

    def send(self):
        return self.restic("backup", self.data)

    def clone(self):
        return self.restic("restore", "latest", "--target", self.copy)


class BorgPeer(Peer):
    needs = ("borg",)

    def prepare(self):
        self.n = 0
        self.t.run("borg", "init", "-e", "none", "ssh://testhost" + self.server)

    def send(self):
        self.n += 1
        return self.t.run("borg", "create", "ssh://testhost%s::v%d" % (self.server, self.n),
                          self.data)

    def clone(self):
        os.makedirs(self.copy)
        return self.t.run("borg", "extract", "ssh://testhost%s::v%d" % (self.server, self.n),
                          cwd=self.copy)


PEERS = {"deepops": DeepopsPeer, "git": GitPeer, "rsync": RsyncPeer, "restic": ResticPeer,
         "borg": BorgPeer, "git-lfs": LfsPeer}


def generate(args, workload, data, *version):
    subprocess.run([args.gen, workload, data, str(args.scale), *version], check=True)


def measure(args, workload, peer_class):
    """All jobs of one tool on one workload: {job: seconds, bytes or MiB}."""
    work = tempfile.mkdtemp(prefix=workload + "-", dir=os.environ["TEST_ROOT"])
    try:
        data = os.path.join(work, "data")
        os.mkdir(data)
        generate(args, workload, data)
        p = peer_class(args, work, data)
        p.prepare()
        got = {"store v1": p.store(), "status": p.status(), "send v1": p.send()}
        if got["send v1"] is not None:
            got["no change"] = p.send()
            got["bytes v1"] = tree_bytes(p.server)
        got["clone v1"] = p.clone()
        time.sleep(1.1)
        generate(args, workload, p.data, "v2")
        got["store v2"] = p.store()
        if got["send v1"] is not None:
            got["send v2"] = p.send()
            got["bytes v2"] = tree_bytes(p.server) - got["bytes v1"]
        got["pull v2"] = p.pull()
        got["switch"] = p.switch()
        got["verify"] = p.verify()
        got["peak MiB"] = p.t.peak
        return got
    finally:
        shutil.rmtree(work)


def show(job, value):
    if value is None:
        return "–"
    if job.startswith("bytes"):
        return "%.1f MB" % (value / 1e6)
    return "%d" % value if job == "peak MiB" else "%.2f" % value


def total(got, version):
    parts = [got.get("store " + version), got.get("send " + version)]
    return None if parts[1] is None else sum(x for x in parts if x is not None)


def ratios(results):
    """Our time to have a version at the server over each peer's."""
    lines = []
    for label, of in (("v1 at the server", lambda g: total(g, "v1")),
                      ("v2 at the server", lambda g: total(g, "v2")),
                      ("clone v1", lambda g: g.get("clone v1")),
                      ("pull v2", lambda g: g.get("pull v2")),
                      ("switch", lambda g: g.get("switch")),
                      ("status", lambda g: g.get("status")),
                      ("verify", lambda g: g.get("verify"))):
        ours = of(results["deepops"]) if "deepops" in results else None
        peers = [(of(got), name) for name, got in results.items()
                 if name != "deepops" and of(got) is not None]
        if ours is None or not peers:
            continue
        lines.append("- %s: %s" % (label, ", ".join(
            "%.2f × %s" % (ours / value, name) for value, name in sorted(peers))))
    return lines


def machine():
    model = platform.processor()
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return "%s, %d CPUs, %.0f GiB, Linux %s" % (model, os.cpu_count(), pages / 2**30,
                                               platform.release())


def report(workload, results):
    names = list(results)
    print("\n### %s: %s\n" % (workload, WORKLOADS[workload]))
    print("| | %s |\n|---|%s" % (" | ".join(names), "---:|" * len(names)))
    for job in JOBS:
        print("| %s | %s |" % (job, " | ".join(show(job, results[n].get(job)) for n in names)))
    print("", *ratios(results), sep="\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--gen", required=True)
    parser.add_argument("--ssh-config", required=True)
    parser.add_argument("--scale", type=int, default=1, metavar="N", help="divide sizes by N")
    parser.add_argument("--only", default=",".join(WORKLOADS), metavar="W1,W2")
    parser.add_argument("--peers", default=",".join(PEERS), metavar="NAME,NAME")
    parser.add_argument("--repeat", type=int, default=3, metavar="N")
    args = parser.parse_args()

    print("Machine: %s; sizes divided by %d; %s." %
          (machine(), args.scale, time.strftime("%Y-%m-%d")))
    failed = False
    for workload in args.only.split(","):
        results = {}
        for name in args.peers.split(","):
            if not PEERS[name].available():
                print("%s: not installed" % name, file=sys.stderr)
                continue
            print("%s %s ..." % (workload, name), file=sys.stderr, flush=True)
            try:
                results[name] = measure(args, workload, PEERS[name])
            except Failed as why:
                print(why, file=sys.stderr)
                failed = True
        report(workload, results)
    return failed


if __name__ == "__main__":
    sys.exit(main())
