# SPDX-License-Identifier: GPL-2.0
"""What the test API server does wrong when it is told to, and the words it is told in."""
import asyncio
import base64
import time

from apistore import RESOURCES, api_version, dumps

MAX_BACKLOG = 256 << 20


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event_text(kind, text):
    return chunk(b'{"type":"%s","object":%s}\n' % (kind, text))


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code}


REASONS = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound",
           410: "Expired", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError",
           503: "ServiceUnavailable"}


class Refused(Exception):
    def __init__(self, code, message, retry_after=None):
        self.code, self.message, self.retry_after = code, message, retry_after


class Closed(Exception):
    """The connection has been dealt with and is to be closed."""


class Watcher:
    """One open watch. Events go to its transport at once."""

    def __init__(self, server, connection, resource, selector, query):
        self.server, self.connection, self.resource = server, connection, resource
        self.selector = selector
        self.bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
        self.after = 0
        self.muted = False
        self.done = asyncio.get_running_loop().create_future()

    def open(self):
        return not self.done.done() and not self.connection.writer.transport.is_closing()

    def send(self, data):
        transport = self.connection.writer.transport
        if self.muted or not self.open():
            return
        if transport.get_write_buffer_size() > MAX_BACKLOG:
            transport.abort()
            return
        self.server.sent = time.monotonic_ns()
        transport.write(data)

    def event(self, version, new, old, texts):
        """texts is shared by all watchers of the event."""
        if version <= self.after:
            return
        was = old is not None and self.selector.matches(old)
        now = new is not None and self.selector.matches(new)
        if not was and not now:
            return
        kind = b"MODIFIED" if was and now else b"ADDED" if now else b"DELETED"
        if kind not in texts:
            if kind != b"DELETED" or new is None:
                texts[kind] = event_text(kind, (new or old).text)
            else:
                texts[kind] = event_text(kind, old.at(version).text)
        self.send(texts[kind])

    def bookmark(self, version=None, end=False):
        meta = {"resourceVersion": str(version or self.server.store.version),
                "creationTimestamp": None}
        if end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        self.send(event_text(b"BOOKMARK", dumps(
            {"kind": RESOURCES[self.resource][1], "apiVersion": api_version(self.resource),
             "metadata": meta})))

    def finish(self, data=b"0\r\n\r\n"):
        """In order, by default."""
        if data:
            self.send(data)
        if not self.done.done():
            self.done.set_result(None)


async def trickle(connection, data, interval):
    for i in range(len(data)):
        connection.writer.write(data[i:i + 1])
        await connection.writer.drain()
        await asyncio.sleep(interval)


