"""The proxies of deploy/, as they are shipped: only names, ports and
certificates are put in. Around each stands what a distribution's own main
configuration says (ports, modules, a user), with all files in one directory.
"""

import contextlib
import functools
import http.client
import http.server
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

from conftest import PATIENCE, REPO, TOKEN, Answer, Process, until

NAME = "localhost"  # the name that Braze is given


def program(name):
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    assert found, f"no {name}: deploy/packages.sh lists its package"
    return found


def hold_port():
    """A socket that keeps its port from others, also between a kill and a
    start. A server can still listen there, because both have SO_REUSEADDR."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


def put_in(text, *pairs):
    for old, new in pairs:
        assert old in text, f"the shipped file has no {old}"
        text = text.replace(old, new)
    return text


class Certificate:
    """Of NAME and 127.0.0.1."""

    def __init__(self, directory):
        self.chain = directory / "chain.pem"
        self.key = directory / "key.pem"
        self.both = directory / "both.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={NAME}", "-addext",
             f"subjectAltName=DNS:{NAME},IP:127.0.0.1",
             "-keyout", self.key, "-out", self.chain],
            check=True, capture_output=True, timeout=PATIENCE)
        self.both.write_text(self.chain.read_text() + self.key.read_text())
        self.trust = ssl.create_default_context(cafile=self.chain)


class Proxy:
    """One proxy before one server, over reloads, kills and starts. `changes`
    are pairs of texts: what stands in the shipped file, and what a test has
    there instead, with PORT, CHAIN and KEY for those of this proxy. Whoever
    the proxy runs as must be able to read the directory."""

    FILE = PROGRAM = MAIN = ""  # below deploy/; what runs; what is around
    SIGNAL = signal.SIGHUP      # reloads it
    STARTED = RELOADED = ""     # what it says once it heeds that, and then

    def __init__(self, directory, server_port, certificate, *changes):
        self.dir = directory
        self.certificate = certificate
        self.server_port = server_port
        self.holder = hold_port()
        self.port = self.holder.getsockname()[1]
        self.url = f"https://{NAME}:{self.port}"
        self.text = put_in(
            (REPO / "deploy" / self.FILE).read_text(encoding="utf-8"),
            ("127.0.0.1:8080", f"127.0.0.1:{server_port}"), *self.names(),
            *(map(self._known, pair) for pair in changes))
        self.site = directory / "site.conf"
        self.main = directory / "main.conf"
        self.site.write_text(self.text, encoding="utf-8")
        self.main.write_text(self.MAIN.format(
            dir=directory, port=self.port, site=self.site),
            encoding="utf-8")
        self.run = None

    def _known(self, text):
        for word, value in (("PORT", self.port),
                            ("CHAIN", self.certificate.chain),
                            ("KEY", self.certificate.key)):
            text = text.replace(word, str(value))
        return text

    def names(self):
        """What is put into the shipped file."""
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def start(self):
        # A session of its own, to kill its workers with it.
        self.run = Process(["setsid", *self.command()],
                           env={**os.environ, "HOME": str(self.dir),
                                "XDG_DATA_HOME": str(self.dir),
                                "XDG_CONFIG_HOME": str(self.dir)})
        until(self._started, f"{self.PROGRAM} listens")
        self.run.wait_line(self.STARTED)

    def _started(self):
        assert self.run.process.poll() is None, self.said()
        return self._listens()

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def said(self):
        return "\n".join(self.run.lines)

    def reload(self):
        before = len(re.findall(self.RELOADED, self.said()))
        self.ask_to_reload()
        until(lambda: len(re.findall(self.RELOADED, self.said())) > before,
              f"{self.PROGRAM} says {self.RELOADED}")

    def ask_to_reload(self):
        self.run.process.send_signal(self.SIGNAL)

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.run.process.pid, signal.SIGKILL)
        self.run.process.wait(PATIENCE)
        until(lambda: not self._listens(), "its workers are gone, too")

    def end(self):
        if self.run is not None:
            self.run.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run.process.wait(PATIENCE)
            self.kill()
        self.holder.close()

    # ---- requests to it ----

    def connect(self, name=NAME):
        plain = socket.create_connection(("127.0.0.1", self.port),
                                         timeout=PATIENCE)
        return self.certificate.trust.wrap_socket(plain, server_hostname=name)

    def post(self, body, path="/currents", token=TOKEN, name=NAME,
             **headers):
        """A body that is a generator goes in chunks."""
        with contextlib.closing(http.client.HTTPConnection(
                name, self.port)) as connection:
            connection.sock = self.connect(name)
            connection.request("POST", path, body, {
                "Authorization": f"Bearer {token}",
                **{key.replace("_", "-"): value
                   for key, value in headers.items()}})
            return Answer(connection.getresponse())

    def raw(self, data):
        """Send bytes as they are; the status of the answer, 0 if there is
        none."""
        head = ""
        with self.connect() as secure, contextlib.suppress(OSError):
            secure.sendall(data)
            head = secure.recv(4096).decode()
        return int(re.match(r"HTTP/1\.[01] (\d{3}) |$", head)[1] or 0)

    def http2(self, body):
        """As curl sends a file over HTTP/2: (version, status); (0, 0) if
        there was no answer."""
        done = subprocess.run(
            ["curl", "--silent", "--http2", "--max-time", str(PATIENCE),
             "--cacert", self.certificate.chain, "--output", "/dev/null",
             "--header", f"Authorization: Bearer {TOKEN}", "--noproxy", "*",
             "--write-out", "%{http_version} %{http_code}",
             "--header", "Expect:", "--data-binary", f"@{body}",
             f"{self.url}/currents"],
            stdout=subprocess.PIPE, text=True, check=False)
        version, status = done.stdout.split()
        return (version, int(status)) if done.returncode == 0 else (0, 0)


class Nginx(Proxy):
    FILE, PROGRAM = "nginx/currentsd.conf", "nginx"
    STARTED, RELOADED = "start worker process", "gracefully shutting down"
    MAIN = """
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    include {site};
}}
"""

    def names(self):
        return (("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
                ("    listen [::]:443 ssl http2;\n", ""),
                ("currents.example.com;", f"{NAME};"),
                ("/etc/ssl/certs/currents.example.com.pem",
                 str(self.certificate.chain)),
                ("/etc/ssl/private/currents.example.com.key",
                 str(self.certificate.key)))

    def command(self):
        return [program("nginx"), "-p", str(self.dir), "-c", str(self.main)]


class Caddy(Proxy):
    FILE, PROGRAM = "caddy/Caddyfile", "caddy"
    MAIN = """
{{
	admin unix/{dir}/admin.sock
	auto_https disable_redirects
	default_bind 127.0.0.1
}}
import {site}
"""

    def names(self):
        return (("\ncurrents.example.com {", f"\n{NAME}:{self.port} {{"),
                ("\nhttps:// {", f"\nhttps://:{self.port} {{"),
                ("# tls /etc/ssl/certs/currents.example.com.pem "
                 "/etc/ssl/private/currents.example.com.key",
                 f"tls {self.certificate.chain} {self.certificate.key}"))

    def command(self):
        return [program("caddy"), "run", "--config", str(self.main),
                "--adapter", "caddyfile"]

    def reload(self):
        subprocess.run(
            [program("caddy"), "reload", "--force", "--config", self.main,
             "--adapter", "caddyfile", "--address",
             f"unix/{self.dir}/admin.sock"],
            check=True, capture_output=True, timeout=PATIENCE)


class Haproxy(Proxy):
    FILE, PROGRAM = "haproxy/haproxy.cfg", "haproxy"
    STARTED = RELOADED = "Loading success"
    MAIN = """
