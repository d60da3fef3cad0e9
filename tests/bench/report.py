# SPDX-License-Identifier: GPL-2.0
"""Results of `run` as a table, against the targets, and as CSV."""
import csv
import datetime
import pathlib
import shlex
import subprocess
import sys

from methods import FLOOR, PEERS

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
COLUMNS = "method", "services", "masquerade", "version", "traffic"
VERSIONS = 4, 6
ESTABLISHED = "64", "30000"
TRAFFIC = "new", *ESTABLISHED
# Times the floor, or times a peer.
NEW, AFFINITY, OPEN = 1.03, 1.10, 1.03
AGAINST = {"nftables": 0.72, "IPVS": 0.64}
SAME = 0.01		# of each other, whatever the number of services
ALIKE = 0.10		# IPv6's ratios and IPv4's


def label(row):
    services = f"{row['services']:,} service{'s' * (row['services'] > 1)}"
    return f"{row['method']}, {services}{', masquerade' * row['masquerade']}"


def add_ratios(results):
    """Times the floor with the same packets."""
    floors = {(r["services"], r["version"], r["traffic"]): r["cost"] for r in measured(results, FLOOR)}
    for r in measured(results):
        floor = floors.get((r["services"], r["version"], r["traffic"]))
        r["ratio"] = r["cost"] / floor if floor else None


def measured(results, method=None, masquerade=False, version=None, traffic=None):
    """Those with a cost; of a method alone also only those with or without masquerade."""
    return [r for r in results if "cost" in r and
            (method is None or (r["method"], r["masquerade"]) == (method, masquerade)) and
            version in (None, r["version"]) and traffic in (None, r["traffic"])]


def cell(result):
    if result is None:
        return ""
    if "cost" not in result:
        return "broken" if "broken" in result else "not loaded"
    return f"{result['cost']:.0f} {result['ratio'] or 0:6.3f}"


def print_table(results, unit):
    seen = {(r["version"], r["traffic"]) for r in results}
    order = [(v, t) for v in VERSIONS for t in TRAFFIC if (v, t) in seen]
    lines = {}
    for r in results:
        lines.setdefault(label(r), {})[r["version"], r["traffic"]] = r
    print(f"\n{unit.capitalize()} per packet, and times the floor with the same packets\n")
    print(f"{'':44}" + "".join(f"{f'IPv{v} {t}':>15}" for v, t in order))
    for name, cells in lines.items():
        print(f"{name:44}" + "".join(f"{cell(cells.get(key)):>15}" for key in order))
    reasons = sorted({f"{label(r)}: {r['absent']}" for r in results if "absent" in r})
    if reasons:
        print("\nNot loaded:", *reasons, sep="\n  ")


def say_target(what, value, most, places=3):
    text = f"{value:.{places}f} of at most {most:.2f}" if places else f"{value:.1%} of at most {most:.0%}"
    print(f"{what}: {text}, {'met' if value <= most else 'MISSED'}")


def print_worst(what, found, most):
    if found:
        worst = max(found, key=lambda r: r["ratio"])
        say_target(f"{what}, worst with {worst['services']:,} services", worst["ratio"], most)


def print_apart(results):
    found = measured(results, "ksvc", version=4, traffic="new")
    if len(found) > 1:
        costs = [r["cost"] for r in found]
        sizes = [r["services"] for r in found]
        say_target(f"new, {min(sizes):,} to {max(sizes):,} services apart", max(costs) / min(costs) - 1, SAME, 0)


def print_against(results, name, most):
    """ksvc against the best of the peers of that name with as many services."""
    peers = [m for m in PEERS if m.split()[0] == name]
    found = []
    for ours in measured(results, "ksvc", version=4, traffic="new"):
        costs = [r["cost"] for peer in peers for r in measured(results, peer, version=4, traffic="new")
                 if r["services"] == ours["services"]]
        if costs:
            found.append({**ours, "ratio": ours["cost"] / min(costs)})
    print_worst(f"new, against {name}", found, most)


def print_alike(results):
    found = []
    for traffic in TRAFFIC:
        four, six = ({r["services"]: r["ratio"] for r in measured(results, "ksvc", version=v, traffic=traffic)}
                     for v in VERSIONS)
        found += [six[n] / four[n] - 1 for n in four if n in six]
    if found:
        say_target("IPv6, how much worse its ratios are than IPv4's at most", max(found), ALIKE, 0)


def print_targets(results):
    """Those that this measures; of IPv4, unless it is said."""
    rated = [r for r in results if r.get("ratio")]
    print("\nTargets of ksvc, times the floor unless it is said")
    print_worst("new", measured(rated, "ksvc", version=4, traffic="new"), NEW)
    print_apart(rated)
    print_worst("new, affinity", measured(rated, "ksvc, affinity", version=4, traffic="new"), AFFINITY)
    for name, most in AGAINST.items():
        print_against(rated, name, most)
    for traffic in ESTABLISHED:
        print_worst(f"established, {traffic} flows", measured(rated, "ksvc", version=4, traffic=traffic), OPEN)
    print_alike(rated)


def print_ahead(results):
    """Whether ksvc is ahead of every peer at every size; in a turn each had the same from the rest of the machine."""
    print("\nksvc in terms of its peers")
    for ours in measured(results, "ksvc"):
        for theirs in measured(results, version=ours["version"], traffic=ours["traffic"]):
            if theirs["method"] in PEERS and theirs["services"] == ours["services"]:
                turns = [a < b for a, b in zip(ours["costs"], theirs["costs"])]
                print(f"{ours['traffic']:>5}, {label(theirs)}: {ours['cost'] / theirs['cost']:.2f}, "
                      f"less in {sum(turns)} of {len(turns)} turns")


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=TOP, check=False)
    return done.stdout.split("\n")[0] if done.returncode == 0 else "unknown"


def ksvc_version():
    release = next(line for line in (TOP / "dkms.conf").read_text().splitlines() if line.startswith("PACKAGE_VERSION="))
    changed = first_line("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/bench")
    return f"{release.split('=')[1]}, commit {first_line('git', 'rev-parse', '--short', 'HEAD')}{'-dirty' * bool(changed)}"


def instrument(counted):
    return f"{first_line('qemu-system-x86_64', '--version')}, -icount" if counted else "User Mode Linux"


def made_by(kernel, unit, counted):
    """Lines that say what made a file of figures."""
    command = f"tests/bench/{pathlib.Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}".rstrip()
    return [f"# command: {command}\n", f"# date: {datetime.date.today()}\n", f"# kernel: {kernel}\n",
            f"# ksvc: {ksvc_version()}\n", f"# {unit}: {instrument(counted)}\n"]


def write_csv(results, path, kernel, unit):
    with open(path, "w", newline="", encoding="utf-8") as file:
        file.writelines(made_by(kernel, unit, unit == "instructions"))
        columns = (*COLUMNS, unit, "spread", "ratio", "absent", *["batches"] * (unit == "nanoseconds"))
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for r in results:
            figures = {unit: f"{r['cost']:.0f}", "spread": f"{r['spread']:.4f}",
                       "batches": " ".join(f"{cost:.0f}" for cost in r["costs"]),
                       "ratio": f"{r['ratio']:.4f}" if r["ratio"] else ""} if "cost" in r else {}
            writer.writerow({**r, "absent": r.get("broken", r.get("absent", "")), **figures})
