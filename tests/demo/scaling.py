# SPDX-License-Identifier: GPL-2.0
"""A deployment that is scaled up and down under load: its pods start, get ready, drain and end, and the slice of its
Service tells so, as the controllers of Kubernetes do it."""
import copy
import json
import time

import control
from cluster import CART, CLIENT, POD_PORT, ksvcctl, node1, node2
from pods import Connection, Load, answers, end, http_server, spawn, wait_until

NAME = 'default/cart:http'
VIP = '10.96.0.50'
WINDOW = 30     # connections, at least, between two updates
TOO_MANY = 1000
READY, DRAINING = 'ready', 'draining'

pods = {p.name: p for p in CART}


def milliseconds(value, decimals=1):
    return f'{value:6.{decimals if value < 100 else 0}f}'


class Deployment:
    def __init__(self):
        with open('cart.json', encoding='utf-8') as f:
            self.service, self.slice = json.load(f)['items']
        self.template, = self.slice['endpoints']
        self.state = {}
        self.servers = {}

    def start(self, names):
        """Servers that answer; whether they are ready is for the slice to say."""
        for name in names:
            self.servers[name] = spawn(name, http_server, pods[name])
        for name in names:
            p = pods[name]
            wait_until(f'{p.node.name} reaches {name}', lambda p=p: answers(p.node.name, p.ip[4], POD_PORT, p.name))
            self.state[name] = READY

    def drain(self, names):
        for name in names:
            self.state[name] = DRAINING

    def stop(self, names):
        end([self.servers.pop(name) for name in names])
        for name in names:
            del self.state[name]

    def ready(self):
        return [name for name, state in self.state.items() if state == READY]

    def endpoint(self, name, state):
        e = copy.deepcopy(self.template)
        e['addresses'] = [pods[name].ip[4]]
        e['nodeName'] = pods[name].node.name
        e['targetRef'].update(name=name, uid=e['targetRef']['uid'][:-1] + name[-1])
        e['conditions'] = {'ready': state == READY, 'serving': True, 'terminating': state == DRAINING}
        return e

    def updated(self):
        """The slice as it is now."""
        meta = self.slice['metadata']
        meta['generation'] += 1
        meta['annotations']['endpoints.kubernetes.io/last-change-trigger-time'] = time.strftime('%FT%TZ', time.gmtime())
        self.slice['endpoints'] = [self.endpoint(*item) for item in self.state.items()]
        return self.slice


