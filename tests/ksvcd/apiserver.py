#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A small Kubernetes API server for tests: list and watch, and faults on request.

    apiserver.py --listen ADDR:PORT [--control ADDR:PORT] [--tls CERT KEY CA] [--token T]...
                 [--basic USER:PASSWORD] [--load FILE]... [--generate SERVICES:ENDPOINTS]
                 [--history N] [--bookmark SECONDS] [--no-watchlist] [--version N]

Port 0 takes any free port; what it listens on is printed first, as one line of
JSON: {"listen": "127.0.0.1:6443", "control": "127.0.0.1:6444"}. It ends on
SIGTERM and SIGINT, and with --parent when its standard input is closed.

Served are /api/v1/{services,nodes}, /apis/discovery.k8s.io/v1/endpointslices and
/apis/networking.k8s.io/v1/servicecidrs, all namespaces, one namespace or one
object: lists with limit and continue, watches with resourceVersion, timeoutSeconds,
allowWatchBookmarks and sendInitialEvents, both with labelSelector (KEY, !KEY, =, ==,
!=, in, notin) and fieldSelector (metadata.name, metadata.namespace, spec.clusterIP). A watch from a
version older than the history gets 410, one from a future version is silent.

With --tls, a client is let in by a certificate that CA signed; with --token or
--basic by these. Without any of the three, everybody is.

Control: on its own port without TLS and credentials; without --control at /control/
of the first one, with neither checked. Bodies and answers are JSON.

  POST /control/put        an object, a List, an array or several values in a row; "sent" of the answer
                           is when the last event of all went to a watch, in ns (CLOCK_MONOTONIC)
  POST /control/delete     the same; only kind, namespace and name count
  POST /control/generate   {"services": 20000, "endpoints": 50}: Services "s0"... and slices
  POST /control/churn      {"rate": 1000, "seconds": 5, "endpoints": 3}: changes of slices
                           "churn-N", at that rate; annotation ksvc.test/sent holds the
                           moment in ns (CLOCK_REALTIME). Returns at once.
  POST /control/wipe       {"version": 1}: an empty store that counts from there; the
                           watches stay open and silent, as with a restored etcd
  POST /control/compact    forgets the history: older versions are gone
  POST /control/expire     forgets the snapshots of lists: continue tokens are gone
  POST /control/tokens     {"tokens": ["a"]}: from now on these count
  POST /control/peers      {"peers": ["a"]}: of client certificates, from now on those with these names
  POST /control/set        {"watchlist": true|false|"ignore"|"old", "gone": "status"|"event",
                           "bookmark": SECONDS, "timeouts": true, "not_served": ["servicecidrs"],
                           "by_cluster_ip": false}: an older server does not select by it;
                           watchlist false answers 422, "old" 400, "ignore" watches as if it
                           had not been asked; timeouts false lets watches last for ever
  POST /control/events     the Events that were posted
  POST /control/fault      what later requests meet: {"fault": F, "resource": "services"|"*",
                           "on": "list"|"watch"|"any", "count": N (default 1; 0: for ever)}
                           with F one of
        status             {"code": 429, "retryAfter": "2", "message": TEXT}
        none               nothing: lets one request pass
        hang               takes the request and never answers
        loris              answers a byte each {"interval": 1} seconds, headers included
        garbage            200 and {"text": TEXT} as the body, complete
        large              200 and {"bytes": N} of one JSON string
        cut                200, then closed in the middle of a chunk
        reset              closed without any answer
        headers            headers without end
        endless            200 and a line without end
        silent             200, and a watch on which nothing ever comes
        continue           a list whose every page has a next one
  POST /control/clear      no more faults
  POST /control/streams    to the watches now open: {"do": D, "resource": ...} with D one of
        end                ended in order
        cut-chunk          closed in the middle of a chunk
        cut-line           closed in the middle of a line, the chunks in order
        reset              closed by RST
        silence            nothing is sent any more, not even an end (half-open)
        gone               an ERROR event with code 410, then the end
        error              an ERROR event with {"code": 500}, then the end
        bookmark           a bookmark now, with {"version": V} if given
        raw                {"text": TEXT} or {"base64": B} as one chunk
        half               the same, but {"rest": SECONDS} later a second half
        endless            a line without end
        loris              a byte of a line each {"interval": 1} seconds
  POST /control/down       no new connections, all closed; POST /control/up: as before
  POST /control/reset      as at the beginning, but with an empty store; closes all connections
  GET  /control/state      {"version", "objects", "watches": {resource: n}, "requests": n,
                           "streams": total bytes not yet sent}
  GET  /control/requests   [{"path", "query", "status", "auth", "peer"}], the last 10000
  POST /control/forget     forgets these requests
