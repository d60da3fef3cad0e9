# SPDX-License-Identifier: GPL-2.0
"""What became of packets, what `ksvcctl explain` says, and whether that is what a case expects.

Both are put into the words of the case files: a verdict, endpoints, those among them that are masqueraded.
"""
import collections
import ipaddress
import json
import math

import packets
from case import canonical, describe, hostport

# A set with an endpoint that is never chosen, or chosen and not expected, passes with this probability at most.
CHANCE = 1e-12
LEAST = 16			# packets of a flow that is translated
REFUSED = 3			# of another

# masqueraded: None if it cannot be told. problem: what is wrong whatever is expected.
Outcome = collections.namedtuple('Outcome', 'verdict endpoint masqueraded problem')


def tries(flow):
    """How many packets are sent."""
    count = len(flow.expect.endpoints)
    if flow.sticky:
        return 1
    if count == 0:
        return REFUSED
    if count == 1:
        return LEAST
    return max(LEAST, math.ceil(math.log(CHANCE / count) / math.log(1 - 1 / count)))


# --- a packet

def outcome(flow, probe, world):
    if len(probe.out) > 1:
        return Outcome('none', None, None, 'it came out more than once')
    if not probe.out:
        return refused(flow, probe, world) if probe.errors else Outcome('drop', None, None, None)
    where, packet = probe.out[0]
    to = ipaddress.ip_address(packet.destination)
    target = hostport(to, packet.port)
    # An endpoint may have the address and port that the packet was for.
    translated = target != flow.target or target in flow.expect.endpoints
    verdict = 'dnat' if translated else 'none'
    masqueraded, problem = source(flow, probe, world, where, packet)
    if where != world.place(to):
        problem = f'it came out at {where} instead of {world.place(to)}'
    elif not packet.intact:
        problem = 'its checksum is wrong'
    elif probe.errors and not (where == 'local' and flow.protocol == 'UDP'):
        # To UDP nobody listens there, and the machine says so.
        problem = 'it came out, and an ICMP error came back'
    elif masqueraded and not translated:
        problem = 'its source was changed'
    return Outcome(verdict, target if translated else None, masqueraded, problem)


def source(flow, probe, world, where, packet):
    """(masqueraded, problem). Masqueraded packets get any port, so one that looks unchanged can be masqueraded by
    chance when its source is an address that masquerading takes."""
    address, port = ipaddress.ip_address(packet.source), packet.source_port
    taken = world.masquerading(where)
    if (address, port) == (flow.source, probe.source_port):
        return (None if address in taken else False), None
    if address in taken:
        return True, None
    return None, f'its source became {hostport(address, port)}'


def refused(flow, probe, world):
    where, error = probe.errors[0]
    problem = None
    if (error.error[0], error.error[1]) != packets.PORT_UNREACHABLE[error.version]:
        problem = f'ICMP type {error.error[0]} code {error.error[1]} came back'
    elif len(probe.errors) > 1:
        problem = 'more than one ICMP error came back'
    elif ipaddress.ip_address(error.destination) != flow.source or where != world.place(flow.source):
        problem = f'the ICMP error went to {ipaddress.ip_address(error.destination)} at {where}'
    elif error.quoted.flow() != (flow.source.packed, probe.source_port, flow.to.packed, flow.port):
        problem = 'the ICMP error quotes a packet that was not sent'
    elif not error.intact:
        problem = 'the checksum of the ICMP error is wrong'
    return Outcome('reject', None, None, problem)


def word(seen):
    text = f'dnat to {seen.endpoint}' if seen.endpoint else seen.verdict
    if seen.masqueraded:
        text += ' masqueraded'
    return text + (f' ({seen.problem})' if seen.problem else '')


def judge_packets(flow, probes, world, chosen):
    """(good, what was seen). `chosen`: the endpoints of sticky flows by name; this flow's is added."""
    expect = flow.expect
    seen = collections.Counter(outcome(flow, probe, world) for probe in probes)
    summary = ', '.join(f'{count} x {word(one)}' for one, count in seen.most_common())
    endpoints = {one.endpoint for one in seen if one.endpoint}
    if flow.sticky and len(endpoints) == 1:
        chosen[flow.name] = min(endpoints)
    for one in seen:
        if one.problem or one.verdict != expect.verdict:
            return False, summary
        if expect.verdict == 'dnat' and one.masqueraded not in (None, one.endpoint in expect.masqueraded):
            return False, summary
    known = {one.endpoint for one in seen if one.masqueraded}
    if not endpoints <= expect.endpoints or not endpoints & expect.masqueraded <= known:
        return False, summary
    if expect.same_as is not None:
        wanted = chosen.get(expect.same_as)
        return endpoints == {wanted}, f'{summary}; "{expect.same_as}" got {wanted}'
    return flow.sticky or endpoints == expect.endpoints, summary


# --- explain

def explain_command(flow, ingress, source_port):
    command = ['ksvcctl', 'explain', '--json', '--from', hostport(flow.source, source_port),
               '--to', f'{flow.target}/{flow.protocol.lower()}']
    return command + (['--in', ingress] if ingress else [])


def judge_explain(flow, text, probes, world):
    """(good, what it said)."""
    said = json.loads(text)
    endpoints = {canonical(endpoint) for endpoint in said.get('endpoints', ())}
    masqueraded = endpoints if said.get('masquerade') else set(map(canonical, said.get('masquerade_if', ())))
    summary = f'{said["verdict"]} ({said.get("reason")})'
    if endpoints:
        summary += ' to ' + describe(endpoints, masqueraded)
    expect = flow.expect
    good = (said['verdict'], endpoints, masqueraded) == (expect.verdict, expect.endpoints, expect.masqueraded)
    if good and said.get('chosen') and not flow.sticky:
        # It was asked about the first packet.
        got = outcome(flow, probes[0], world).endpoint
        if got != canonical(said['chosen']):
            return False, f'{summary}; for port {probes[0].source_port} {said["chosen"]}, but the packet got {got}'
    return good, summary
