# SPDX-License-Identifier: GPL-2.0
"""What ksvcctl says to input that is wrong, and whether man page and completion are true: KTAP, status 1 on a failure.

    test_ksvcctl.py KSVCCTL [PART OF A TEST'S NAME]...

Nothing here gets as far as the kernel: what would is led to a network namespace that does not exist.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

KSVCCTL = os.path.abspath(sys.argv[1])
CTL = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "ctl"))
NOWHERE = ["--netns", "/nonexistent"]
VIP = ["--vip", "10.96.0.1:80/tcp"]
TESTS = []


class Failure(Exception):
    pass


def test(name):
    def add(fn):
        TESTS.append((name, fn))
        return fn
    return add


def expect(truth, text):
    if not truth:
        raise Failure(text)


def run(*words, text="", stdout=subprocess.PIPE):
    return subprocess.run([KSVCCTL, *words], input=text.encode() if isinstance(text, str) else text, stdout=stdout,
                          stderr=subprocess.PIPE, timeout=120)


def refused(status, pattern, *words, **kwargs):
    """It ends with that status, prints nothing, and its first line of complaint names itself and matches."""
    r = run(*words, **kwargs)
    said = r.stderr.decode(errors="backslashreplace")
    first = said.split("\n", 1)[0]
    what = f"{words}: status {r.returncode}, {said[:2000]}"
    expect(r.returncode == status, what)
    expect(not r.stdout, f"{words} prints {r.stdout[:200]}")
    expect(first.startswith("ksvcctl: ") and re.search(pattern, first), f"{what}, expected {pattern}")
    expect(status == 1 or "usage: ksvcctl" in said, f"{what}: no usage")


def read(*path):
    with open(os.path.join(CTL, *path), encoding="utf-8") as f:
        return f.read()


def commands():
    """By name, the usage of each."""
    names = re.findall(r"^  ([a-z-]+) ", run("--help").stdout.decode(), re.M)
    return {name: run(name, "--help").stdout.decode() for name in names}


def sources():
    return "".join(read(name) for name in sorted(os.listdir(CTL)) if name.endswith((".c", ".h")))


def options():
    return set(re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', sources()))


def settings():
    return set(re.findall(r'SETTING\("([a-z-]+)"', read("lib", "settings.c")))


@test("arguments: each that is wrong is named, and the usage is told")
def arguments():
    for pattern, *words in (
            ('unknown command "frobnicate"', "frobnicate"),
            ("unrecognized option.*--frob", "--frob"),
            ("unrecognized option.*--frob", "show", "--frob"),
            ("requires an argument", "show", "--netns"),
            ("NAME is missing", "add-service"),
            ("NAME is missing", "add-service", *VIP),
            ("--vip", "add-service", "a"),
            ("--vip", "add-service", "a", "--vip", "none"),
            ('unexpected argument "b"', "add-service", "a", "b", *VIP),
            ('unexpected argument "b"', "add-service", "a", *VIP, "--scheduler", "rr", "b"),
            ('--vip: "".*ADDR:PORT/PROTO', "add-service", "a", "--vip", ""),
            ('--vip: "10.96.0.1:80"', "add-service", "a", "--vip", "10.96.0.1:80"),
            ('--vip: "10.96.0.1:0/tcp".*1 to 65535', "add-service", "a", "--vip", "10.96.0.1:0/tcp"),
            ('--vip: "10.96.0.1:65536/tcp".*1 to 65535', "add-service", "a", "--vip", "10.96.0.1:65536/tcp"),
            ('--vip: "10.96.0.1:80/icmp".*tcp, udp or sctp', "add-service", "a", "--vip", "10.96.0.1:80/icmp"),
            ('--vip: "fd00::1:80/tcp"', "add-service", "a", "--vip", "fd00::1:80/tcp"),
            ('--vip: "x{60}"', "add-service", "a", "--vip", "x" * 70000),
            ('--external-ip: "x"', "add-service", "a", *VIP, "--external-ip", "x"),
            ('--lb-ip: "y"', "add-service", "a", *VIP, "--lb-ip", "203.0.113.1:80/tcp", "y"),
            ('--node-port: "80"', "add-service", "a", "--node-port", "80"),
            ('--node-port: "0/tcp"', "add-service", "a", "--node-port", "0/tcp"),
            ('--endpoint: "10.1.0.1"', "add-service", "a", *VIP, "--endpoint", "10.1.0.1"),
            ('--endpoint: "10.1.0.1:80@-1".*weight', "add-service", "a", *VIP, "--endpoint", "10.1.0.1:80@-1"),
            ('--endpoint: "10.1.0.1:80@65536".*weight', "add-service", "a", *VIP, "--endpoint", "10.1.0.1:80@65536"),
            ('--source-range: "10.0.0.1/8"', "add-service", "a", *VIP, "--source-range", "10.0.0.1/8"),
            ('--affinity: must be 0 to 86400, not "-1"', "set-service", "a", "--affinity", "-1"),
            ('--affinity: must be 0 to 86400, not ""', "set-service", "a", "--affinity", ""),
            ('--scheduler: must be random.*"best"', "set-service", "a", "--scheduler", "best"),
            ("--maglev-size: must be 0 to", "set-service", "a", "--maglev-size", "99999999999999999999"),
            ("--netns: a module is one for all namespaces", "--netns", "a", "upgrade"),
            ("--on-remove: must be keep or reset", "set-service", "a", "--on-remove", "drop"),
            ("--internal-policy: must be", "set-service", "a", "--internal-policy", "Local"),
            ("--external-policy: must be", "set-service", "a", "--external-policy", ""),
            ("no option", "set-service", "a"),
            ("one NAME", "del-service"),
            ("one NAME", "del-service", "a", "b"),
            ("NAME and ADDR:PORT", "add-endpoint", "a"),
            ('"10.1.0.1" is not ADDR:PORT', "add-endpoint", "a", "10.1.0.1"),
            ("--weight must be 0 to 65535", "add-endpoint", "a", "10.1.0.1:80", "--weight", "1x"),
            ('--sets: "cluster,"', "set-endpoint", "a", "10.1.0.1:80", "--sets", "cluster,"),
            ('"x" is not', "del-endpoint", "a", "10.1.0.1:80", "x"),
            ('unexpected argument "b"', "show", "a", "b"),
            ('unexpected argument "b"', "stats", "a", "b"),
            ('unexpected argument "b"', "conns", "a", "b"),
            ('unexpected argument "b"', "affinity", "a", "b"),
            ('"x" is not an address', "del-affinity", "a", "x"),
            ("NAME is needed", "del-affinity"),
            ("--from and --to", "explain"),
            ('--from: "10.1.0.1:0"', "explain", "--from", "10.1.0.1:0", "--to", "10.96.0.1:80/tcp"),
            ('--to: "10.96.0.1"', "explain", "--from", "10.1.0.1", "--to", "10.96.0.1"),
            ("different families", "explain", "--from", "fd00::1", "--to", "10.96.0.1:80/tcp"),
            ('--in: ""', "explain", "--from", "10.1.0.1", "--in", "", "--to", "10.96.0.1:80/tcp"),
            ('--in: "x{16}"', "explain", "--from", "10.1.0.1", "--in", "x" * 16, "--to", "10.96.0.1:80/tcp"),
            ("KEY and VALUE", "set"),
            ("KEY and VALUE", "set", "ping"),
            ('unknown setting "frob"', "set", "frob", "1"),
            ('unknown setting "frob"', "get", "frob"),
            ('unexpected argument "ping"', "get", "ping", "ping"),
            ("ping takes one value", "set", "ping", "on", "off"),
            ('ping: "" is neither on nor off', "set", "ping", ""),
            ('ping: "on,off" is neither on nor off', "set", "ping", "on,off"),
            ('affinity-entries: "" is not a number', "set", "affinity-entries", ""),
            ('cluster-cidr: "10.0.0.0/33"', "set", "cluster-cidr", "10.0.0.0/8,10.0.0.0/33"),
            ('pod-interface: "a/b"', "set", "pod-interface", "a/b"),
            ("-f is missing", "apply"),
            ('--node-ip: "x"', "apply", "-f", "-", "--node-ip", "x"),
            ('unexpected argument "x"', "apply", "-f", "-", "x"),
            ('unexpected argument "x"', "save", "x"),
            ('unexpected argument "x"', "restore", "x"),
            ('unexpected argument "x"', "flush", "x"),
            ('unexpected argument "x"', "monitor", "x"),
            ('unexpected argument "x"', "doctor", "x"),
            ('unexpected argument "x"', "upgrade", "x"),
            ('unexpected argument "x"', "version", "x")):
        refused(2, pattern, *words)
    r = run()
    expect(r.returncode == 2 and not r.stdout and r.stderr.startswith(b"usage: ksvcctl"), f"no command: {r}")


@test("names: empty, too long and not UTF-8 are refused, whatever is to be done with them")
def names():
    for command, *rest in (("add-service", *VIP), ("set-service", "--affinity", "0"), ("del-service",),
                           ("add-endpoint", "10.1.0.1:80"), ("set-endpoint", "10.1.0.1:80"),
                           ("del-endpoint", "10.1.0.1:80"), ("show",), ("stats",), ("conns",), ("affinity",),
                           ("del-affinity",)):
        for name, pattern in ((b"", "name is empty"), (b"n" * 256, "256 bytes; at most 255"),
                              (b"n" * 70000, "70000 bytes"), (b"\xff", "name is not UTF-8"),
                              (b"n\xc3", "name is not UTF-8"), (b"\xed\xa0\x80", "name is not UTF-8")):
            refused(1, pattern, command, name, *rest)


@test("control characters come back escaped")
def control_characters():
    for words in (("\x1b[2J",), ("show", "a", "\x1b[2J"), ("add-service", "\x1b[2J" * 100, *VIP),
                  ("add-service", "a", "--vip", "\x1b[2J\n"), ("set", "ping", "\x9b2J"), ("set", "\x1b[2J", "1"),
                  ("show", "--netns", "\x1b[2J"), ("apply", "-f", "/nonexistent/\x1b[2J"),
                  ("restore", "-f", "/nonexistent/\x1b[2J")):
        r = run(*words)
        expect(r.returncode in (1, 2), f"{words}: {r}")
        said = r.stderr.decode()
        expect(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", said), f"{words}: {said!r}")
        expect("\\x" in said, f"{words}: {said!r}")


@test("files: what is wrong with them is said, with their name")
def files():
    deep = '{"a":' * 100 + "1" + "}" * 100
    with tempfile.TemporaryDirectory() as directory:
        def path(name, content=None):
            name = os.path.join(directory, name)
            if content is not None:
                with open(name, "wb") as f:
                    f.write(content if isinstance(content, bytes) else content.encode())
            return name

        for command in "restore", "apply":
            refused(1, "gone: No such file", command, "-f", path("gone"))
            refused(1, f"{directory}: is a directory", command, "-f", directory)
            refused(1, "empty: is empty", command, "-f", path("empty", ""))
            refused(1, "standard input: is empty", command, "-f", "-")
            refused(1, "broken: line 2 column", command, "-f", path("broken", '{"ksvc": 1,\n "kind": [}'))
            refused(1, "cut: line 1 column", command, "-f", path("cut", '{"ksvc": 1'))
            refused(1, "nul: line 1", command, "-f", path("nul", b'{"ksvc":\0 1}'))
            refused(1, "encoding: line 1", command, "-f", path("encoding", b'{"ksvc": "\xff"}'))
            refused(1, "deep: nested deeper than 64", command, "-f", path("deep", deep))
            refused(1, "deeper: ", command, "-f", path("deeper", "[" * 100000))
        refused(1, "yaml: line 2 column", "apply", "-f", path("yaml", "kind: Service\n  - : ["))
        refused(1, "deep.yaml: line 1.*nested deeper", "apply", "-f", path("deep.yaml", "- " * 1000))
        refused(1, "kind: is missing", "apply", "-f", "-", text="{}")
        refused(1, r"services\[0\].name: is missing", "restore", text='{"ksvc": 1, "services": [{}]}')
        refused(1, "gone: No such file", "apply", "-f", path("object", "kind: List\napiVersion: v1\n"),
                "-f", path("gone"))
        refused(1, "nosuch.ko: No such file", "upgrade", "--module", path("nosuch.ko"))
        refused(1, "bad.ko: not an uncompressed kernel module", "upgrade", "--module", path("bad.ko", "\x7fELF"))


@test("each command says when it cannot get to the kernel, and leaks nothing")
def nowhere():
    saved = ('{"ksvc": 1, "settings": {"ping": true, "cluster-cidr": ["10.0.0.0/8"], "pod-interface": ["cni0"]}, '
             '"services": [{"name": "a", "frontends": ["10.96.0.1:80/tcp"], "source-ranges": ["10.0.0.0/8"], '
             '"endpoints": [{"address": "10.1.0.1:80"}]}]}')
    service = ('{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {"clusterIP": "10.96.0.1", '
               '"ports": [{"port": 80}]}}')
    tried = set()
    for words in (["add-service", "a", *VIP, "--endpoint", "10.1.0.1:80", "--node-port", "30000/tcp",
                   "--source-range", "10.0.0.0/8"], ["set-service", "a", *VIP], ["del-service", "a"],
                  ["add-endpoint", "a", "10.1.0.1:80"], ["set-endpoint", "a", "10.1.0.1:80"],
                  ["del-endpoint", "a", "10.1.0.1:80"], ["show", "a"], ["stats", "a"], ["monitor"],
                  ["explain", "--from", "10.1.0.1", "--to", "10.96.0.1:80/tcp"], ["affinity", "a"],
                  ["del-affinity", "a", "10.1.0.1"], ["conns", "a"], ["set", "cluster-cidr", "10.0.0.0/8"],
                  ["get"], ["save"], ["restore"], ["flush"], ["apply", "-f", "-"], ["apply", "--dry-run", "-f", "-"],
                  ["doctor"]):
        refused(1, "network namespace /nonexistent: No such file", *words, *NOWHERE,
                text=saved if words[0] == "restore" else service)
        tried.add(words[0])
    r = run("version", *NOWHERE)
    expect(r.returncode == 1 and b"ksvcctl test" in r.stdout and b"/nonexistent" in r.stderr, r)
    r = run("version", "--json", *NOWHERE)
    expect(r.returncode == 1 and b'"module": null' in r.stdout and b"/nonexistent" in r.stdout, r)
    # upgrade goes to every namespace.
    expect(tried | {"version", "upgrade"} == set(commands()), f"tried {tried}")


@test("output that cannot be written is a failure")
def full():
    for words in (["--help"], ["--version"], ["show", "--help"], ["version", "--json", *NOWHERE]):
        with open("/dev/full", "wb") as f:
            r = run(*words, stdout=f)
        expect(r.returncode == 1 and b"standard output: No space left" in r.stderr, f"{words}: {r}")


@test("help: each command tells its usage, and that is all there is to it")
def help_of_commands():
    for name, usage in commands().items():
        expect(usage.startswith(f"usage: ksvcctl {name}"), f"{name}: {usage}")
        for option in re.findall(r"--([a-z-]+)", usage):
            expect(option in options(), f"{name}: --{option} is no option")
    r = run("--version")
    expect(r.returncode == 0 and r.stdout == b"ksvcctl test\n", r)


@test("the man page has every command, option and setting, and no other")
def man_page():
    text = read("man", "ksvcctl.8").replace("\\-", "-")
    told = set(re.findall(r'^\.B[IR]? "?([a-z][a-z-]*)\b', text, re.M))
    for name in set(commands()) | settings():
        expect(name in told, f"{name} is missing")
    mentioned = set(re.findall(r"--([a-z][a-z-]*)", text))
    expect(mentioned == options(), f"options {sorted(mentioned ^ options())}")
    man = shutil.which("man")
    if man:
        r = subprocess.run([man, "--warnings", "-l", os.path.join(CTL, "man", "ksvcctl.8")], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=dict(os.environ, MANWIDTH="80", LC_ALL="C.UTF-8"))
        expect(r.returncode == 0 and not r.stderr and b"SYNOPSIS" in r.stdout, r.stderr.decode())


def complete(line, tool='printf "service\\tdefault/web:http\\nservice\\ta b;c\\nfrontend\\tno\\n"'):
    """What completion makes of the line, to whose end the cursor is."""
    script = f"""
        ksvcctl() {{ [ "$*" = "show --tab" ] && {tool}; }}
        ls() {{ printf '%s\\n' '$(ls)' eth0; }}
        . {os.path.join(CTL, "completion", "ksvcctl")}
        COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:' COMP_LINE=$1 COMP_POINT=${{#1}} COMPREPLY=()
        _ksvcctl
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    r = subprocess.run(["bash", "-c", script, "bash", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       env=dict(os.environ, LC_ALL="C.UTF-8"))
    expect(not r.stderr, f"{line}: {r.stderr.decode()}")
    return r.stdout.decode().split("\n")[:-1]


@test("completion: commands, options, settings and services")
def completion():
    for line, wanted in (
            ("ksvcctl add-s", ["add-service"]), ("ksvcctl --js", ["--json"]),
            ("ksvcctl --netns x del-e", ["del-endpoint"]),
            ("ksvcctl add-service a --sch", ["--scheduler"]),
            ("ksvcctl set-service a --scheduler m", ["maglev"]),
            ("ksvcctl add-service a --on-remove ", ["keep", "reset"]),
            ("ksvcctl set ping ", ["on", "off"]), ("ksvcctl set cluster", ["cluster-cidr"]),
            ("ksvcctl get drop", ["drop-invalid"]), ("ksvcctl explain --fr", ["--from"]),
            ("ksvcctl apply -f x --dry", ["--dry-run"]),
            ("ksvcctl show d", ["default/web:http"]),
            ("ksvcctl show --netns ", ["\\$\\(ls\\)", "eth0"]), ("ksvcctl explain --in e", ["eth0"]),
            # The colon parts words: what comes after it is what bash wants.
            ("ksvcctl show default/web:", ["http"]), ("ksvcctl show default/web:x", [""]),
            # What the shell would understand is quoted, so that it is one word and no more.
            ("ksvcctl show a", ["a\\ b\\;c"]), ("ksvcctl show a\\ ", ["a\\ b\\;c"]),
            ("ksvcctl show a\\ b\\;", ["a\\ b\\;c"]),
            ("ksvcctl add-endpoint a\\ b\\;c ", [""]), ("ksvcctl stats ", ["default/web:http", "a\\ b\\;c"])):
        expect(complete(line) == wanted, f"{line}: {complete(line)}, not {wanted}")
    expect(complete("ksvcctl show ", "false") == [""], "completes although there is no module")


@test("completion has every command, option and setting, and no other")
def completion_words():
    globally = {"json", "verbose", "netns", "help"}
    expect(set(complete("ksvcctl ")) == set(commands()) | {f"--{o}" for o in globally | {"version"}},
           complete("ksvcctl "))
    expect(set(complete("ksvcctl set ")) == settings(), complete("ksvcctl set "))
    offered = set()
    for name, usage in commands().items():
        words = {word[2:] for word in complete(f"ksvcctl {name} -") if word.startswith("--")}
        wanted = set(re.findall(r"--([a-z-]+)", usage)) | globally
        expect(words == wanted, f"{name}: {sorted(words ^ wanted)}")
        offered |= words
    # -f stands for these, and --version is no command's.
    expect(options() - offered == {"file", "filename", "version"}, options() - offered)
    # An option's argument is not taken for the command.
    for option in re.findall(r'\{ "([a-z-]+)", required_argument', sources()):
        expect(complete(f"ksvcctl --{option} x sho") == ["show"], f"--{option}: its argument is taken for the command")


def main():
    tests = [t for t in TESTS if len(sys.argv) < 3 or any(part in t[0] for part in sys.argv[2:])]
    failures = 0
    print(f"KTAP version 1\n1..{len(tests)}", flush=True)
    for i, (name, fn) in enumerate(tests, 1):
        try:
            fn()
            result = "ok"
        except (Failure, subprocess.SubprocessError, OSError, ValueError) as e:
            print("# " + str(e).replace("\n", "\n# "))
            result = "not ok"
            failures += 1
        print(f"{result} {i} {name}", flush=True)
    sys.exit(1 if failures else 0)


main()
