#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Changes a cluster at random and says when its kernel should equal what this file thinks of it.

usage: ksvcd_soak.py CONTROL-URL EVENTS PER-ROUND SEED

For every line on standard input: makes one round of changes through the API server's control port, then writes to
standard output one line, the services that have to be in force, as canonical JSON. The input's end ends it.

What services follow from objects is written down here once more, by the rules of shared/semantics.md and on purpose not
with the product's code, for the part of it that is used: P1 to P4 with readiness, serving and termination, E1, E4, E5,
internal and external policies, several ports, UDP and TCP, load balancer IPs and node ports.
"""
import json
import random
import sys
import urllib.request

SERVICES = 60
SLICES = 3
BATCH = 50
NODES = 'here', 'there'


class Cluster:
    def __init__(self, url):
        self.url = url
        self.services, self.slices = {}, {}
        self.queue = []

    def send(self):
        by_word = {}
        # In order: a run of the same word is one request.
        for word, item in self.queue + [(None, None)]:
            if by_word and word not in by_word:
                (last, items), = by_word.items()
                request = urllib.request.Request(f'{self.url}/control/{last}', json.dumps(items).encode())
                urllib.request.urlopen(request, timeout=60).read()
                by_word = {}
            by_word.setdefault(word, []).append(item)
        self.queue = []

    def change(self, word, item):
        self.queue.append((word, item))
        if len(self.queue) >= BATCH:
            self.send()

    def service(self, number):
        ports = [{'name': f'p{i}', 'port': 80 + i, 'protocol': random.choice(('TCP', 'UDP'))}
                 for i in range(random.randint(1, 3))]
        spec = {'clusterIP': f'10.96.{number // 200}.{10 + number % 200}', 'ports': ports}
        if random.random() < 0.3:
            spec['type'] = 'LoadBalancer'
            spec['externalTrafficPolicy'] = random.choice(('Cluster', 'Local'))
            for i, port in enumerate(ports):
                port['nodePort'] = 30000 + 10 * number + i
        if random.random() < 0.2:
            spec['internalTrafficPolicy'] = 'Local'
        item = {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'namespace': 'soak', 'name': f's{number}'}, 'spec': spec}
        if 'type' in spec:
            item['status'] = {'loadBalancer': {'ingress': [{'ip': f'192.0.2.{1 + number}'}]}}
        return item

    def slice(self, number, index):
        endpoints = []
        for _ in range(random.randint(0, 6)):
            terminating = random.random() < 0.2
            endpoints.append({
                'addresses': [f'10.244.{random.randint(0, 1)}.{random.randint(1, 12)}'], 'nodeName': random.choice(NODES),
                'conditions': {'ready': not terminating and random.random() < 0.8, 'serving': random.random() < 0.9,
                               'terminating': terminating}})
        return {'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice', 'addressType': 'IPv4',
                'metadata': {'namespace': 'soak', 'name': f's{number}-{index}',
                             'labels': {'kubernetes.io/service-name': f's{number}'}},
                'ports': [{'name': f'p{i}', 'port': 8000 + i, 'protocol': protocol}
                          for i in range(3) for protocol in ('TCP', 'UDP')],
                'endpoints': endpoints}

    def step(self):
        number = random.randrange(SERVICES)
        if random.random() < 0.3:
            objects, key, make = self.services, number, lambda: self.service(number)
        else:
            index = random.randrange(SLICES)
            objects, key, make = self.slices, (number, index), lambda: self.slice(number, index)
        if key in objects and random.random() < 0.2:
            self.change('delete', objects.pop(key))
        else:
            objects[key] = make()
            self.change('put', objects[key])

    # --- what follows

    def endpoints(self, number, port):
        """E1, E4, E5: of the duplicates of an address, one that does not terminate wins, then one that is ready."""
        best = {}
        for index in range(SLICES):
            item = self.slices.get((number, index))
            for endpoint in item['endpoints'] if item else ():
                conditions = endpoint['conditions']
                rank = (conditions['terminating'], not conditions['ready'], endpoint['nodeName'] != 'here',
                        not conditions['serving'])
                key = endpoint['addresses'][0]
                if key not in best or rank < best[key]:
                    best[key] = rank
        target = 8000 + port['port'] - 80
        return {f'{address}:{target}': rank for address, rank in best.items()}

    def sets(self, ranks):
        """P1 to P4."""
        def usable(members):
            ready = {key for key in members if not ranks[key][1]}
            return ready or {key for key in members if ranks[key][0] and not ranks[key][3]}

        cluster, local = usable(set(ranks)), usable({key for key in ranks if not ranks[key][2]})
        result = {}
        for key, (terminating, not_ready, _, not_serving) in ranks.items():
            if not_ready and not_serving:
                continue
            words = ['cluster'] * (key in cluster) + ['local'] * (key in local)
            words += ['draining'] * (not_ready and terminating and not not_serving) + ['not-serving'] * not_serving
            result[key] = ','.join(words)
        return result

    def model(self):
        services = {}
        for number, item in self.services.items():
            spec = item['spec']
            for port in spec['ports']:
                protocol = port['protocol'].lower()
                frontends = {f'{spec["clusterIP"]}:{port["port"]}/{protocol}': 'cluster-ip'}
                if 'type' in spec:
                    frontends[f'{item["status"]["loadBalancer"]["ingress"][0]["ip"]}:{port["port"]}/{protocol}'] = 'load-balancer'
                    frontends[f'0.0.0.0:{port["nodePort"]}/{protocol}'] = 'node-port'
                services[f'soak/s{number}:{port["name"]}'] = {
                    'frontends': frontends,
                    'endpoints': self.sets(self.endpoints(number, port)),
                    'internal': spec.get('internalTrafficPolicy') == 'Local',
                    'external': spec.get('externalTrafficPolicy') == 'Local',
                }
        return services


def main():
    url, events, per_round, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    random.seed(seed)
    cluster, done = Cluster(url), 0
    while done < events and sys.stdin.readline():
        for _ in range(per_round):
            cluster.step()
        cluster.send()
        done += per_round
        print(json.dumps(cluster.model(), sort_keys=True), flush=True)


main()
