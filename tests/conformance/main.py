#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs case files and prints KTAP; see `run`.

usage: main.py ctl|ksvcd WORLD FILE...

To be started in the network namespace that becomes the node; WORLD is the name of another, empty one. Objects come to the
kernel by `ksvcctl apply`, or by a ksvcd that follows a directory.
"""
import json
import os
import subprocess
import sys
import time

import conntrack
import ctnetlink
import judge
from case import Case, Timers, apply_arguments, settings
from watcher import Watcher
from world import Trouble, World, run

SLOW = int(os.environ.get('KSVC_SLOW', '1'))
MARGINS = 0.8, 2.4, 7.2			# least distance of a packet from a timeout, in seconds; the next when packets are late
LONGEST = 300			# seconds that a case may have to wait
UNSET = {'masquerade-all': ['off']}


class Results:
    """KTAP on standard output: a subtest per file."""

    def __init__(self):
        self.passed = self.failed = self.skipped = self.files = 0

    def begin(self, name):
        self.files += 1
        self.number, self.before, self.start = 0, self.failed, time.monotonic()
        print(f'    # Subtest: {name}', flush=True)

    def result(self, good, name, *notes):
        self.number += 1
        self.passed += good
        self.failed += not good
        print(f'    {"ok" if good else "not ok"} {self.number} {name.replace("#", "")}')
        if not good:
            for line in '\n'.join(notes).splitlines():
                print('    #', line)

    def skip(self, name, why):
        self.number += 1
        self.skipped += 1
        print(f'    ok {self.number} {name.replace("#", "")} # SKIP {why}')

    def end(self, name):
        print(f'    1..{self.number}')
        good = self.failed == self.before and self.number
        print(f'{"ok" if good else "not ok"} {self.files} {name} # {time.monotonic() - self.start:.1f} s', flush=True)

    def finish(self):
        print(f'{self.passed} passed, {self.failed} failed, {self.skipped} skipped', flush=True)
        return 0 if self.passed and not self.failed else 1


class Ksvc:
    """The product, by its command."""

    def __init__(self):
        self.settings = {}

    def set(self, wanted):
        """Only what changes: every call takes a while in an emulated guest."""
        for key, values in wanted.items():
            values = values or ['none']
            if values != self.settings.get(key, UNSET.get(key, ['none'])):
                run('ksvcctl', 'set', key, *values)
                self.settings[key] = values

    @staticmethod
    def apply(step, timers):
        run('ksvcctl', 'apply', '-f', '-', '--prune', *apply_arguments(step.node), text=step.to_apply(timers))

    @staticmethod
    def flush():
        run('ksvcctl', 'flush')
        ctnetlink.flush()

    def stop(self):
        pass


def groups(flows, world):
    """Flows that can be sent one after the other, with the addresses to be bound for them. Only node-made packets from
    another address than the node's need one, and nothing else may see it."""
    group, bound = [], set()
    for flow in flows:
        need = {flow.source} if flow.enters == 'node' and not world.is_own(flow.source) else set()
        if group and need != bound:
            yield group, bound
            group = []
        group.append(flow)
        bound = need
    if group:
        yield group, bound


def explain(flow, probes, world):
    done = subprocess.run(judge.explain_command(flow, world.ingress(flow.enters), probes[0].source_port),
                          capture_output=True, text=True, check=False)
    if done.returncode:
        return False, f'status {done.returncode}: {done.stderr.strip()}'
    return judge.judge_explain(flow, done.stdout, probes, world)


class Attempt:
    """One passage through a case. `late`: whether a packet was sent too late for the case's times to mean anything."""

    def __init__(self, case, world, ksvc, timers):
        self.case, self.world, self.ksvc, self.timers = case, world, ksvc, timers
        self.results, self.chosen, self.late = [], {}, False
        self.due = None

    def run(self):
        for step, pause in zip(self.case.steps, self.timers.pauses):
            self.world.configure(step.node, self.case.pod_sources(), self.case.text)
            self.ksvc.set(settings(step.node))
            self.ksvc.apply(step, self.timers)
            # Only packets have their time: that a change is early matters to nothing.
            if self.due is None:
                self.due = time.monotonic()
            self.due += pause
            time.sleep(max(0, self.due - time.monotonic()))
            for flows, bound in groups(step.flows, self.world):
                self.world.bind(bound)
                try:
                    self.flows(step, flows)
                finally:
                    self.world.unbind(bound)
        return self

    def flows(self, step, flows):
        sent = []
        for flow in flows:
            template = self.world.template(flow)
            probes = [self.world.send(flow.enters, template, flow.to) for _ in range(judge.tries(flow))]
            sent.append((flow, probes))
            self.world.drain()
            if self.timers.margin is not None and probes[-1].sent - self.due > self.timers.margin / 2:
                self.late = True
        self.world.settle()
        for flow, probes in sent:
            good, packets = judge.judge_packets(flow, probes, self.world, self.chosen)
            agrees, said = explain(flow, probes, self.world)
            name = f'{step.name}: {flow.name}' if step.name else flow.name
            self.results.append((good and agrees, name, f'expected: {flow.expect}',
                                 f'packets:  {packets}' + ' (as expected)' * good,
                                 f'explain:  {said}' + ' (as expected)' * agrees))


def run_case(case, world, ksvc, results):
    for margin in MARGINS:
        timers = Timers(case, margin * SLOW)
        if timers.total > LONGEST * SLOW:
            for flow in case.flows:
                results.skip(flow.name, f'the case takes {timers.total:.0f} s')
            return
        attempt = Attempt(case, world, ksvc, timers)
        try:
            attempt.run()
        finally:
            ksvc.flush()
        if not attempt.late:
            break
        print(f'    # packets were late for a schedule of {timers.total:.0f} s; once more, slower')
    for result in attempt.results:
        results.result(*result)
    if attempt.late:
        results.result(False, 'packets were sent in time')


def run_file(path, world, ksvc, results):
    name = os.path.basename(path).removesuffix('.json')
    results.begin(name)
    try:
        with open(path, encoding='utf-8') as file:
            data = json.load(file)
        if 'triggers' in data:
            conntrack.run_all(data, world, results)
        elif 'node' in data:
            run_case(Case(data), world, ksvc, results)
        else:
            results.skip(name, 'neither a case nor conntrack entries')
    except (Trouble, OSError, ValueError, KeyError, TypeError) as trouble:
        results.result(False, 'the file can be run', f'{type(trouble).__name__}: {trouble}')
    results.end(name)


def main():
    via, name, *paths = sys.argv[1:]
    # All on one CPU: packets then overtake no others.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    world, ksvc, results = World(name), Watcher() if via == 'ksvcd' else Ksvc(), Results()
    print(f'1..{len(paths)}')
    for path in paths:
        run_file(path, world, ksvc, results)
    ksvc.stop()
    return results.finish()


if __name__ == '__main__':
    sys.exit(main())
