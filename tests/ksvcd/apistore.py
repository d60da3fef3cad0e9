# SPDX-License-Identifier: GPL-2.0
"""The objects of the test API server, their history and their selection."""
import base64
import collections
import json
import re
import time

RESOURCES = {
    "services": ("/api/v1", "Service", True),
    "nodes": ("/api/v1", "Node", False),
    "endpointslices": ("/apis/discovery.k8s.io/v1", "EndpointSlice", True),
    "servicecidrs": ("/apis/networking.k8s.io/v1", "ServiceCIDR", False),
}
BY_KIND = {kind: name for name, (_, kind, _) in RESOURCES.items()}
MAX_SNAPSHOTS = 16


def api_version(resource):
    return RESOURCES[resource][0].split("/", 2)[2]


def dumps(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogateescape")


def values_of(text):
    """The values of a text one after the other, Lists taken apart."""
    decoder = json.JSONDecoder()
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return
        value, at = decoder.raw_decode(text, at)
        items = value if isinstance(value, list) else value.get("items")
        if items is None:
            items = [value]
        for item in items:
            if "kind" not in item and str(value.get("kind", "")).endswith("List"):
                item["kind"] = value["kind"][:-4]
            yield item


def split_selector(text):
    return [t for t in re.split(r",(?![^(]*\))", text) if t]


def requirement(text):
    """A function of the labels."""
    m = re.fullmatch(r"\s*(\S+)\s+(in|notin)\s*\(([^)]*)\)\s*", text)
    if m:
        key, values = m[1], {v.strip() for v in m[3].split(",")}
        if m[2] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    m = re.fullmatch(r"\s*([^!=\s]+)\s*(!=|==|=)\s*([^!=\s]*)\s*", text)
    if m:
        key, value = m[1], m[3]
        if m[2] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    key = text.strip()
    if key.startswith("!"):
        return lambda labels: key[1:] not in labels
    return lambda labels: key in labels


class Selector:
    def __init__(self, query, namespace, name, by_cluster_ip):
        self.labels = [requirement(t) for t in split_selector(query.get("labelSelector", ""))]
        self.namespace, self.name, self.cluster_ip = namespace, name, lambda ip: True
        for text in split_selector(query.get("fieldSelector", "")):
            key, _, value = text.replace("==", "=").partition("=")
            if key == "metadata.name":
                self.name = value
            elif key == "metadata.namespace":
                self.namespace = value
            elif key.rstrip("!") == "spec.clusterIP" and by_cluster_ip:
                self.cluster_ip = value.__ne__ if key[-1] == "!" else value.__eq__
            else:
                raise ValueError("field label not supported: " + key.rstrip("!"))

    def matches(self, entry):
        meta = entry.meta
        if not self.cluster_ip(entry.cluster_ip):
            return False
        if self.name is not None and meta.get("name") != self.name:
            return False
        if self.namespace is not None and meta.get("namespace") != self.namespace:
            return False
        labels = meta.get("labels") or {}
        return all(wanted(labels) for wanted in self.labels)


def members(obj):
    """All but what each object has, as JSON without its braces."""
    return dumps({k: v for k, v in obj.items() if k not in ("kind", "apiVersion", "metadata")})[1:-1]


def cluster_ip_of(obj):
    spec = obj.get("spec")
    return spec.get("clusterIP", "") if isinstance(spec, dict) else ""


class Entry:
    """An object as it is now. As JSON: a quarter of a million endpoints would need half a gigabyte otherwise."""
    __slots__ = ("kind", "meta", "rest", "version", "cluster_ip")

    def __init__(self, kind, meta, rest, version, cluster_ip):
        """rest: see members()."""
        self.cluster_ip = cluster_ip
        self.kind, self.version, self.rest = kind, version, rest
        self.meta = dict(meta, resourceVersion=str(version))

    @property
    def item(self):
        """As lists have it."""
        return b'{"metadata":%s%s}' % (dumps(self.meta), b"," + self.rest if self.rest else b"")

    @property
    def text(self):
        """As watches have it."""
        head = dumps({"kind": self.kind, "apiVersion": api_version(BY_KIND[self.kind])})
        return head[:-1] + b"," + self.item[1:]

    def at(self, version):
        return Entry(self.kind, self.meta, self.rest, version, self.cluster_ip)


class Store:
    def __init__(self, version, history):
        self.history_size = history
        self.watchers = {name: set() for name in RESOURCES}
        self.reset(version)

    def reset(self, version):
        self.version = version
        self.objects = {name: {} for name in RESOURCES}
        self.history = {name: collections.deque(maxlen=self.history_size) for name in RESOURCES}
        self.oldest = {name: version for name in RESOURCES}
        self.snapshots = collections.OrderedDict()

    def key(self, obj):
        resource = BY_KIND.get(obj.get("kind"))
        if resource is None:
            raise ValueError("kind %r is not served" % obj.get("kind"))
        meta = obj.setdefault("metadata", {})
        if RESOURCES[resource][2]:
            meta.setdefault("namespace", "default")
        return resource, (meta.get("namespace", ""), meta.get("name", ""))

    def put(self, obj, rest=None):
        """rest: members(obj), if they are not in obj."""
        resource, key = self.key(obj)
        objects = self.objects[resource]
        old = objects.get(key)
        self.version += 1
        meta = dict(obj["metadata"])
        meta.setdefault("uid", old.meta["uid"] if old else
                        "00000000-0000-4000-8000-%012x" % self.version)
        if rest is None:
            rest = members(obj)
        entry = objects[key] = Entry(obj["kind"], meta, rest, self.version, cluster_ip_of(obj))
        self.publish(resource, entry, old)

    def delete(self, obj):
        resource, key = self.key(obj)
        old = self.objects[resource].pop(key, None)
        if old is None:
            return False
        self.version += 1
        self.publish(resource, None, old.at(self.version))
        return True

    def publish(self, resource, new, old):
        history = self.history[resource]
        event = (self.version, new, old, {})
        if len(history) == history.maxlen and history:
            self.oldest[resource] = history[0][0]
        history.append(event)
        for watcher in list(self.watchers[resource]):
            watcher.event(*event)

    def compact(self):
        for name in RESOURCES:
            self.history[name].clear()
            self.oldest[name] = self.version

    def snapshot(self, entries):
        token = base64.urlsafe_b64encode(
            dumps({"v": self.version, "n": len(self.snapshots), "t": time.time_ns()})).decode()
        self.snapshots[token] = (self.version, entries)
        while len(self.snapshots) > MAX_SNAPSHOTS:
            self.snapshots.popitem(last=False)
        return token


def slice_of(name, service, endpoints, first=0):
    return {"kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": "default",
                         "labels": {"kubernetes.io/service-name": service}},
            "endpoints": [{"addresses": ["10.%d.%d.%d" % ((n >> 16) % 200 + 1, n >> 8 & 255,
                                                          n & 255)],
                           "conditions": {"ready": True}}
                          for n in range(first, first + endpoints)],
            "ports": [{"name": "p", "port": 8080, "protocol": "TCP"}]}


