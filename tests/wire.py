"""The other end of the wire: a server that does what a test wants, a private authority, a tunnelling proxy."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """A listener on loopback; `act` gets each connection when its request was read. Everything is noted."""

    def __init__(self, act, *, host="127.0.0.1", family=socket.AF_INET, tls=None, reads=True):
        self.requests = []
        self.ended = threading.Event()
        self._act, self._tls, self._reads = act, tls, reads
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._threads = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                if self._reads:
                    self.requests.append(head_of(connection))
                self._act(self, connection)

    def close(self):
        self.ended.set()
        self._listener.close()


def head_of(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(65536)
        if not part:
            break
        head += part
    return head


@contextlib.contextmanager
def servers():
    """Give a function that starts servers; all of them end with the block."""
    started = []

    def start(act, **options):
        started.append(Server(act, **options))
        return started[-1]

    yield start
    for server in started:
        server.close()


def sends(data):
    return lambda _server, connection: connection.sendall(data)


def sends_and_holds(data):
    def act(server, connection):
        connection.sendall(data)
        server.ended.wait(60)

    return act


def tunnels_to(target):
    """A proxy that answers CONNECT to any host with a tunnel to one of our own servers."""

    def act(_server, connection):
        with socket.create_connection(("127.0.0.1", target.port)) as far:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=pump, args=(far, connection), daemon=True).start()
            pump(connection, far)

    return act


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class Authority:
    """A private certificate authority, as a company's TLS-inspecting proxy has one."""

    def __init__(self, directory):
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "awssso test authority")])
        self._certificate = self._sign(name, self._key, name, is_authority=True)
        self.bundle = directory / "authority.pem"
        self.bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, key, issuer, *, names=(), is_authority=False, age=0):
        end = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=1 - age)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - dt.timedelta(days=2))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def server_context(self, *hosts, age=0):
        """TLS for these hosts; `age` in days more than one makes the certificate an expired one."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ipaddress.ip_address(h)) if h[0].isdigit() else x509.DNSName(h) for h in hosts]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        certificate = self._sign(subject, key, self._certificate.subject, names=names, age=age)
        file = self._directory / f"{hosts[0]}-{age}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context
