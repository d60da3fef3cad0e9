# SPDX-License-Identifier: GPL-2.0
"""Two nodes of a cluster in network namespaces, wired as kubelet, the bridge plugin and flannel do it.

        node1  192.168.1.10                         node2  192.168.1.11
   client   web-0                                       web-1    web-2
    eth0     eth0     pods 10.244.0.0/24                 eth0     eth0     pods 10.244.1.0/24
     |        |            fd00:10:244::/64               |        |            fd00:10:244:1::/64
   veth-client  veth-web-0                           veth-web-1  veth-web-2
     +--cni0--+                                           +--cni0--+
         |                                                    |
     flannel.1, flannel-v6.1     VXLAN, VNI 1, UDP 8472    flannel.1, flannel-v6.1
         |                                                    |
        eth0 ----------------------------------------------- eth0
        lan0  192.168.11.1
         |
       outside  192.168.11.50, which reaches the nodes and the load balancer's 192.168.11.200 by node1

Besides, both nodes reach the API server in namespace api at 192.168.12.1 by their api0, and there are the pods of a
deployment, cart-0 to cart-8: the even ones on node1.
"""
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
VXLAN_PORT = 8472
VNI = 1
POD_PORT = 8080

libc = ctypes.CDLL(None, use_errno=True)


class Node:
    def __init__(self, number, last):
        self.name = f'node{number + 1}'
        self.ip = {4: f'192.168.1.{last}', 6: f'fd00:192:168:1::{last}'}
        self.subnet = {4: f'10.244.{number}.', 6: f'fd00:10:244:{number}::' if number else 'fd00:10:244::'}
        # As the bridge plugin and flannel choose them: the first address of the subnet, and the one before it.
        self.bridge = {v: s + '1' for v, s in self.subnet.items()}
        self.tunnel = {4: self.subnet[4] + '0', 6: self.subnet[6]}
        self.mac = {v: f'02:00:00:00:0{v}:{last}' for v in (4, 6)}
        self.api = f'192.168.12.{last}'


class Pod:
    def __init__(self, name, node, last):
        self.name = name
        self.node = node
        self.veth = f'veth-{name}'
        self.ip = {v: s + str(last) for v, s in node.subnet.items()}


NODES = [Node(0, 10), Node(1, 11)]
node1, node2 = NODES
CLIENT = Pod('client', node1, 10)
WEB = [Pod('web-0', node1, 20), Pod('web-1', node2, 21), Pod('web-2', node2, 22)]
CART = [Pod(f'cart-{i}', NODES[i % 2], 30 + i) for i in range(9)]
PODS = [CLIENT] + WEB + CART
API = 'api'
API_IP = '192.168.12.1'
OUTSIDE = 'outside'
OUTSIDE_IP = '192.168.11.50'
FLANNEL = {4: 'flannel.1', 6: 'flannel-v6.1'}


def setns(fd):
    if libc.setns(fd, CLONE_NEWNET):
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


@contextlib.contextmanager
def inside(netns):
    """Sockets and processes that are made here live in that namespace."""
    back = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
    there = os.open(f'/run/netns/{netns}', os.O_RDONLY)
    try:
        setns(there)
        yield
    finally:
        setns(back)
        os.close(there)
        os.close(back)


def run(*command, stdin=None):
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)}: status {done.returncode}\n{done.stdout}')
    return done.stdout


def batch(tool, netns, lines):
    at = ['-n', netns] if netns else []
    run(tool, *at, '-batch', '-', stdin='\n'.join(lines) + '\n')


def sysctl(netns, **values):
    with inside(netns):
        for key, value in values.items():
            with open('/proc/sys/net/' + key.replace('__', '/'), 'w', encoding='ascii') as f:
                f.write(str(value))


def ksvcctl(node, *words):
    with inside(node.name):
        return run('ksvcctl', *words)


