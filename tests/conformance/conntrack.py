# SPDX-License-Identifier: GPL-2.0
"""Conntrack entries after endpoints have changed (rules C1 to C6), by a file like conntrack.json.

Its cases are states and entries, some of which must go when the endpoints get into that state. Its triggers are
changes, of which some make it necessary to look through the entries and some do not.

ksvc looks through them in the background. Something of our own tells when: the canary, a service whose stale entry goes
with any such pass. That it is gone does not mean that the pass is over, nor that it was the last one. When another stays
for a while, no pass is under way or still to come.
"""
import ipaddress
import json
import os
import time

import ctnetlink
from case import hostport
from packets import PROTOCOLS, UDP
from world import Trouble, run

SLOW = int(os.environ.get('KSVC_SLOW', '1'))
PATIENCE = 20 * SLOW			# seconds
IDLE = 1 * SLOW			# without a pass, and there is none to come
NODE = {'name': 'ksvc-conformance', 'addresses': []}
FAMILY = {'IPv4': 0, 'IPv6': 1}
PORT, ENDPOINT_PORT = 53, 5353


def wait_until_gone(key):
    deadline = time.monotonic() + PATIENCE
    while key in ctnetlink.entries():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def service(namespace, name, address, ports):
    return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'namespace': namespace, 'name': name},
            'spec': {'type': 'ClusterIP', 'clusterIP': str(address), 'ports': ports}}


class Canary:
    """A UDP service with one of two endpoints."""

    def __init__(self, network, client):
        self.network, self.client = network, client
        self.address, self.number, self.port = network[200], 0, 30000
        self.kind = {4: 'IPv4', 6: 'IPv6'}[network.version]

    def objects(self):
        meta = {'namespace': 'ksvc-conformance', 'name': 'canary',
                'labels': {'kubernetes.io/service-name': 'canary'}}
        port = {'name': 'u', 'protocol': 'UDP'}
        return [service(meta['namespace'], meta['name'], self.address, [{**port, 'port': PORT}]),
                {'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice', 'metadata': meta,
                 'addressType': self.kind, 'ports': [{**port, 'port': ENDPOINT_PORT}],
                 'endpoints': [{'addresses': [str(self.network[201 + self.number])]}]}]

    def toggle(self):
        self.number ^= 1

    def entry(self):
        """Makes a stale entry; returns its key."""
        self.port += 1
        key = (UDP, self.client, self.port, self.address, PORT)
        ctnetlink.create(*key, (self.network[209], ENDPOINT_PORT))
        return key


class Reconciliation:
    def __init__(self, world, family):
        self.network = world.networks[FAMILY[family]]
        self.client = self.network[100]
        self.canary = Canary(self.network, self.client)

    def apply(self, objects):
        items = [*objects, *self.canary.objects()]
        run('ksvcctl', 'apply', '-f', '-', '--prune', '--node-name', NODE['name'],
            text=json.dumps({'apiVersion': 'v1', 'kind': 'List', 'items': items}))

    def idle(self):
        """Returns when all changes have had their pass, with a stale entry that waits for the next."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            key = self.canary.entry()
            time.sleep(IDLE)
            if key in ctnetlink.entries():
                return key
        raise Trouble('stale entries go all the time, though nothing changes')


# --- cases: entries

def make_entry(entry, client, port):
    """Returns its key. Reply port 0: never translated."""
    to, endpoint = ipaddress.ip_address(entry['origDst']), ipaddress.ip_address(entry['replySrc'])
    key = (PROTOCOLS[entry['proto']], client, port, to, entry['origDport'])
    ctnetlink.create(*key, (endpoint, entry['replySport']) if entry['replySport'] or endpoint != to else None)
    return key


def entry_name(case, entry):
    name = f'{case}: {entry["proto"]} {hostport(entry["origDst"], entry["origDport"])} translated to ' \
        f'{hostport(entry["replySrc"], entry["replySport"])} {"goes" if entry["delete"] else "stays"}'
    return name + (f': {entry["why"]}' if 'why' in entry else '')


def run_case(case, world, results):
    passes = Reconciliation(world, case['family'])
    # First without endpoints, as new VIPs have their own effect on entries; then they all appear at once.
    passes.apply(case['services'])
    stale = passes.idle()
    keys = [make_entry(entry, passes.client, 20000 + number) for number, entry in enumerate(case['entries'])]
    passes.canary.toggle()
    passes.apply(case['services'] + case['endpointslices'])
    if not wait_until_gone(stale):
        raise Trouble('the endpoint of a UDP service has changed, and a stale entry of it stays')
    passes.idle()
    left = ctnetlink.entries()
    for key, entry in zip(keys, case['entries']):
        good = entry.get('optional') or (key not in left) == entry['delete']
        results.result(bool(good), entry_name(case['name'], entry), 'it stayed' if key in left else 'it went')


# --- triggers: changes of EndpointSlices

def services_of(slices, network):
    """Services for EndpointSlices that come without."""
    ports = {}
    for item in slices:
        name = item['metadata']['namespace'], item['metadata']['labels']['kubernetes.io/service-name']
        for port in item['ports']:
            ports.setdefault(name, {})[port['name'], port['protocol']] = port
    return [service(*name, network[210 + number], list(of.values())) for number, (name, of) in
            enumerate(sorted(ports.items()))]


def run_trigger(trigger, world, results):
    slices = trigger['before'] + trigger['after']
    passes = Reconciliation(world, slices[0]['addressType'])
    services = services_of(slices, passes.network)
    passes.apply(services + trigger['before'])
    key = passes.idle()
    passes.apply(services + trigger['after'])
    name = f'trigger: {trigger["name"]}: {"a" if trigger["cleanup"] else "no"} pass'
    if trigger['cleanup']:
        results.result(wait_until_gone(key), name, 'a stale entry stayed')
    else:
        time.sleep(IDLE)
        results.result(key in ctnetlink.entries(), name, 'a stale entry of another service went')


def run_all(data, world, results):
    world.configure(NODE, set(), json.dumps(data))
    for each, entries in (run_case, data['cases']), (run_trigger, data['triggers']):
        for entry in entries:
            try:
                each(entry, world, results)
            except Trouble as trouble:
                results.result(False, f'{entry["name"]} can be run', str(trouble))
            finally:
                run('ksvcctl', 'flush')
                ctnetlink.flush()
