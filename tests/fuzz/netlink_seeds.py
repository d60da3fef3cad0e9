#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""netlink_seeds.py DIRECTORY: writes what the kernel may answer, each to a file, as tests/fuzz/netlink.c takes it."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../helpers'))
import genl                                             # pylint: disable=wrong-import-position
from genl import K, addr, attr, be16, nest, text, u32, u64, u8  # pylint: disable=wrong-import-position

# The first byte of an input, in the order of tests/fuzz/netlink.c.
SERVICE, SETTINGS, INFO, STATS, TXN, EXPLAIN, AFFINITY, EVENT = range(8)
BELIEVED = 0x80
FAMILY = 0x20


def message(payload, command=0, kind=FAMILY, flags=0):
    return raw(struct.pack('=BBH', command, 1, 0) + payload, kind, flags)


def raw(payload, kind, flags=0):
    return struct.pack('=IHHII', 16 + len(payload), kind, flags, 0, 0) + payload + b'\0' * (-len(payload) % 4)


def refusal(error, request, *tlvs):
    return raw(struct.pack('=i', -error) + request + b''.join(tlvs), genl.NLMSG_ERROR, genl.NLM_F_ACK_TLVS)


def endpoint(address, port, weight, flags):
    return nest(K.A_SERVICE_ENDPOINT, addr(K.A_ENDPOINT_ADDR4, K.A_ENDPOINT_ADDR6, address),
                be16(K.A_ENDPOINT_PORT, port), u32(K.A_ENDPOINT_WEIGHT, weight), u32(K.A_ENDPOINT_FLAGS, flags),
                u64(K.A_ENDPOINT_CONNECTIONS, 77), u32(K.A_ENDPOINT_ACTIVE, 3))


def frontend(address, port, kind):
    return nest(K.A_SERVICE_FRONTEND, addr(K.A_FRONTEND_ADDR4, K.A_FRONTEND_ADDR6, address),
                be16(K.A_FRONTEND_PORT, port), u8(K.A_FRONTEND_PROTOCOL, genl.TCP), u32(K.A_FRONTEND_CLASS, kind))


def service(name):
    return (text(K.A_SERVICE_NAME, name) + u64(K.A_SERVICE_GENERATION, 9) + u32(K.A_SERVICE_FLAGS, 3) +
            u32(K.A_SERVICE_AFFINITY, 10800) + u32(K.A_SERVICE_SCHEDULER, K.SCHEDULER_MAGLEV) +
            u32(K.A_SERVICE_MAGLEV_SIZE, 65537) + u64(K.A_SERVICE_CONNECTIONS, 1 << 40) +
            genl.source_range('10.0.0.0/8') + genl.source_range('fd00::/64') +
            frontend('10.96.0.10', 80, K.CLASS_CLUSTER_IP) + frontend('fd00:96::10', 80, K.CLASS_LOAD_BALANCER) +
            endpoint('10.244.1.7', 8080, 1, 3) + endpoint('fd00:244::7', 8080, 65535, 1))


def settings():
    return (genl.prefixes(K.A_SETTINGS_CLUSTER_CIDRS, '10.244.0.0/16', 'fd00:244::/56') +
            genl.prefixes(K.A_SETTINGS_SERVICE_CIDRS, '10.96.0.0/12') +
            nest(K.A_SETTINGS_POD_INTERFACES, text(K.A_NAMES_NAME, 'cni0'), text(K.A_NAMES_NAME, 'veth*')) +
            u8(K.A_SETTINGS_MASQUERADE_ALL, 1) + genl.prefixes(K.A_SETTINGS_NODEPORT_ADDRESSES, '0.0.0.0/0') +
            u8(K.A_SETTINGS_LOCALHOST_NODEPORTS, 1) + u8(K.A_SETTINGS_DROP_INVALID, 0) + u8(K.A_SETTINGS_PING, 1) +
            u32(K.A_SETTINGS_AFFINITY_ENTRIES, 131072))


def info():
    return (text(K.A_INFO_VERSION, '0.1') + u64(K.A_INFO_GENERATION, 5) + u32(K.A_INFO_SERVICES, 2) +
            u32(K.A_INFO_FRONTENDS, 3) + u32(K.A_INFO_ENDPOINTS, 4) + u8(K.A_INFO_ACTIVE, 1) +
            u32(K.A_INFO_NAMESPACES, 1))