global
    maxconn 500
"""

    def names(self):
        return (("bind :443 ", f"bind 127.0.0.1:{self.port} "),
                ("/etc/haproxy/certs/currents.example.com.pem",
                 str(self.certificate.both)))

    def command(self):
        return [program("haproxy"), "-W", "-db", "-S",
                f"unix@{self.dir}/master.sock", "-f", str(self.main), "-f",
                str(self.site)]

    def ask_to_reload(self):
        """By its socket, because it loses a signal while it starts."""
        with socket.socket(socket.AF_UNIX) as master:
            until(lambda: master.connect_ex(f"{self.dir}/master.sock") == 0,
                  "HAProxy's master listens")
            master.sendall(b"reload\n")
            master.recv(1)


class Apache(Proxy):
    FILE, PROGRAM = "apache/currentsd.conf", "apache2"
    SIGNAL = signal.SIGUSR1
    STARTED = RELOADED = "resuming normal operations"
    MODULES = ("mpm_event", "authz_core", "authz_host", "alias", "asis",
               "deflate", "headers", "http2", "proxy", "proxy_http",
               "reqtimeout", "ssl")
    MAIN = """
ServerRoot {dir}
DefaultRuntimeDir {dir}
PidFile {dir}/pid
ServerName localhost
ErrorLog /dev/stderr
User nobody
Group nogroup
Listen 127.0.0.1:{port}
StartServers 1
ServerLimit 8
ThreadsPerChild 25
MaxRequestWorkers 200
""" + "".join(f"LoadModule {name}_module "
              f"/usr/lib/apache2/modules/mod_{name}.so\n"
              for name in MODULES) + """