class Faults:
    """Of requests to come; for Server."""

    async def meet_fault(self, connection, resource, verb):
        for fault in self.faults:
            if (fault.get("resource", "*") in ("*", resource) and
                    fault.get("on", "any") in ("any", verb)):
                break
        else:
            return
        if fault.get("count", 1):
            fault["count"] = fault.get("count", 1) - 1
            if not fault["count"]:
                self.faults.remove(fault)
        await getattr(self, "fault_" + fault["fault"])(connection, resource, fault)

    async def fault_none(self, connection, resource, fault):
        pass

    async def fault_status(self, connection, resource, fault):
        raise Refused(fault["code"], fault.get("message", "as scripted"), fault.get("retryAfter"))

    async def fault_hang(self, connection, resource, fault):
        await connection.end()
        raise Closed

    async def fault_loris(self, connection, resource, fault):
        text = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100000\r\n\r\n" if fault.get("headers", True) else b"")
        if not text:
            connection.start(200, {"Content-Type": "application/json",
                                   "Content-Length": "100000"})
        await trickle(connection, text + b" " * 100000, fault.get("interval", 1))
        raise Closed

    async def fault_garbage(self, connection, resource, fault):
        connection.answer(200, fault.get("text", "<html>no JSON</html>").encode(
            "utf-8", "surrogateescape"))
        await connection.writer.drain()
        raise Closed

    async def fault_large(self, connection, resource, fault):
        connection.start_stream()
        left = fault["bytes"]
        while left > 0:
            connection.writer.write(chunk(b"a" * min(left, 65536)))
            await connection.writer.drain()
            left -= 65536
        connection.writer.write(b"0\r\n\r\n")
        raise Closed

    async def fault_cut(self, connection, resource, fault):
        connection.start_stream()
        connection.writer.write(b"1000\r\n{\"kind\":\"List\",\"metadata\":")
        await connection.writer.drain()
        raise Closed

    async def fault_reset(self, connection, resource, fault):
        connection.reset()
        raise Closed

    async def fault_headers(self, connection, resource, fault):
        connection.writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.writer.write(b"X-Filler: " + b"a" * 1000 + b"\r\n")
            await connection.writer.drain()

    async def fault_endless(self, connection, resource, fault):
        connection.start_stream()
        connection.writer.write(chunk(b'{"type":"ADDED","object":{"metadata":{"name":"endless",'
                                      b'"x":"'))
        while True:
            connection.writer.write(chunk(b"a" * 65536))
            await connection.writer.drain()

    async def fault_silent(self, connection, resource, fault):
        connection.start_stream()
        await connection.end()
        raise Closed

    async def fault_continue(self, connection, resource, fault):
        connection.answer(200, dumps({"kind": "List", "items": [], "metadata": {
            "resourceVersion": "1", "continue": self.store.snapshot([])}}))
        await connection.writer.drain()
        raise Closed


class StreamFaults:
    """Of watches that are open; for Control."""

    def stream_end(self, watcher, what):
        watcher.finish()

    def stream_cut_chunk(self, watcher, what):
        watcher.send(b'400\r\n{"type":"ADDED","object":{"metadata":{"name":"cut"')
        watcher.connection.writer.close()

    def stream_cut_line(self, watcher, what):
        watcher.finish(chunk(b'{"type":"ADDED","object":{"metadata":{"name":"cut"') +
                       b"0\r\n\r\n")

    def stream_reset(self, watcher, what):
        watcher.connection.reset()

    def stream_silence(self, watcher, what):
        watcher.muted = True

    def stream_gone(self, watcher, what):
        self.stream_error(watcher, {"code": 410, "reason": "Expired"})

    def stream_error(self, watcher, what):
        code = what.get("code", 500)
        watcher.finish(event_text(b"ERROR", dumps(status(
            code, what.get("reason", REASONS.get(code, "")), "as scripted"))) + b"0\r\n\r\n")

    def stream_bookmark(self, watcher, what):
        watcher.bookmark(what.get("version"))

    def raw(self, what):
        if "base64" in what:
            return base64.b64decode(what["base64"])
        return what["text"].encode("utf-8", "surrogateescape")

    def stream_raw(self, watcher, what):
        watcher.send(chunk(self.raw(what)))

    def stream_half(self, watcher, what):
        data = self.raw(what)
        watcher.send(chunk(data[:len(data) // 2]))
        asyncio.get_running_loop().call_later(what.get("rest", 0.05), watcher.send,
                                              chunk(data[len(data) // 2:]))

    def stream_endless(self, watcher, what):
        self.spawn(self.endless(watcher))

    async def endless(self, watcher):
        writer = watcher.connection.writer
        writer.write(chunk(b'{"type":"ADDED","object":{"metadata":{"name":"endless","x":"'))
        try:
            while not writer.transport.is_closing():
                writer.write(chunk(b"a" * 65536))
                await writer.drain()
        except OSError:
            pass

    def stream_loris(self, watcher, what):
        self.spawn(self.loris(watcher, what.get("interval", 1)))

    async def loris(self, watcher, interval):
        watcher.send(chunk(b'{"type":"ADDED","object":{"metadata":{"name":"loris","x":"'))
        while not watcher.connection.writer.transport.is_closing():
            watcher.send(chunk(b"a"))
            await asyncio.sleep(interval)