# As large as the controller's.
ENDPOINT = (
    '{"addresses":["10.%d.%d.%d"],"conditions":{"ready":true,"serving":true,"terminating":false},'
    '"nodeName":"node-%d","targetRef":{"kind":"Pod","namespace":"default","name":"s%d-7c5ddbdf54-%d",'
    '"uid":"5f8e12d2-1b0e-4b1b-9c0e-%012d"},"zone":"zone-a"}')


def generated_slice(service, endpoints, first):
    return ('"addressType":"IPv4","endpoints":[%s],"ports":[{"name":"p","port":8080,"protocol":"TCP"}]' % ",".join(
        ENDPOINT % ((n >> 16) % 200 + 1, n >> 8 & 255, n & 255, n % 1000, service, n, n)
        for n in range(first, first + endpoints))).encode()


def generate(store, services, endpoints):
    """So many Services with so many endpoints each."""
    for i in range(services):
        name, address = "s%d" % i, "10.%d.%d.%d" % (240 + (i >> 16), i >> 8 & 255, i & 255)
        store.put({"kind": "Service", "metadata": {"name": name, "namespace": "default"},
                   "spec": {"type": "ClusterIP", "sessionAffinity": "None",
                            "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"],
                            "ports": [{"name": "p", "port": 80, "targetPort": 8080, "protocol": "TCP"}]}})
        for part in range(0, endpoints, 100):
            store.put({"kind": "EndpointSlice",
                       "metadata": {"name": "%s-%d" % (name, part // 100), "namespace": "default",
                                    "labels": {"kubernetes.io/service-name": name}}},
                      generated_slice(i, min(100, endpoints - part), i * endpoints + part))