def build():
    for module in 'br_netfilter', 'vxlan':
        run('modprobe', module)
    batch('ip', None, [f'netns add {x.name}' for x in NODES + PODS])
    for x in NODES + PODS:
        sysctl(x.name, ipv6__conf__default__accept_dad=0, ipv6__conf__all__accept_dad=0)
    for node in NODES:
        # Pods of one node talk over the bridge; only so do the replies pass the node's conntrack.
        sysctl(node.name, ipv4__ip_forward=1, ipv6__conf__all__forwarding=1,
               **{'bridge__bridge-nf-call-iptables': 1, 'bridge__bridge-nf-call-ip6tables': 1})
    batch('ip', None,
          [f'link add eth0 netns {node1.name} type veth peer name eth0 netns {node2.name}'] +
          [f'link add {p.veth} netns {p.node.name} mtu 1430 type veth peer name eth0 netns {p.name} mtu 1430'
           for p in PODS])
    for node, other in (node1, node2), (node2, node1):
        batch('ip', node.name, node_links(node, other))
        batch('bridge', node.name,
              [f'fdb append {other.mac[v]} dev {FLANNEL[v]} dst {other.ip[v]}' for v in (4, 6)])
    for pod in PODS:
        batch('ip', pod.name, [
            'link set lo up', 'link set eth0 up',
            f'addr add {pod.ip[4]}/24 dev eth0', f'addr add {pod.ip[6]}/64 dev eth0 nodad',
            f'route add default via {pod.node.bridge[4]}', f'route add default via {pod.node.bridge[6]}'])


def build_api():
    batch('ip', None, [f'netns add {API}'] + [
        f'link add api0 netns {node.name} type veth peer name {node.name} netns {API}' for node in NODES])
    batch('ip', API, [
        'link set lo up', 'link add br0 type bridge', f'addr add {API_IP}/24 dev br0', 'link set br0 up'] +
          [f'link set {node.name} master br0 up' for node in NODES])
    for node in NODES:
        batch('ip', node.name, [f'addr add {node.api}/24 dev api0', 'link set api0 up'])


def build_outside():
    batch('ip', None, [f'netns add {OUTSIDE}',
                       f'link add lan0 netns {node1.name} type veth peer name eth0 netns {OUTSIDE}'])
    batch('ip', node1.name, ['addr add 192.168.11.1/24 dev lan0', 'link set lan0 up'])
    batch('ip', OUTSIDE, ['link set lo up', f'addr add {OUTSIDE_IP}/24 dev eth0', 'link set eth0 up',
                          'route add default via 192.168.11.1', 'route add 192.168.11.200 via 192.168.11.1'])


def node_links(node, other):
    lines = [
        'link set lo up',
        f'addr add {node.ip[4]}/24 dev eth0', f'addr add {node.ip[6]}/64 dev eth0 nodad', 'link set eth0 up',
        'route add default via 192.168.1.1', 'route add default via fd00:192:168:1::1',
        'link add cni0 mtu 1430 type bridge',
        f'addr add {node.bridge[4]}/24 dev cni0', f'addr add {node.bridge[6]}/64 dev cni0 nodad', 'link set cni0 up']
    for pod in PODS:
        if pod.node is node:
            lines += [f'link set {pod.veth} master cni0', f'link set {pod.veth} up',
                      f'link set {pod.veth} type bridge_slave hairpin on']
    for v, bits in (4, 32), (6, 128):
        dev = FLANNEL[v]
        subnet = f'{other.tunnel[v]}/{24 if v == 4 else 64}'
        lines += [
            f'link add {dev} address {node.mac[v]} mtu 1430 type vxlan id {VNI} local {node.ip[v]} dev eth0 '
            f'dstport {VXLAN_PORT} nolearning',
            f'addr add {node.tunnel[v]}/{bits} dev {dev}' + (' nodad' if v == 6 else ''),
            f'link set {dev} up',
            f'neigh add {other.tunnel[v]} lladdr {other.mac[v]} dev {dev} nud permanent',
            f'route add {subnet} via {other.tunnel[v]} dev {dev} onlink']
    return lines
