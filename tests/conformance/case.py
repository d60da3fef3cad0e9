# SPDX-License-Identifier: GPL-2.0
"""A case file (format: cases/README.md) as the runner uses it. Knows the format and kube-proxy's options, not packets.

ksvc follows the nftables side where modes differ. There `localhostNodePorts` is without effect (M7), so the runner
leaves ksvc's setting of that name off.
"""
import copy
import ipaddress
import json
import math
import re

MODE = 'nftables'
DEFAULT_AFFINITY, MAX_AFFINITY = 10800, 86400		# of Kubernetes, in seconds
STANDSTILL = 600			# seconds that a case without passing time may take
LONGEST_TIMEOUT = 1000			# in seconds of the runner
EPSILON = 1e-6
BRIDGE, PREFIX = 'BridgeInterface', 'InterfaceNamePrefix'


def canonical(endpoint):
    """An endpoint "ip:port" in the spelling of ipaddress, for comparison."""
    host, _, port = endpoint.rpartition(':')
    return hostport(ipaddress.ip_address(host.strip('[]')), int(port))


def hostport(address, port):
    address = ipaddress.ip_address(address)
    return f'[{address}]:{port}' if address.version == 6 else f'{address}:{port}'


def sloppy_address(text):
    """Leading zeros are decimal, as Kubernetes reads them (S5)."""
    return ipaddress.ip_address(text if ':' in text else re.sub(r'\b0+(?=\d)', '', text))


def canonical_prefixes(texts):
    """Without bits beyond the length, which kube-proxy's options may have and ksvcctl takes for a mistake."""
    return [str(ipaddress.ip_network(text, strict=False)) for text in texts]


def version(text):
    return 6 if ':' in text else 4


class Expectation:
    def __init__(self, data):
        self.verdict = data['verdict']
        if self.verdict not in ('dnat', 'drop', 'reject', 'none'):
            raise ValueError(f'unknown verdict {self.verdict!r}')
        self.endpoints = {canonical(endpoint) for endpoint in data.get('endpoints', ())}
        if bool(self.endpoints) != (self.verdict == 'dnat'):
            raise ValueError(f'verdict {self.verdict} with {len(self.endpoints)} endpoints')
        some = {canonical(endpoint) for endpoint in data.get('masquerade_if', ())}
        self.masqueraded = self.endpoints if data.get('masquerade') else some & self.endpoints
        self.same_as = data.get('same_endpoint_as')

    def __str__(self):
        if self.verdict != 'dnat':
            return self.verdict
        return 'dnat to ' + describe(self.endpoints, self.masqueraded) + \
            (f', the endpoint of "{self.same_as}"' if self.same_as else '')


def describe(endpoints, masqueraded):
    return ', '.join(endpoint + (' masqueraded' if endpoint in masqueraded else '') for endpoint in sorted(endpoints))


class Flow:
    def __init__(self, data):
        self.name, self.enters, self.protocol = data['name'], data['in'], data['proto']
        if self.enters not in ('pod', 'node', 'external'):
            raise ValueError(f'{self.name}: unknown "in": {self.enters!r}')
        self.source = ipaddress.ip_address(data['from'])
        self.to = ipaddress.ip_address(data['to'])
        self.port = data['port']
        self.target = hostport(self.to, self.port)
        self.expect = Expectation(data['expect'] if 'expect' in data else data['expect_by_mode'][MODE])
        self.sticky = False


class Step:
    def __init__(self, data, before):
        """Objects and node are those of the step before, changed as the data say."""
        self.name = data.get('name')
        self.advance = data.get('advanceSeconds', 0)
        self.node = dict(before.node) if before else {}
        self.objects = dict(before.objects) if before else {}
        for kind, names in data.get('delete', {}).items():
            for name in names:
                self.objects.pop((kind, name), None)
        changes = data.get('apply', {})
        self.node.update(changes.get('node', {}))
        for kind in 'services', 'endpointslices':
            for item in changes.get(kind, ()):
                meta = item['metadata']
                self.objects[kind, f'{meta.get("namespace", "default")}/{meta["name"]}'] = item
        self.flows = [Flow(flow) for flow in data.get('flows', ())]

    def services(self):
        return [item for (kind, _), item in self.objects.items() if kind == 'services']

    def affine(self):
        return [item for item in self.services() if is_affine(item)]

    def to_apply(self, timers):
        """The objects as one list, with affinity timeouts as the timers have them."""
        items = copy.deepcopy(list(self.objects.values()))
        for item in items:
            if is_affine(item):
                config = {'clientIP': {'timeoutSeconds': timers.timeout(affinity_timeout(item))}}
                item['spec']['sessionAffinityConfig'] = config
        return json.dumps({'apiVersion': 'v1', 'kind': 'List', 'items': items})


