# SPDX-License-Identifier: GPL-2.0
"""Servers that are not there or slow, TLS, tokens, proxies."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from rig import (Client, PATIENCE, Server, Skipped, expect, service, test, watching)


@test("nothing there: no name, no listener, no server at all")
def nothing(s):
    # No DNS server has to be asked to know that a label is too long.
    with Client("--server", "http://" + "x" * 70 + ".invalid:1") as c:
        c.wait_error("name")
        expect(c.stats()["Service"]["listed"], False)
    with Client("--server", "http://127.0.0.1:1") as c:
        c.wait_error("connect")
    with Client("--server", "https://" + s.address) as c:
        c.wait_error("tls")
    for args in (["--server", "x"], ["--kubeconfig", "/nowhere"], ["--in-cluster", "/nowhere"]):
        c = Client(*args, env=os.environ | {"KUBERNETES_SERVICE_HOST": "h",
                                            "KUBERNETES_SERVICE_PORT": "1"})
        c.wait(call="failed")
        expect(c.process.wait(PATIENCE), 1)
        c.process.stdin.close()
        c.process.stderr.close()


@test("nothing there: a DNS server that does not answer holds up nothing")
def silent_dns(_):
    with tempfile.TemporaryDirectory() as d, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
        path = os.path.join(d, "resolv.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("nameserver 127.0.0.54\n")
        command = ["unshare", "-m", "sh", "-c",
                   "mount --bind %s /etc/resolv.conf && exec \"$@\"" % path, "sh"]
        try:
            dns.bind(("127.0.0.54", 53))
            subprocess.run([*command, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as e:
            raise Skipped("needs root: %s" % e) from e
        begun = time.monotonic()
        with Client("--server", "http://api.example:1", command=command, connect_ms=100) as c:
            c.wait_error("timeout")
            c.wait_error("timeout", "EndpointSlice")
        # glibc itself would take 10 s, for each.
        expect(time.monotonic() - begun < 5, True)


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


NAMES = "IP:127.0.0.1,DNS:api.test"


def certificate(directory, name, ca=None):
    key, cert = (os.path.join(directory, name + end) for end in (".key", ".crt"))
    args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", cert, "-subj", "/CN=" + name, "-days", "2"]
    if ca:
        args += ["-CA", os.path.join(directory, ca + ".crt"), "-CAkey",
                 os.path.join(directory, ca + ".key"), "-addext", "subjectAltName=" + NAMES,
                 "-addext", "basicConstraints=critical,CA:FALSE"]
    openssl(*args)
    return cert, key


def expire(directory, name, ca):
    key, cert, request, names = (os.path.join(directory, name + end)
                                 for end in (".key", ".crt", ".csr", ".names"))
    with open(names, "w", encoding="utf-8") as f:
        f.write("subjectAltName=" + NAMES)
    openssl("req", "-new", "-key", key, "-subj", "/CN=" + name, "-out", request)
    openssl("x509", "-req", "-in", request, "-out", cert, "-days", "-1", "-extfile", names,
            "-CAcreateserial", "-CA", os.path.join(directory, ca + ".crt"),
            "-CAkey", os.path.join(directory, ca + ".key"))


def kubeconfig(directory, cluster, user):
    path = os.path.join(directory, "config")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"current-context": "x", "contexts": [
            {"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": cluster}],
            "users": [{"name": "x", "user": user}]}, f)
    return path


def base64_of(path):
    return subprocess.run(["base64", "-w0", path], check=True, capture_output=True,
                          text=True).stdout


def check_access(s, directory, cluster, user, error=None):
    s.control("forget")
    with Client("--kubeconfig", kubeconfig(directory, cluster, user)) as c:
        if error:
            c.wait_error(error)
            expect(c.stats()["Service"]["listed"], False)
        else:
            c.wait_listed()
    return s.control("requests")


@test("TLS: authorities, names, client certificates, tokens, passwords")
def tls(_):
    with tempfile.TemporaryDirectory() as d:
        certificate(d, "ca")
        certificate(d, "other")
        cert, key = certificate(d, "server", "ca")
        certificate(d, "me", "ca")
        ca = os.path.join(d, "ca.crt")
        with Server("--tls", cert, key, ca, "--token", "right", "--basic", "u:p w") as s:
            url = "https://" + s.address
            port = s.address.rpartition(":")[2]
            trust = {"server": url, "certificate-authority": "ca.crt"}
            me = {"client-certificate": "me.crt", "client-key": "me.key"}
            expect({r["peer"] for r in check_access(s, d, trust, me)}, {"me"})
            data = {"client-certificate-data": base64_of(os.path.join(d, "me.crt")),
                    "client-key-data": base64_of(os.path.join(d, "me.key"))}
            trust_data = {"server": url, "certificate-authority-data": base64_of(ca)}
            check_access(s, d, trust_data, data)
            check_access(s, d, trust, {"token": "right"})
            check_access(s, d, trust, {"username": "u", "password": "p w"})
            check_access(s, d, trust, {"token": "wrong"}, "unauthorized")
            check_access(s, d, trust, {}, "unauthorized")
            check_access(s, d, trust | {"server": "https://localhost:" + port},
                         {"token": "right"}, "tls")
            named = trust | {"tls-server-name": "api.test"}
            requests = check_access(s, d, named, {"token": "right"})
            expect({r["host"] for r in requests}, {s.address})
            check_access(s, d, trust | {"tls-server-name": "x.test"}, {"token": "right"}, "tls")
            check_access(s, d, {"server": url}, {"token": "right"}, "tls")
            check_access(s, d, trust | {"certificate-authority": "other.crt"},
                         {"token": "right"}, "tls")
            check_access(s, d, {"server": url, "insecure-skip-tls-verify": True},
                         {"token": "right"})
            # None of this was told to a server that could not prove itself.
            expect(check_access(s, d, {"server": url}, {"token": "right"}, "tls"), [])


@test("TLS: a client certificate that is renewed late, where the server keeps the connection")
def renewed(_):
    with tempfile.TemporaryDirectory() as d:
        certificate(d, "ca")
        cert, key = certificate(d, "server", "ca")
        certificate(d, "old", "ca")
        certificate(d, "new", "ca")

        def use(name):
            for end in (".crt", ".key"):
                shutil.copy(os.path.join(d, name + end), os.path.join(d, "next"))
                os.rename(os.path.join(d, "next"), os.path.join(d, "me" + end))

        use("old")
        with Server("--tls", cert, key, os.path.join(d, "ca.crt")) as s:
            s.put(service("a"))
            path = kubeconfig(d, {"server": "https://" + s.address,
                                  "certificate-authority": "ca.crt"},
                              {"client-certificate": "me.crt", "client-key": "me.key"})
            with Client("--kubeconfig", path) as c:
                watching(s, c)
                s.control("peers", peers=["new"])
                s.streams("end")
                c.wait_error("unauthorized")
                use("new")
                s.put(service("b"))
                c.wait(call="put", name="b")


@test("TLS: an expired certificate of the server")
def expired(_):
    with tempfile.TemporaryDirectory() as d:
        certificate(d, "ca")
        cert, key = certificate(d, "server", "ca")
        expire(d, "server", "ca")
        with Server("--tls", cert, key, os.path.join(d, "ca.crt"), "--token", "t") as s:
            with Client("--kubeconfig", kubeconfig(
                    d, {"server": "https://" + s.address, "certificate-authority": "ca.crt"},
                    {"token": "t"})) as c:
                expect("expired" in c.wait_error("tls")["reason"], True)


@test("token: a service account's is read again when it rotates, and after a 401")
def token(_):
    with tempfile.TemporaryDirectory() as d:
        certificate(d, "ca")
        cert, key = certificate(d, "server", "ca")
        token_file = os.path.join(d, "token")

        def write(text):
            with open(token_file + ".new", "w", encoding="utf-8") as f:
                f.write(text)
            os.rename(token_file + ".new", token_file)

        write("one\n")
        with Server("--tls", cert, key, os.path.join(d, "ca.crt"), "--token", "one") as s:
            host, port = s.address.rsplit(":", 1)
            env = os.environ | {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
            s.put(service("a"))
            with Client("--in-cluster", d, env=env) as c:
                watching(s, c)
                write("two\n")
                s.control("tokens", tokens=["two"])
                s.streams("end")
                s.put(service("b"))
                c.wait(call="put", name="b")
                expect(c.stats()["Service"]["errors"], {})
                # Expired before its successor is there: tried until it is.
                s.control("tokens", tokens=["three"])
                s.streams("end")
                c.wait_error("unauthorized")
                os.unlink(token_file)
                c.wait(call="log", message="Token cannot be read, the old one stays")
                write("three")
                s.put(service("c"))
                c.wait(call="put", name="c")
                # A change that cannot be seen from outside.
                s.control("tokens", tokens=["THREE"])
                times = os.stat(token_file)
                with open(token_file, "r+", encoding="utf-8") as f:
                    f.write("THREE")
                os.utime(token_file, ns=(times.st_atime_ns, times.st_mtime_ns))
                s.streams("end")
                s.put(service("d"))
                c.wait(call="put", name="d")
                stats = c.stats()["Service"]
                expect(stats["lists"], 1)
                expect(c.count(call="log",
                               message="Token cannot be read, the old one stays"), 1)


@test("proxy: the server's connections go through it")
def proxy(s):
    s.put(service("a"))
    with tempfile.TemporaryDirectory() as d:
        # For http, the proxy is asked with the whole URL: this one is a server itself.
        path = kubeconfig(d, {"server": "http://api.invalid:80", "proxy-url": s.url}, {})
        with Client("--kubeconfig", path) as c:
            c.wait(call="list_end", kind="Service")
            expect(c.objects(), ["a"])
    expect({r["host"] for r in s.control("requests")}, {"api.invalid"})


class Tunnel(threading.Thread):
    """A proxy that knows CONNECT and nothing else."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.asked = []
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.one, args=(client,), daemon=True).start()

    def one(self, client):
        text = b""
        while b"\r\n\r\n" not in text:
            text += client.recv(4096)
        method, where, _ = text.decode().split(" ", 2)
        self.asked.append((method, where))
        host, _, port = where.rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\nX-Filler: a\r\n\r\n")
        threading.Thread(target=self.copy, args=(client, server), daemon=True).start()
        self.copy(server, client)

    @staticmethod
    def copy(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@test("proxy: a tunnel for TLS, with the server's name checked at its end")
def tunnel(_):
    with tempfile.TemporaryDirectory() as d:
        certificate(d, "ca")
        cert, key = certificate(d, "server", "ca")
        with Server("--tls", cert, key, os.path.join(d, "ca.crt"), "--token", "t") as s:
            through = Tunnel()
            cluster = {"server": "https://" + s.address, "certificate-authority": "ca.crt",
                       "proxy-url": through.url}
            check_access(s, d, cluster, {"token": "t"})
            check_access(s, d, cluster | {"tls-server-name": "api.test"}, {"token": "t"})
            check_access(s, d, cluster | {"tls-server-name": "x.test"}, {"token": "t"}, "tls")
            check_access(s, d, cluster, {"token": "wrong"}, "unauthorized")
            expect(set(through.asked), {("CONNECT", s.address)})