"""
import argparse
import asyncio
import base64
import collections
import json
import re
import signal
import socket
import ssl
import struct
import sys
import time
import urllib.parse

from apifaults import (REASONS, Closed, Faults, Refused, StreamFaults, Watcher, event_text,
                       status)
from apistore import (BY_KIND, RESOURCES, Selector, Store, api_version, dumps, generate,
                      slice_of, values_of)

MAX_BODY = 1 << 30


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.headers, self.body = method, headers, body
        url = urllib.parse.urlsplit(target)
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))


class Connection:
    def __init__(self, server, reader, writer, control_only):
        self.server, self.reader, self.writer = server, reader, writer
        self.control_only = control_only
        self.peer = None
        tls = writer.get_extra_info("ssl_object")
        if tls and tls.getpeercert():
            names = tls.getpeercert()["subject"]
            self.peer = "".join(v for part in names for k, v in part if k == "commonName")

    async def read_request(self):
        line = await self.reader.readline()
        if not line.strip():
            return None
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = {}
        while True:
            line = (await self.reader.readline()).decode("latin-1").rstrip("\r\n")
            if not line:
                break
            key, _, value = line.partition(":")
            headers[key.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        if length > MAX_BODY:
            return None
        return Request(method, target, headers, await self.reader.readexactly(length))

    def start(self, code, headers):
        lines = ["HTTP/1.1 %d %s" % (code, REASONS.get(code, "OK"))]
        lines += ["%s: %s" % h for h in headers.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def end(self):
        """Until the client closes the connection."""
        try:
            await self.reader.read()
        except OSError:
            pass

    def answer(self, code, body, **headers):
        if code == 204:
            body = b""
        self.start(code, {"Content-Type": "application/json", "Content-Length": len(body),
                          **{k.replace("_", "-"): v for k, v in headers.items()}})
        self.writer.write(body)

    def start_stream(self):
        self.start(200, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"})

    async def serve(self):
        try:
            while True:
                request = await self.read_request()
                if request is None:
                    break
                await self.one(request)
                await self.writer.drain()
                if request.headers.get("connection", "").lower() == "close":
                    break
        except (Closed, OSError, asyncio.IncompleteReadError, ValueError, ssl.SSLError):
            pass
        finally:
            self.writer.close()

    async def one(self, request):
        if request.path.startswith("/control/"):
            await self.server.control.one(self, request)
            return
        record = {"path": request.path, "query": request.query, "status": 200,
                  "auth": request.headers.get("authorization"), "peer": self.peer,
                  "host": request.headers.get("host")}
        self.server.requests.append(record)
        self.server.n_requests += 1
        try:
            if self.control_only:
                raise Refused(404, "only /control/ is served here")
            await self.server.api(self, request)
        except Refused as e:
            record["status"] = e.code
            headers = {"Retry_After": e.retry_after} if e.retry_after else {}
            self.answer(e.code, dumps(status(e.code, REASONS.get(e.code, ""), e.message)),
                        **headers)

    def reset(self):
        sock = self.writer.get_extra_info("socket")
        if sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Server(Faults):
    def __init__(self, args):
        self.args = args
        self.store = Store(args.version, args.history)
        self.begin()
        self.requests = collections.deque(maxlen=10000)
        self.n_requests = 0
        self.sent = 0
        self.connections = {}
        self.control = Control(self)
        self.listener = None

    def begin(self):
        args = self.args
        self.settings = {"watchlist": args.watchlist, "gone": "status", "timeouts": True,
                         "bookmark": args.bookmark, "not_served": [], "by_cluster_ip": True}
        self.tokens = set(args.token)
        self.peers = None           # any
        self.faults = []
        self.events = []

    def tls(self):
        if not self.args.tls:
            return None
        cert, key, ca = self.args.tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    async def connected(self, reader, writer, control_only=False):
        connection = Connection(self, reader, writer, control_only)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.transport.set_write_buffer_limits(high=1 << 20)
        task = asyncio.current_task()
        if not control_only:
            self.connections[task] = connection
        try:
            await connection.serve()
        finally:
            self.connections.pop(task, None)

    async def listen(self, address, tls=None, control_only=False):
        host, _, port = address.rpartition(":")
        return await asyncio.start_server(
            lambda r, w: self.connected(r, w, control_only), host.strip("[]"), int(port),
            ssl=tls, reuse_address=True, backlog=1024, limit=1 << 20)

    def authorize(self, connection, request):
        args = self.args
        auth = request.headers.get("authorization", "")
        if not (self.tokens or args.basic or args.tls):
            return
        if connection.peer and (self.peers is None or connection.peer in self.peers):
            return
        if auth.startswith("Bearer ") and auth[7:] in self.tokens:
            return
        if args.basic and auth == "Basic " + base64.b64encode(args.basic.encode()).decode():
            return
        raise Refused(401, "Unauthorized")

    def resolve(self, path):
        """Resource, namespace and name of a path."""
        for resource, (base, _, _) in RESOURCES.items():
            m = re.fullmatch(re.escape(base) + r"(?:/namespaces/([^/]+))?/" + resource +
                             r"(?:/([^/]+))?", path)
            if m and resource not in self.settings["not_served"]:
                return resource, *(urllib.parse.unquote(g) if g else None for g in m.groups())
        raise Refused(404, "the server could not find the requested resource")

    async def api(self, connection, request):
        if request.path in ("/healthz", "/livez", "/readyz", "/version"):
            connection.answer(200, b'{"major":"1","minor":"34","gitVersion":"v1.34.0"}')
            return
        self.authorize(connection, request)
        if request.method == "POST":
            await self.post(connection, request)
            return
        resource, namespace, name = self.resolve(request.path)
        query = request.query
        watch = query.get("watch") in ("true", "1")
        await self.meet_fault(connection, resource, "watch" if watch else "list")
        try:
            selector = Selector(query, namespace, name, self.settings["by_cluster_ip"])
        except ValueError as e:
            raise Refused(400, str(e)) from e
        if watch:
            await self.watch(connection, resource, selector, query)
        elif name:
            self.get(connection, resource, selector)
        else:
            self.list(connection, resource, selector, query)

    async def post(self, connection, request):
        """Events, and nothing else."""
        m = re.fullmatch(r"/apis/events\.k8s\.io/v1/namespaces/([^/]+)/events", request.path)
        if not m:
            raise Refused(404, "the server could not find the requested resource")
        await self.meet_fault(connection, "events", "any")
        event = json.loads(request.body)
        if event["metadata"]["namespace"] != m[1] or request.headers.get("content-type") != "application/json":
            raise Refused(400, "not as it should be")
        self.events.append(event)
        connection.answer(201, dumps(event))

    def selected(self, resource, selector):
        objects = self.store.objects[resource]
        return [objects[key] for key in sorted(objects) if selector.matches(objects[key])]

    def get(self, connection, resource, selector):
        found = self.selected(resource, selector)
        if not found:
            raise Refused(404, "not found")
        connection.answer(200, found[0].text)

    def list(self, connection, resource, selector, query):
        limit = int(query.get("limit") or 0)
        token = query.get("continue")
        version, entries = self.store.version, None
        if token:
            if token not in self.store.snapshots:
                raise Refused(410, "The provided continue parameter is too old")
            version, entries = self.store.snapshots.pop(token)
        else:
            entries = self.selected(resource, selector)
        meta = {"resourceVersion": str(version)}
        if limit and len(entries) > limit:
            now = self.store.version
            self.store.version = version
            meta["continue"] = self.store.snapshot(entries[limit:])
            self.store.version = now
            meta["remainingItemCount"] = len(entries) - limit
            entries = entries[:limit]
        connection.answer(
            200, b'{"kind":"%sList","apiVersion":"%s","metadata":%s,"items":[%s]}\n' % (
                RESOURCES[resource][1].encode(), api_version(resource).encode(), dumps(meta),
                b",".join(e.item for e in entries)))

    def watch_start(self, query):
        """Whether the watch begins with a list, and after which version it goes on."""
        stream = query.get("sendInitialEvents") == "true"
        mode = self.settings["watchlist"]
        if stream and mode in (False, "old"):
            raise Refused(422 if mode is False else 400, "sendInitialEvents is forbidden for "
                          "watch unless the WatchList feature gate is enabled")
        version = query.get("resourceVersion", "")
        try:
            after = int(version or 0)
        except ValueError as e:
            raise Refused(400, "Invalid value: " + version) from e
        return stream and mode is True, stream or not after, after

    async def watch(self, connection, resource, selector, query):
        marked, initial, after = self.watch_start(query)
        store = self.store
        watcher = Watcher(self, connection, resource, selector, query)
        gone = not initial and after < store.oldest[resource]
        message = "too old resource version: %d (%d)" % (after, store.oldest[resource])
        if gone and self.settings["gone"] == "status":
            raise Refused(410, message)
        connection.start_stream()
        if gone:
            watcher.finish(event_text(b"ERROR", dumps(status(410, "Expired", message))) +
                           b"0\r\n\r\n")
            return
        if initial:
            watcher.after = store.version
            for entry in self.selected(resource, selector):
                watcher.send(event_text(b"ADDED", entry.text))
            if marked:
                watcher.bookmark(end=True)
        else:
            watcher.after = after
            for event in store.history[resource]:
                watcher.event(*event)
            watcher.after = max(after, store.version)
            if after > store.version:
                watcher.muted = True
        await self.follow(watcher, query)

    async def follow(self, watcher, query):
        timeout = float(query.get("timeoutSeconds") or 1800)
        end = time.monotonic() + timeout
        watchers = self.store.watchers[watcher.resource]
        watchers.add(watcher)
        closed = asyncio.ensure_future(watcher.connection.end())
        try:
            while not watcher.done.done():
                left = end - time.monotonic()
                if left <= 0 and self.settings["timeouts"] and not watcher.muted:
                    watcher.finish()
                    break
                pause = self.settings["bookmark"] or 3600
                wait = min(pause, left if left > 0 else 3600)
                await asyncio.wait([closed, watcher.done], timeout=wait,
                                   return_when=asyncio.FIRST_COMPLETED)
                if closed.done():
                    raise Closed
                if not watcher.done.done() and wait == pause and watcher.bookmarks:
                    watcher.bookmark()
        finally:
            watchers.discard(watcher)
            if not closed.done():
                closed.cancel()
                await asyncio.wait([closed])
        if watcher.muted:
            raise Closed


class Control(StreamFaults):
    def __init__(self, server):
        self.server = server
        self.tasks = set()

    async def one(self, connection, request):
        name = "do_" + request.path[len("/control/"):].replace("-", "_")
        method = getattr(self, name, None)
        if method is None:
            connection.answer(404, dumps({"error": "no such path"}))
            return
        try:
            text = request.body.decode("utf-8", "surrogateescape")
            if name in ("do_put", "do_delete"):
                result = method(list(values_of(text)))
            else:
                result = method(json.loads(text) if text.strip() else {})
            if asyncio.iscoroutine(result):
                result = await result
            connection.answer(200, dumps({} if result is None else result))
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            connection.answer(400, dumps({"error": repr(e)}))

    def spawn(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def do_events(self, _):
        return self.server.events

    def do_put(self, objects):
        for obj in objects:
            self.server.store.put(obj)
        return {"version": self.server.store.version, "put": len(objects),
                "sent": self.server.sent}

    def do_delete(self, objects):
        n = sum(self.server.store.delete(obj) for obj in objects)
        return {"version": self.server.store.version, "deleted": n}

    def do_generate(self, what):
        generate(self.server.store, what["services"], what.get("endpoints", 3))
        return {"version": self.server.store.version}

    def do_churn(self, what):
        self.spawn(self.churn(what.get("rate", 100), what.get("seconds", 1),
                              what.get("endpoints", 3), what.get("slices", 100)))

    async def churn(self, rate, seconds, endpoints, slices):
        start = time.monotonic()
        total = int(rate * seconds)
        n = 0
        while n < total:
            now = min(total, int((time.monotonic() - start) * rate) + 1)
            for i in range(n, now):
                obj = slice_of("churn-%d" % (i % slices), "churn-%d" % (i % slices), endpoints,
                               i * endpoints)
                obj["metadata"]["annotations"] = {"ksvc.test/sent": str(time.time_ns())}
                self.server.store.put(obj)
            n = now
            await asyncio.sleep(max(0, start + n / rate - time.monotonic()))

    def do_wipe(self, what):
        store = self.server.store
        for watchers in store.watchers.values():
            for watcher in watchers:
                watcher.muted = True
        store.reset(what.get("version", 1))

    def do_reset(self, _):
        self.server.begin()
        self.server.requests.clear()
        self.server.store.reset(self.server.args.version)
        for connection in list(self.server.connections.values()):
            connection.writer.transport.abort()

    def do_compact(self, _):
        self.server.store.compact()

    def do_expire(self, _):
        self.server.store.snapshots.clear()

    def do_tokens(self, what):
        self.server.tokens = set(what["tokens"])

    def do_peers(self, what):
        self.server.peers = set(what["peers"])

    def do_set(self, what):
        unknown = set(what) - set(self.server.settings)
        if unknown:
            raise ValueError("unknown: %s" % unknown)
        self.server.settings.update(what)

    def do_fault(self, what):
        getattr(self.server, "fault_" + what["fault"])
        self.server.faults.append(what)

    def do_clear(self, _):
        self.server.faults.clear()

    def do_streams(self, what):
        resource = what.get("resource", "*")
        method = getattr(self, "stream_" + what["do"].replace("-", "_"))
        n = 0
        for name, watchers in self.server.store.watchers.items():
            for watcher in list(watchers) if resource in ("*", name) else []:
                if watcher.open():
                    method(watcher, what)
                    n += 1
        return {"streams": n}

    async def do_down(self, _):
        server = self.server
        server.listener.close()
        for connection in list(server.connections.values()):
            connection.writer.transport.abort()

    async def do_up(self, _):
        server = self.server
        server.listener = await server.listen(server.address, server.tls())

    def do_state(self, _):
        store = self.server.store
        return {"version": store.version,
                "objects": {name: len(o) for name, o in store.objects.items()},
                "watches": {name: sum(w.open() for w in watchers)
                            for name, watchers in store.watchers.items()},
                "requests": self.server.n_requests, "faults": len(self.server.faults),
                "streams": sum(w.connection.writer.transport.get_write_buffer_size()
                               for ws in store.watchers.values() for w in ws)}

    def do_requests(self, _):
        return list(self.server.requests)

    def do_forget(self, _):
        self.server.requests.clear()


def where(listener):
    address = listener.sockets[0].getsockname()
    return "%s:%d" % ("[%s]" % address[0] if ":" in address[0] else address[0], address[1])


def fill(store, args):
    for path in args.load:
        with open(path, encoding="utf-8", errors="surrogateescape") as f:
            for obj in values_of(f.read()):
                if obj.get("kind") in BY_KIND:
                    store.put(obj)
    if args.generate:
        services, _, endpoints = args.generate.partition(":")
        generate(store, int(services), int(endpoints or 3))


async def run(args):
    loop = asyncio.get_running_loop()
    stop = loop.create_future()

    def end():
        if not stop.done():
            stop.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    if args.parent:
        loop.add_reader(0, end)
    server = Server(args)
    fill(server.store, args)
    server.listener = await server.listen(args.listen, server.tls())
    server.address = where(server.listener)
    control = server.address
    if args.control:
        control = where(await server.listen(args.control, control_only=True))
    print(json.dumps({"listen": server.address, "control": control}), flush=True)
    await stop


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--control")
    parser.add_argument("--tls", nargs=3, metavar=("CERT", "KEY", "CA"))
    parser.add_argument("--token", action="append", default=[])
    parser.add_argument("--basic")
    parser.add_argument("--load", action="append", default=[])
    parser.add_argument("--generate", metavar="SERVICES:ENDPOINTS")
    parser.add_argument("--history", type=int, default=20000)
    parser.add_argument("--bookmark", type=float, default=60)
    parser.add_argument("--version", type=int, default=1000)
    parser.add_argument("--no-watchlist", dest="watchlist", action="store_false")
    parser.add_argument("--parent", action="store_true")
    try:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(run(parser.parse_args()))
    except (OSError, ValueError) as e:
        sys.exit("apiserver.py: %s" % e)


if __name__ == "__main__":
    main()
