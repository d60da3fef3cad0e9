# SPDX-License-Identifier: GPL-2.0
"""The product as a daemon: ksvcd follows a directory into which the objects of a case are put."""
import json
import os
import subprocess
import tempfile
import time

import ctnetlink
from case import apply_arguments
from world import Trouble, run

SLOW = int(os.environ.get('KSVC_SLOW', '1'))
PATIENCE = 30 * SLOW
EVERYWHERE = ['0.0.0.0/0', '::/0']


def flags(node, wanted):
    """What ksvcd has to be told to set what is wanted."""
    result = apply_arguments(node)
    for pods in wanted['pod-interface']:
        if pods.endswith('*'):
            result += ['--detect-local-mode', 'InterfaceNamePrefix', '--pod-interface-name-prefix', pods[:-1]]
        else:
            result += ['--detect-local-mode', 'BridgeInterface', '--pod-bridge-interface', pods]
    if wanted['cluster-cidr']:
        result += ['--cluster-cidr', ','.join(wanted['cluster-cidr'])]
    result += ['--nodeport-addresses', ','.join(wanted['nodeport-addresses'] or EVERYWHERE)]
    if wanted['masquerade-all'] == ['on']:
        result.append('--masquerade-all')
    return ['--hostname-override' if word == '--node-name' else word for word in result]


class Watcher:
    """In the place of main.Ksvc."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.manifests = os.path.join(self.directory.name, 'manifests')
        os.mkdir(self.manifests)
        self.wanted, self.arguments, self.process, self.number = {}, None, None, 0

    def set(self, wanted):
        self.wanted = wanted

    def start(self, arguments):
        if self.process:
            return
        self.arguments = arguments
        self.process = subprocess.Popen(
            ['ksvcd', '--manifests', self.manifests, '--state', os.path.join(self.directory.name, 'state', 'saved'),
             '--conntrack-max-per-core', '0', '--conntrack-tcp-timeout-established', '0',
             '--conntrack-tcp-timeout-close-wait', '0', '--log-level', 'error', *arguments])

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.process = None

    def write(self, items):
        path = os.path.join(self.directory.name, 'new')
        with open(path, 'w', encoding='utf-8') as file:
            json.dump({'apiVersion': 'v1', 'kind': 'List', 'items': items}, file)
        os.rename(path, os.path.join(self.manifests, 'objects.json'))

    def marker(self):
        """What is in force together with it, is all of the file."""
        return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'namespace': 'conformance', 'name': f'm{self.number}'},
                'spec': {'clusterIP': '203.0.113.254', 'ports': [{'port': 1 + self.number % 65535}]}}

    def apply(self, step, timers):
        self.number += 1
        items = json.loads(step.to_apply(timers))['items']
        cidrs = self.wanted['service-cidr']
        if cidrs:
            items.append({'apiVersion': 'networking.k8s.io/v1', 'kind': 'ServiceCIDR',
                          'metadata': {'name': 'kubernetes'}, 'spec': {'cidrs': cidrs}})
        arguments = flags(step.node, self.wanted)
        if arguments != self.arguments:
            # One with other flags must not see them.
            self.stop()
        self.write(items + [self.marker()])
        self.start(arguments)
        deadline = time.monotonic() + PATIENCE
        while not self.is_in_force():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise Trouble('ksvcd does not put the objects in force')
            time.sleep(0.02)

    def is_in_force(self):
        return not subprocess.run(['ksvcctl', '--json', 'show', f'conformance/m{self.number}'], capture_output=True,
                                  check=False).returncode

    @staticmethod
    def flush():
        run('ksvcctl', 'flush')
        ctnetlink.flush()