def is_affine(item):
    return item['kind'] == 'Service' and item['spec'].get('sessionAffinity') == 'ClientIP'


def affinity_timeout(service):
    config = service['spec'].get('sessionAffinityConfig') or {}
    return (config.get('clientIP') or {}).get('timeoutSeconds') or DEFAULT_AFFINITY


def addresses_of(service):
    spec, status = service['spec'], service.get('status') or {}
    ingress = (status.get('loadBalancer') or {}).get('ingress') or ()
    for text in [spec.get('clusterIP'), *(spec.get('clusterIPs') or ()), *(spec.get('externalIPs') or ()),
                 *(entry.get('ip') for entry in ingress)]:
        try:
            yield sloppy_address(text or '')
        except ValueError:
            pass


def may_serve(service, flow):
    """Whether a flow looks as if it were for this service. Only about how often packets are sent."""
    ports = service['spec'].get('ports') or ()
    if flow.port in (port.get('nodePort') for port in ports):
        return True
    return flow.port in (port.get('port') for port in ports) and flow.to in addresses_of(service)


def mentions(text, network):
    """Whether an address or a prefix in a text overlaps a network."""
    for word in re.findall(r'[0-9A-Fa-f:.]*[:.][0-9A-Fa-f:.]*(?:/\d+)?', text):
        for candidate in word, word.rpartition(':')[0]:
            try:
                other = ipaddress.ip_network(candidate, strict=False)
            except ValueError:
                continue
            if other.version == network.version and other.prefixlen and other.overlaps(network):
                return True
    return False


class Case:
    def __init__(self, data):
        if data.get('schema') != 1:
            raise ValueError(f'schema {data.get("schema")!r} is not 1')
        self.name = data['name']
        base = {'apply': {key: data[key] for key in ('node', 'services', 'endpointslices') if key in data}}
        step, self.steps = Step(base, None), []
        for entry in data.get('steps') or [{'flows': data['flows']}]:
            step = Step(entry, step)
            self.steps.append(step)
        if not data.get('steps'):
            self.steps[0].name = None
        self.flows = [flow for step in self.steps for flow in step.flows]
        self.text = json.dumps(data)
        self.mark_sticky()

    def mark_sticky(self):
        """The flows of which one packet decides about the next, so that only one is sent."""
        referred = {flow.expect.same_as for flow in self.flows} - {None}
        for step in self.steps:
            for flow in step.flows:
                flow.sticky = (flow.expect.same_as is not None or flow.name in referred or
                               any(may_serve(service, flow) for service in step.affine()))

    def pod_sources(self):
        return {flow.source for flow in self.flows if flow.enters == 'pod'}


# --- kube-proxy's options as ksvc's settings

def detector(node):
    """(mode, names) of interface detectors: the names that the case gives, or one of ours."""
    detect = node.get('options', {}).get('detectLocal') or {'mode': 'None'}
    names = []
    for key, value in detect.items():
        if key not in ('mode', 'cidrs'):
            names += [value] if isinstance(value, str) else list(value or ())
    if detect['mode'] == BRIDGE:
        return BRIDGE, names or ['cni0']
    if detect['mode'] == PREFIX:
        return PREFIX, names or ['veth']
    return detect['mode'], names