Include {site}
"""

    def names(self):
        return (("VirtualHost *:443", f"VirtualHost 127.0.0.1:{self.port}"),
                ("ServerName currents.example.com", f"ServerName {NAME}"),
                ("/etc/apache2/currentsd-refused.asis",
                 shutil.copy(REPO / "deploy/apache/currentsd-refused.asis",
                             self.dir)),
                ("/etc/ssl/certs/currents.example.com.pem",
                 str(self.certificate.chain)),
                ("/etc/ssl/private/currents.example.com.key",
                 str(self.certificate.key)))

    def command(self):
        return [program("apache2"), "-DFOREGROUND", "-f", str(self.main)]


PROXIES = {"nginx": Nginx, "caddy": Caddy, "haproxy": Haproxy,
           "apache": Apache}


# ---- what stands behind or before a proxy ----

class Server(http.server.ThreadingHTTPServer):
    """A server of this process, until the end of its with."""

    daemon_threads = True

    def __init__(self, handler, **more):
        super().__init__(("127.0.0.1", 0), functools.partial(handler, **more))
        self.thread = threading.Thread(target=self.serve_forever,
                                       kwargs={"poll_interval": 0.02})

    def handle_error(self, *_):
        pass  # a connection that a proxy broke off

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join(PATIENCE)
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding",
                                    "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Recorder(Handler):
    """In the daemon's stead: notes (path, headers, body) of each request. It
    is alive and not ready, and answers nothing at /hang-up."""

    def __init__(self, *given, seen):
        self.seen = seen
        super().__init__(*given)

    def do_GET(self):
        self.seen.append((self.path, self.headers, b""))
        self.answer(503 if self.path == "/readyz" else 200, {}, b"")

    def do_POST(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers, body))
        if self.path == "/hang-up":
            self.close_connection = True
        else:
            self.answer(200, {}, b"{}")


class Relay(Handler):
    """Before a proxy, without TLS: for `check --url`, which trusts only the
    certificates of the machine."""

    def __init__(self, *given, proxy):
        self.proxy = proxy
        super().__init__(*given)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with contextlib.closing(http.client.HTTPConnection(
                NAME, self.proxy.port)) as connection:
            connection.sock = self.proxy.connect(
                self.headers["Host"].partition(":")[0])
            connection.putrequest("POST", self.path, skip_host=True,
                                  skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            self.answer(response.status, response.headers, response.read())
