# SPDX-License-Identifier: GPL-2.0
"""Well-formed requests with values that cannot be. See tests/netlink.sh."""

import errno

import genl
from genl import K, TCP, be16, frontend, endpoint, flow, nest, service, text, u8, u32, u64

V4, V6 = '10.96.0.10', 'fd00:96::10'
E4, E6 = '10.2.0.2', 'fd00:2::2'
DUMPS = (K.CMD_SERVICE_GET, K.CMD_EXPLAIN, K.CMD_AFFINITY_GET)
NAMES = {getattr(K, name): name[4:].lower().replace('_', '-') for name in vars(K) if name.startswith('CMD_')}


def a_frontend(*parts):
    return nest(K.A_SERVICE_FRONTEND, *parts)


def an_endpoint(*parts):
    return nest(K.A_SERVICE_ENDPOINT, *parts)


def bad_values():
    """A list of cases: what, command, attributes, errno, what the message says, which attribute is to blame (None: any)."""
    name = text(K.A_SERVICE_NAME, 'new')
    good = frontend('10.96.2.1', 80)
    fport, fproto = be16(K.A_FRONTEND_PORT, 80), u8(K.A_FRONTEND_PROTOCOL, TCP)
    faddr = genl.addr(K.A_FRONTEND_ADDR4, K.A_FRONTEND_ADDR6, '10.96.2.1')
    eport = be16(K.A_ENDPOINT_PORT, 80)
    eaddr = genl.addr(K.A_ENDPOINT_ADDR4, K.A_ENDPOINT_ADDR6, '10.2.0.2')
    both = faddr + genl.addr(K.A_FRONTEND_ADDR4, K.A_FRONTEND_ADDR6, 'fd00::1')
    e_both = eaddr + genl.addr(K.A_ENDPOINT_ADDR4, K.A_ENDPOINT_ADDR6, 'fd00::1')
    put, eput, edel = K.CMD_SERVICE_PUT, K.CMD_ENDPOINT_PUT, K.CMD_ENDPOINT_DEL
    standard_name = text(K.A_SERVICE_NAME, 'standard')
    invalid = errno.EINVAL
    F, E = K.A_SERVICE_FRONTEND, K.A_SERVICE_ENDPOINT
    cases = [
        ('no attribute', put, b'', invalid, 'name', None),
        ('no frontend', put, name, invalid, 'frontend', None),
        ('no name', put, good, invalid, 'name', None),
        ('an empty frontend', put, name + a_frontend(), invalid, 'address', None),
        ('no address', put, name + a_frontend(fport, fproto), invalid, 'address', None),
        ('two addresses', put, name + a_frontend(both, fport, fproto), invalid, 'address', [F, K.A_FRONTEND_ADDR6]),
        ('no port', put, name + a_frontend(faddr, fproto), invalid, 'port', [F]),
        ('port 0', put, name + frontend('10.96.2.1', 0), invalid, 'port', [F, K.A_FRONTEND_PORT]),
        ('no protocol', put, name + a_frontend(faddr, fport), invalid, 'protocol', [F]),
        ('an endpoint without address', put, name + good + an_endpoint(eport), invalid, 'address', None),
        ('an endpoint with two addresses', put, name + good + an_endpoint(e_both, eport), invalid, 'address',
         [E, K.A_ENDPOINT_ADDR6]),
        ('an endpoint without port', put, name + good + an_endpoint(eaddr), invalid, 'port', [E]),
        ('an endpoint with port 0', put, name + good + endpoint(E4, 0), invalid, 'port', [E, K.A_ENDPOINT_PORT]),
        ('weight 65536', put, name + good + endpoint(E4, 80, 65536), invalid, 'weight', [E, K.A_ENDPOINT_WEIGHT]),
        ('weight 2^32 - 1', put, name + good + endpoint(E4, 80, 0xffffffff), invalid, 'weight',
         [E, K.A_ENDPOINT_WEIGHT]),
        ('endpoint flag 16', put, name + good + endpoint(E4, 80, 1, 16), invalid, None, [E, K.A_ENDPOINT_FLAGS]),
        ('endpoint flag 2^31', put, name + good + endpoint(E4, 80, 1, 0x80000001), invalid, None,
         [E, K.A_ENDPOINT_FLAGS]),
        ('connections', put, name + good + an_endpoint(eaddr, eport, u64(K.A_ENDPOINT_CONNECTIONS, 1)), invalid,
         'counter', [E, K.A_ENDPOINT_CONNECTIONS]),
        ("the service's connections", put, name + good + u64(K.A_SERVICE_CONNECTIONS, 1), invalid, None,
         [K.A_SERVICE_CONNECTIONS]),
        ('padding', put, name + good + an_endpoint(eaddr, eport, genl.attr(K.A_ENDPOINT_PAD)), invalid, None,
         [E, K.A_ENDPOINT_PAD]),
        ('mode 3', put, name + good + u32(K.A_SERVICE_MODE, 3), None, None, [K.A_SERVICE_MODE]),
        ('an endpoint of a family without frontend', put, name + good + endpoint(E6, 80), invalid, 'IPv6', None),
        ('the same in the other direction', put, name + frontend('fd00:96::2', 80) + endpoint(E4, 80), invalid,
         'IPv4', None),
        ('the same of all 39 characters', put, name + good +
         endpoint('fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 65535), invalid,
         r'ffff\]:65535 has no IPv6 frontend$', None),
        ('a frontend twice', put, name + good + good, invalid, '10.96.2.1:80 is given twice', None),
        ('an IPv6 frontend twice', put, name + 2 * frontend('fd00:96::2', 80), invalid, 'fd00:96::2.*twice', None),
        ('an endpoint twice', put, name + good + 2 * endpoint(E4, 80), invalid, f'{E4}:80 is given twice', None),
        ('an endpoint twice with two weights', put, name + good + endpoint(E4, 80, 1) + endpoint(E4, 80, 2), invalid,
         'twice', None),
        ("another service's frontend", put, name + frontend(V4, 80), errno.EEXIST, 'taken by standard', None),
        ("another service's IPv6 frontend", put, name + frontend(V6, 80), errno.EEXIST, 'taken by standard', None),
        ("another service's frontend, by change", put, service('other', [('10.96.0.11', 80), (V4, 80)]),
         errno.EEXIST, 'taken by standard', None),
        ('create of what exists', put, service('standard', [(V4, 80)], mode=K.MODE_CREATE), errno.EEXIST, 'exists',
         None),
        ('replace of what does not', put, service('new', [('10.96.2.1', 80)], mode=K.MODE_REPLACE), errno.ENOENT,
         'no such', None),
        ('1025 frontends', put, name + b''.join(frontend('10.96.2.1', port) for port in range(1, 1026)), errno.E2BIG,
         '1024', None),
        ('65536 endpoints', put, name + good + genl.endpoints4('10.4.0.0', 80, 65536), errno.E2BIG, '65535', None),
        ('del of no service', K.CMD_SERVICE_DEL, name, errno.ENOENT, 'no such', None),
        ('del without name', K.CMD_SERVICE_DEL, b'', invalid, 'name', None),
        ('del with a frontend', K.CMD_SERVICE_DEL, standard_name + frontend(V4, 80), invalid, None, [F]),
        ('endpoint of no service', eput, name + endpoint(E4, 80), errno.ENOENT, 'no such', None),
        ('endpoint-put without endpoint', eput, standard_name, invalid, 'endpoint', None),
        ('endpoint-put with a frontend', eput, standard_name + good + endpoint(E4, 80), invalid, None, [F]),
        ('endpoint-put without name', eput, endpoint(E4, 80), invalid, 'name', None),
        ('endpoint-put of a wrong family', eput, text(K.A_SERVICE_NAME, 'other') + endpoint(E6, 80), invalid,
         'IPv6', None),
        ('endpoint-put twice', eput, standard_name + 2 * endpoint('10.2.0.8', 80), invalid, 'twice', None),
        ('endpoint-put with weight 65536', eput, standard_name + endpoint(E4, 8080, 65536), invalid, 'weight', None),
        ('endpoint create of what exists', eput, standard_name + endpoint('10.2.0.8', 80) + endpoint(E4, 8080) +
         u32(K.A_SERVICE_MODE, K.MODE_CREATE), errno.EEXIST, f'{E4}:8080 exists', None),
        ('endpoint replace of what does not', eput, standard_name + endpoint(E4, 8080, 3) + endpoint('10.2.0.8', 80) +
         u32(K.A_SERVICE_MODE, K.MODE_REPLACE), errno.ENOENT, '10.2.0.8:80 does not exist', None),
        ('endpoint 65536', eput, standard_name + genl.endpoints4('10.4.0.0', 80, 65532), errno.E2BIG, '65535', None),
        ('endpoint-del of one that is not there', edel, standard_name + endpoint(E4, 8080) + endpoint(E4, 1),
         errno.ENOENT, f'{E4}:1 does not exist', None),
        ('endpoint-del twice', edel, standard_name + 2 * endpoint(E4, 8080), invalid, 'twice', None),
        ('endpoint-del with mode', edel, standard_name + endpoint(E4, 8080) + u32(K.A_SERVICE_MODE, 0), invalid, None,
         [K.A_SERVICE_MODE]),
        ('endpoint-del without endpoint', edel, standard_name, invalid, 'endpoint', None),
        ('class 4', put, name + a_frontend(faddr, fport, fproto, u32(K.A_FRONTEND_CLASS, 4)), None, None,
         [F, K.A_FRONTEND_CLASS]),
        ('a node port with an address', put,
         name + a_frontend(faddr, fport, fproto, u32(K.A_FRONTEND_CLASS, K.CLASS_NODE_PORT)), invalid,
         'node port', [F, K.A_FRONTEND_ADDR4]),
        ('a node port without any', put,
         name + a_frontend(fport, fproto, u32(K.A_FRONTEND_CLASS, K.CLASS_NODE_PORT)), invalid, 'node port', None),
        ('service flag 8', put, name + good + u32(K.A_SERVICE_FLAGS, 8), invalid, None, [K.A_SERVICE_FLAGS]),
        ('affinity of 86401 s', put, name + good + u32(K.A_SERVICE_AFFINITY, 86401), invalid, 'affinity',
         [K.A_SERVICE_AFFINITY]),
        ('scheduler 6', put, name + good + u32(K.A_SERVICE_SCHEDULER, 6), None, None, [K.A_SERVICE_SCHEDULER]),
        ('maglev-size 1', put, name + good + u32(K.A_SERVICE_MAGLEV_SIZE, 1), invalid, 'prime',
         [K.A_SERVICE_MAGLEV_SIZE]),
        ('maglev-size 65536', put, name + good + u32(K.A_SERVICE_MAGLEV_SIZE, 65536), invalid, 'prime',
         [K.A_SERVICE_MAGLEV_SIZE]),
        ('maglev-size 1048583', put, name + good + u32(K.A_SERVICE_MAGLEV_SIZE, 1048583), invalid, 'prime',
         [K.A_SERVICE_MAGLEV_SIZE]),
        ('a source range of length 33', put, name + good + nest(
            K.A_SERVICE_SOURCE_RANGE, u32(K.A_PREFIX_ADDR4, 0), u8(K.A_PREFIX_LENGTH, 33)), invalid, 'length',
         [K.A_SERVICE_SOURCE_RANGE, K.A_PREFIX_LENGTH]),
        ('16385 source ranges', put, name + good + 16385 * genl.source_range('10.0.0.0/8'), errno.E2BIG, '16384', None),
        ('a number of source ranges', put, name + good + u32(K.A_SERVICE_SOURCE_RANGES, 1), invalid, None,
         [K.A_SERVICE_SOURCE_RANGES]),
        ('live connections', put, name + good + an_endpoint(eaddr, eport, u32(K.A_ENDPOINT_ACTIVE, 1)), invalid,
         'counter', [E, K.A_ENDPOINT_ACTIVE]),
        ('no records', K.CMD_SETTINGS_SET, u32(K.A_SETTINGS_AFFINITY_ENTRIES, 0), invalid, 'records',
         [K.A_SETTINGS_AFFINITY_ENTRIES]),
        ('16777217 records', K.CMD_SETTINGS_SET, u32(K.A_SETTINGS_AFFINITY_ENTRIES, 16777217), invalid, 'records',
         [K.A_SETTINGS_AFFINITY_ENTRIES]),
        ('affinity-del without name', K.CMD_AFFINITY_DEL, b'', invalid, 'name', None),
        ('affinity-del of no service', K.CMD_AFFINITY_DEL, text(K.A_AFFINITY_NAME, 'new'), errno.ENOENT, 'no such',
         [K.A_AFFINITY_NAME]),
        ('affinity-get of no service', K.CMD_AFFINITY_GET, text(K.A_AFFINITY_NAME, 'new'), errno.ENOENT, 'no such',
         [K.A_AFFINITY_NAME]),
        ('affinity-del of a group', K.CMD_AFFINITY_DEL, text(K.A_AFFINITY_NAME, 'standard') + genl.addr(
            K.A_AFFINITY_CLIENT_ADDR4, K.A_AFFINITY_CLIENT_ADDR6, '224.0.0.1'), invalid, 'address',
         [K.A_AFFINITY_CLIENT_ADDR4]),
        ('a dump of no service', K.CMD_SERVICE_GET, name, errno.ENOENT, 'no such', [K.A_SERVICE_NAME]),
        ('a transaction with flag 4', K.CMD_TXN_BEGIN, u32(K.A_TXN_FLAGS, 4), invalid, None, [K.A_TXN_FLAGS]),
        ('a transaction of another generation', K.CMD_TXN_BEGIN, u64(K.A_TXN_GENERATION, 1 << 40), errno.ERESTART,
         'generation', [K.A_TXN_GENERATION]),
        ('a commit of no transaction', K.CMD_TXN_COMMIT, b'', invalid, 'no transaction', None),
        ('an abort of no transaction', K.CMD_TXN_ABORT, b'', invalid, 'no transaction', None),
    ]
    for protocol in (0, 1, 58, 255):
        cases.append((f'protocol {protocol}', put, name + frontend('10.96.2.1', 80, protocol), invalid, 'protocol',
                      [F, K.A_FRONTEND_PROTOCOL]))
    for bad in ('0.0.0.0', '224.0.0.1', '239.255.255.255', '255.255.255.255', '::', 'ff02::1',
                '::ffff:10.0.0.1'):
        version = 4 if '.' in bad and ':' not in bad else 6
        cases.append((f'frontend {bad}', put, name + frontend(bad, 80), invalid, 'address',
                      [F, getattr(K, f'A_FRONTEND_ADDR{version}')]))
        cases.append((f'endpoint {bad}', put, name + good + frontend('fd00:96::2', 80) + endpoint(bad, 80), invalid,
                      'address', [E, getattr(K, f'A_ENDPOINT_ADDR{version}')]))
    for what, bad, words in (
            ('empty', b'\0', 'empty'), ('of no byte', b'', None), ('of 256 bytes', b'n' * 256 + b'\0', None),
            ('of 60,000 bytes', b'n' * 60000 + b'\0', None),
            ('without its end', b'new', None), ('not UTF-8', b'n\xff\0', 'UTF-8'),
            ('cut in UTF-8', b'n\xc3\0', 'UTF-8'),
            ('overlong in UTF-8', b'n\xc0\xaf\0', 'UTF-8'), ('a surrogate', b'n\xed\xa0\x80\0', 'UTF-8'),
            ('beyond Unicode', b'n\xf4\x90\x80\x80\0', 'UTF-8'), ('with a newline', b'n\nw\0', 'control'),
            ('with an escape', b'n\x1b[2J\0', 'control'), ('with DEL', b'n\x7f\0', 'control'),
            ('with a NUL inside', b'n\0w\0', 'control'), ('ended early', b'new\0\0', 'control')):
        for command in (put, K.CMD_SERVICE_DEL, eput, edel):
            rest = {put: good, K.CMD_SERVICE_DEL: b'', eput: endpoint(E4, 80), edel: endpoint(E4, 80)}[command]
            cases.append((f'{NAMES[command]}: a name {what}', command, rest + genl.attr(K.A_SERVICE_NAME, bad), invalid,
                          words, [K.A_SERVICE_NAME]))
    for what, bad in (('with a NUL inside', b'standard\0w\0'), ('without its end', b'standard'),
                      ('of 256 bytes', b'n' * 256 + b'\0')):
        cases.append((f'a dump of a name {what}', K.CMD_SERVICE_GET, genl.attr(K.A_SERVICE_NAME, bad), None, None,
                      [K.A_SERVICE_NAME]))

    prefix, name_in = K.A_PREFIXES_PREFIX, K.A_NAMES_NAME

    def network(kind, address, length):
        return nest(kind, nest(prefix, genl.addr(K.A_PREFIX_ADDR4, K.A_PREFIX_ADDR6, address),
                               b'' if length is None else u8(K.A_PREFIX_LENGTH, length)))

    many = nest(prefix, genl.addr(K.A_PREFIX_ADDR4, K.A_PREFIX_ADDR6, '10.0.0.0'), u8(K.A_PREFIX_LENGTH, 8)) * 257
    for kind in (K.A_SETTINGS_CLUSTER_CIDRS, K.A_SETTINGS_SERVICE_CIDRS):
        cases += [(f'setting {kind}: {what}', K.CMD_SETTINGS_SET, u8(K.A_SETTINGS_MASQUERADE_ALL, 1) + value, number,
                   words, blamed) for what, value, number, words, blamed in (
            ('host bits', network(kind, '10.0.0.1', 8), invalid, 'bits', [kind, prefix]),
            ('IPv6 host bits', network(kind, 'fd00::1', 64), invalid, 'bits', [kind, prefix]),
            ('a bit beyond /0', network(kind, '128.0.0.0', 0), invalid, 'bits', [kind, prefix]),
            ('length 33', network(kind, '10.0.0.0', 33), invalid, 'length', [kind, prefix, K.A_PREFIX_LENGTH]),
            ('length 129', network(kind, 'fd00::', 129), invalid, 'length', [kind, prefix, K.A_PREFIX_LENGTH]),
            ('length 255', network(kind, 'fd00::', 255), invalid, 'length', [kind, prefix, K.A_PREFIX_LENGTH]),
            ('no length', network(kind, '10.0.0.0', None), invalid, 'length', [kind, prefix]),
            ('no address', nest(kind, nest(prefix, u8(K.A_PREFIX_LENGTH, 8))), invalid, 'address', [kind, prefix]),
            ('two addresses', nest(kind, nest(prefix, u32(K.A_PREFIX_ADDR4, 0),
                                              genl.attr(K.A_PREFIX_ADDR6, bytes(16)), u8(K.A_PREFIX_LENGTH, 0))),
             invalid, 'address', [kind, prefix]),
            ('257 prefixes', nest(kind, many), errno.E2BIG, '256', [kind]),
        )]
    kind = K.A_SETTINGS_POD_INTERFACES
    for what, bad in (('of 16 characters', b'abcdefghijklmnop'), ('of 17 with *', b'abcdefghijklmnop*'),
                      ('of 17', b'abcdefghijklmnopq'), ('of 300', b'a' * 300), ('empty', b''), ('only a NUL', b'\0'),
                      ('with a NUL inside', b'a\0b'), ('with a slash', b'a/b'), ('with a space', b'a b')):
        cases.append((f'an interface name {what}', K.CMD_SETTINGS_SET, nest(kind, genl.attr(name_in, bad)), None, None,
                      [kind, name_in]))
    cases += [
        ('257 interfaces', K.CMD_SETTINGS_SET, nest(kind, genl.attr(name_in, b'a') * 257), errno.E2BIG, '256', [kind]),
        ('masquerade-all 2', K.CMD_SETTINGS_SET, u8(K.A_SETTINGS_MASQUERADE_ALL, 2), None, None,
         [K.A_SETTINGS_MASQUERADE_ALL]),
        ('a good setting before a bad one', K.CMD_SETTINGS_SET,
         genl.prefixes(K.A_SETTINGS_CLUSTER_CIDRS, '10.0.0.0/8') + network(K.A_SETTINGS_SERVICE_CIDRS, '10.0.0.1', 8),
         invalid, 'bits', None),
        ('a generation to set', K.CMD_SETTINGS_SET, u64(K.A_SETTINGS_GENERATION, 1), invalid, None,
         [K.A_SETTINGS_GENERATION]),
    ]
    explain = K.CMD_EXPLAIN
    tail = be16(K.A_EXPLAIN_TO_PORT, 80) + u8(K.A_EXPLAIN_PROTOCOL, TCP)
    from4 = genl.addr(K.A_EXPLAIN_FROM_ADDR4, K.A_EXPLAIN_FROM_ADDR6, '10.1.0.2')
    to4 = genl.addr(K.A_EXPLAIN_TO_ADDR4, K.A_EXPLAIN_TO_ADDR6, V4)
    cases += [
        ('explain of nothing', explain, b'', invalid, 'address', None),
        ('explain without from', explain, to4 + tail, invalid, 'address', None),
        ('explain without to', explain, from4 + tail, invalid, 'address', None),
        ('explain without port', explain, from4 + to4 + u8(K.A_EXPLAIN_PROTOCOL, TCP), invalid, 'port', None),
        ('explain without protocol', explain, from4 + to4 + be16(K.A_EXPLAIN_TO_PORT, 80), invalid, 'protocol', None),
        ('explain from two', explain, from4 + flow('fd00::1', V4, 80), invalid, 'address', [K.A_EXPLAIN_FROM_ADDR6]),
        ('explain of two families', explain, flow('10.1.0.2', V6, 80), invalid, 'famil', None),
        ('explain of the other two', explain, flow('fd00::1', V4, 80), invalid, 'famil', None),
        ('explain to a group', explain, flow('10.1.0.2', '224.0.0.1', 80), invalid, 'address',
         [K.A_EXPLAIN_TO_ADDR4]),
        ('explain to no address', explain, flow('fd00::1', '::', 80), invalid, 'address', [K.A_EXPLAIN_TO_ADDR6]),
        ('explain in no interface', explain, flow('10.1.0.2', V4, 80, interface='nosuch'), errno.ENODEV, 'interface',
         [K.A_EXPLAIN_IN_INTERFACE]),
        ('explain in a long one', explain, flow('10.1.0.2', V4, 80, interface='a' * 16), invalid, None,
         [K.A_EXPLAIN_IN_INTERFACE]),
        ('explain with a verdict', explain, flow('10.1.0.2', V4, 80) + u32(K.A_EXPLAIN_VERDICT, 1), invalid, None,
         [K.A_EXPLAIN_VERDICT]),
    ]
    return cases