class Scaling:
    """The deployment, its clients, and the lines on the page about them."""
    def __init__(self, page):
        self.page = page
        self.deployment = Deployment()
        self.answers = dict.fromkeys(pods, 0)
        self.held = {}
        self.changes, self.reactions = [], []
        self.total = self.failed = self.during = 0
        self.load = self.results = self.begin = None

    def heading(self):
        page = self.page
        page.line(f'   {"":25}{"milliseconds":>18}{"":6}   new connections answered by cart-')
        page.line(f'   {"s":>5}  {"event":18}{"node1":>6}{"node2":>6}{"ksvcd":>6}{"ready":>6}' +
                  ''.join(f'{i:4}' for i in range(len(CART))) + f'{"fail":>6}{"held":>6}')

    def reaction(self):
        m = control.metrics(node1)
        return m['ksvc_reaction_seconds_sum'], m['ksvc_reaction_seconds_count']

    def update(self, says, *objects):
        """Puts the objects and the slice, and shows what comes of it."""
        page, d = self.page, self.deployment
        seconds, count = self.reaction()
        change = control.Change(json.dumps([*objects, d.updated()]), NAME, len(d.state))
        now_seconds, now_count = self.reaction()
        # A new Service and its slice may come to the daemon one after the other.
        page.check(now_count - count == 1 or objects and now_count - count == 2,
                   f'ksvcd on node1 reacted once to "{says}": {now_count - count:.0f} times')
        self.reactions.append((now_seconds - seconds) / max(1, now_count - count) * 1000)
        self.changes.append(change)
        if not self.load:
            self.begin = change.sent
            self.load = Load(1, CLIENT, VIP, 80)
            self.results = iter(self.load)
        counts, failed = self.watch(change, says)
        self.hold()
        self.row(says, change, counts, failed)

    def note(self, result):
        """Whether a pod answered."""
        self.total += 1
        if result not in self.answers:
            self.failed += 1
            return False
        self.answers[result] += 1
        return True

    def watch(self, change, says):
        """Until there are enough connections made after the change, and one at each pod that is ready."""
        ready = self.deployment.ready()
        counts, failed, astray = dict.fromkeys(ready, 0), [], []
        while sum(counts.values()) < WINDOW or not all(counts.values()):
            begin, result = next(self.results)
            if not self.note(result):
                failed.append(result)
            elif begin < change.seen[node1.name]:
                self.during += begin >= change.sent
            elif result in counts:
                counts[result] += 1
            else:
                astray.append(result)
            if sum(counts.values()) + len(failed) + len(astray) > TOO_MANY:
                raise RuntimeError(f'"{says}": connections went to {counts} and {astray}; {failed[:1]}')
        self.page.check(not astray, f'"{says}": pods that are not ready get no new connection: {astray}')
        self.page.check(not failed, f'"{says}": no connection failed: {failed}')
        return counts, failed

    def hold(self):
        """A connection to each pod that is ready, which stays open."""
        wanted = set(self.deployment.ready()) - set(self.held)
        for _ in range(TOO_MANY):
            if not wanted:
                return
            connection = Connection(CLIENT.name, VIP, 80)
            pod = connection.get().pod
            self.note(pod)
            if pod in wanted:
                wanted.remove(pod)
                self.held[pod] = connection
            else:
                connection.close()
        raise RuntimeError(f'of {TOO_MANY} connections none went to {wanted}')

    def goes_on(self, pod):
        try:
            return self.held[pod].get().pod == pod
        except OSError:
            return False

    def row(self, says, change, counts, failed):
        page, d = self.page, self.deployment
        alive = sum(self.goes_on(pod) for pod in self.held)
        page.check(alive == len(self.held) == len(d.state), f'"{says}": {alive} of {len(self.held)} held go on')
        cells = ''
        for name in pods:
            cells += f'{counts[name]:4}' if name in counts else f'{"~" if name in d.state else "":>4}'
        page.line(f'   {(change.sent - self.begin) / 1e9:5.1f}  {says:18}' +
                  milliseconds(change.ms(node1)) + milliseconds(change.ms(node2)) +
                  milliseconds(self.reactions[-1], 2) +
                  f'{len(counts):6}{cells}{len(failed):6}{alive:4}/{len(self.held)}')

    def compare(self, names):
        """The kernel's counters of the pods, which nobody connects to just now, with what they answered."""
        service, = json.loads(ksvcctl(node1, 'stats', NAME, '--json'))['services']
        counted = {e['address']: e['connections'] for e in service['endpoints']}
        for name in names:
            n = counted.get(f'{pods[name].ip[4]}:{POD_PORT}')
            self.page.check(n == self.answers[name], f'the kernel counted {n} for {name}: {self.answers[name]}')

    def run(self):
        d = self.deployment
        self.heading()
        d.start(['cart-0', 'cart-1'])
        self.update('2 replicas', d.service)
        for name in 'cart-2', 'cart-3', 'cart-4', 'cart-5':
            d.start([name])
            self.update(f'→ 6: {name} ready')
        drained = ['cart-1', 'cart-2', 'cart-3', 'cart-4', 'cart-5']
        d.drain(drained)
        self.update('→ 1: 1 to 5 drain')
        for name in 'cart-6', 'cart-7', 'cart-8':
            d.start([name])
            self.update(f'→ 4: {name} ready')
        self.compare(drained)
        for name in drained:
            self.held.pop(name).close()
        d.stop(drained)
        self.update('1 to 5 have ended')
        self.load.stop()
        for _, result in self.results:
            self.note(result)
        self.compare(d.ready())
        self.summary()

    def summary(self):
        page, n = self.page, len(self.changes)
        total, reactions = sorted(c.ms(node1) for c in self.changes), sorted(self.reactions)
        page.check(self.failed == 0, f'no connection failed: {self.failed}')
        page.line('   node1, node2: from the put at the API server to the line of ksvcctl monitor there.')
        page.line('   ksvcd: from the event on its socket to the kernel, node1\'s metric ksvc_reaction_seconds.')
        page.line('   ~: drains, gets no new connections and keeps its own. held: one to each pod, used at each line.')
        page.line(f'   {n} updates of the slice, {self.total} connections, {self.failed} failed; {self.during} began '
                  'between a put and its effect.')
        page.line(f'   Median from put to kernel {total[n // 2]:.1f} ms, most {total[-1]:.1f} ms; '
                  f'in ksvcd {reactions[n // 2]:.2f} ms, most {reactions[-1]:.2f} ms;')
        page.line('   on emulated processors, with the load.')
        for connection in self.held.values():
            connection.close()