def cluster_cidrs(node):
    """The prefixes of pods. NodeCIDR uses the first of each family (Q7)."""
    detect = node.get('options', {}).get('detectLocal') or {'mode': 'None'}
    cidrs = detect.get('cidrs') or []
    if detect['mode'] == 'ClusterCIDR':
        return cidrs
    if detect['mode'] == 'NodeCIDR':
        cidrs = cidrs or node.get('podCIDRs') or []
        return [cidr for number, cidr in enumerate(cidrs)
                if version(cidr) not in map(version, cidrs[:number])]
    return []


def nodeport_addresses(node):
    primary = [f'{address}/{128 if version(address) == 6 else 32}' for address in node.get('primaryIPs', ())]
    found = []
    for entry in node.get('nodePortAddresses') or ():
        found += primary if entry == 'primary' else [entry]
    return found


def settings(node):
    """{key: values} for `ksvcctl set`, every key always."""
    mode, names = detector(node)
    return {
        'cluster-cidr': canonical_prefixes(cluster_cidrs(node)),
        'pod-interface': names if mode == BRIDGE else [name + '*' for name in names] if mode == PREFIX else [],
        'service-cidr': canonical_prefixes(node.get('serviceCIDRs') or []),
        'nodeport-addresses': canonical_prefixes(nodeport_addresses(node)),
        'masquerade-all': ['on' if node.get('options', {}).get('masqueradeAll') else 'off'],
    }


def apply_arguments(node):
    arguments = ['--node-name', node['name']]
    if node.get('zone') is not None:
        arguments += ['--zone', node['zone']]
    for address in node.get('primaryIPs', []):
        arguments += ['--node-ip', address]
    if not node.get('options', {}).get('allowServiceExternalIPs', True):
        arguments += ['--no-external-ips']
    return arguments


# --- time

class Timers:
    """How the seconds of a case become seconds of the runner. What counts is which spans between steps reach which
    timeouts, so the shortest schedule is taken that keeps this. `pauses`: what to wait before each step. `margin`: by
    how much every span misses every timeout; half as late may a packet be. None when there is nothing to time."""

    def __init__(self, case, margin):
        advances = [step.advance for step in case.steps]
        # What a step takes itself, with its flows.
        self.least = [margin * (1 + len(step.flows) / 2) for step in case.steps]
        timeouts = {affinity_timeout(service) for step in case.steps for service in step.affine()}
        self.margin, self.pauses, self.total = None, [0] * len(advances), 0
        # Where no time passes in the case, the runner's must not count.
        self.timeouts = {timeout: min(timeout + STANDSTILL, MAX_AFFINITY) for timeout in timeouts}
        if not timeouts or not any(advances[1:]):
            return
        for shortest in (2 ** n for n in range(10)):
            times = self.scale(sorted(timeouts), shortest, advances, margin)
            if times:
                self.margin, self.total = margin, times[-1]
                self.pauses = [0] + [time - before for before, time in zip(times, times[1:])]
                return
        self.total = math.inf

    def scale(self, timeouts, shortest, advances, margin):
        """The least timeouts that make a schedule, one after the other, from `shortest` on. Returns the schedule."""
        self.timeouts, times = {}, None
        for timeout in timeouts:
            for scaled in range(max(shortest, math.ceil(margin)), LONGEST_TIMEOUT):
                self.timeouts[timeout] = scaled
                times = self.schedule(advances, margin)
                if times:
                    shortest = scaled + 1
                    break
            else:
                return None
        return times

    def schedule(self, advances, margin):
        """The earliest times of the steps; None if there are none with these timeouts."""
        steps = range(len(advances))
        bounds = [(step, step + 1, self.least[step]) for step in steps[:-1]]
        for first in steps:
            for last in steps[first + 1:]:
                span = sum(advances[first + 1:last + 1])
                for timeout, scaled in self.timeouts.items():
                    if span >= timeout:
                        bounds.append((first, last, scaled + margin))
                    else:
                        bounds.append((last, first, margin - scaled))
        times = [0.0] * len(advances)
        for _ in range(len(advances) + 1):
            changed = False
            for one, other, distance in bounds:
                if times[other] < times[one] + distance - EPSILON:
                    times[other], changed = times[one] + distance, True
            if not changed:
                return times
        return None

    def timeout(self, seconds):
        return self.timeouts[seconds]