def stats():
    counters = [nest(K.A_STATS_COUNTER, u32(K.A_COUNTER_REASON, i), u64(K.A_COUNTER_PACKETS, i * 1000))
                for i in range(12)]
    return b''.join(counters) + u64(K.A_STATS_MASQUERADED, 12)


def explanation():
    choice = (addr(K.A_CHOICE_ADDR4, K.A_CHOICE_ADDR6, '10.244.1.7') + be16(K.A_CHOICE_PORT, 8080) +
              u32(K.A_CHOICE_WEIGHT, 2) + attr(K.A_CHOICE_MASQUERADE, b'') + attr(K.A_CHOICE_CHOSEN, b''))
    return (u32(K.A_EXPLAIN_VERDICT, K.VERDICT_DNAT) + u32(K.A_EXPLAIN_REASON, K.REASON_TRANSLATED) +
            u32(K.A_EXPLAIN_RULE, K.RULE_X1) + text(K.A_EXPLAIN_SERVICE, 'default/web:http') +
            nest(K.A_EXPLAIN_ENDPOINT, choice))


def affinity(client, address):
    return (text(K.A_AFFINITY_NAME, 'default/web:http') +
            addr(K.A_AFFINITY_CLIENT_ADDR4, K.A_AFFINITY_CLIENT_ADDR6, client) +
            addr(K.A_AFFINITY_ADDR4, K.A_AFFINITY_ADDR6, address) + be16(K.A_AFFINITY_PORT, 8080) +
            u32(K.A_AFFINITY_EXPIRES, 10799000))


def events():
    changed = (text(K.A_SERVICE_NAME, 'default/web:http') + u32(K.A_SERVICE_EVENT, K.EVENT_CHANGED) +
               u64(K.A_SERVICE_GENERATION, 6) + u32(K.A_SERVICE_FRONTENDS, 2) + u32(K.A_SERVICE_ENDPOINTS, 2))
    committed = u64(K.A_TXN_GENERATION, 6) + u32(K.A_TXN_CHANGES, 1)
    return message(changed, K.CMD_SERVICE_NTF) + message(committed, K.CMD_COMMIT_NTF)


def refusals():
    request = message(service('default/web:http'), K.CMD_SERVICE_PUT, flags=genl.NLM_F_REQUEST)
    words = text(genl.NLMSGERR_ATTR_MSG, 'port is 0')
    yield 'refused', refusal(22, request, words, u32(genl.NLMSGERR_ATTR_OFFS, 60))
    yield 'refused-deep', refusal(22, request, u32(genl.NLMSGERR_ATTR_OFFS, len(request) - 24))
    yield 'refused-missing', refusal(22, request, u32(4, K.A_SERVICE_NAME))
    yield 'refused-nested', refusal(22, request, u32(4, K.A_ENDPOINT_PORT), u32(5, 60))
    yield 'refused-permission', refusal(1, request)
    yield 'accepted', refusal(0, request[:16])
    yield 'done', raw(struct.pack('=i', 0), genl.NLMSG_DONE)
    yield 'done-failed', raw(struct.pack('=i', -4) + words, genl.NLMSG_DONE, genl.NLM_F_ACK_TLVS)


def seeds():
    yield 'service', SERVICE, message(service('default/web:http'))
    yield 'service-goes-on', SERVICE, (message(service('a')) + message(
        text(K.A_SERVICE_NAME, 'a') + endpoint('10.244.1.8', 8080, 0, 4)) + message(service('b')))
    yield 'settings', SETTINGS, message(settings())
    yield 'info', INFO, message(info())
    yield 'stats', STATS, message(stats())
    yield 'txn', TXN, message(u64(K.A_TXN_GENERATION, 7) + u32(K.A_TXN_CHANGES, 3))
    yield 'explain', EXPLAIN, message(explanation())
    yield 'affinity', AFFINITY, (message(affinity('192.0.2.1', '10.244.1.7')) +
                                 message(affinity('2001:db8::1', 'fd00:244::7')))
    yield 'event', EVENT, events()
    dump = message(service('default/web:http'), flags=2) + raw(struct.pack('=i', 0), genl.NLMSG_DONE, 2)
    yield 'dump', BELIEVED | SERVICE, dump
    for name, data in refusals():
        yield name, BELIEVED | TXN, data


def main():
    for name, first, data in seeds():
        with open(os.path.join(sys.argv[1], name), 'wb') as file:
            file.write(bytes([first]) + data)


if __name__ == '__main__':
    main()
