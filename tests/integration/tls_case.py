# SPDX-License-Identifier: Apache-2.0
"""What tests of TLS share: authorities that issue certificates (with the openssl program), and a
server with a tls:// address.
"""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

from stockd_harness import Server, StockdTestCase, wait_until

if not shutil.which("openssl"):
    print("skipped: there is no openssl program (Debian: openssl)")
    sys.exit(77)

CONFIG = """
[ca]
default_ca = here
[here]
dir = {folder}
database = $dir/index
serial = $dir/serial
crlnumber = $dir/crlnumber
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
"""

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(args)}: {done.stderr}")
    return done.stdout


class Authority:
    """An authority in a folder of its own; `path` is its certificate."""

    def __init__(self, folder, name):
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "ca.pem")
        self.config = os.path.join(self.folder, "config")
        for file, text in (
            ("config", CONFIG.format(folder=self.folder)),
            ("index", ""),
            ("serial", "1000\n"),
            ("crlnumber", "1000\n"),
        ):
            with open(os.path.join(self.folder, file), "w", encoding="ascii") as to:
                to.write(text)
        key = os.path.join(self.folder, "ca.key")
        openssl(
            *("req", "-x509", *CURVE, "-keyout", key, "-out", self.path, "-subj", f"/CN={name}"),
            *("-days", "30", "-addext", "keyUsage=keyCertSign,cRLSign"),
        )

    def issue(self, file, name, hosts="", expired=False):
        """A certificate of that name, for those hosts; returns the paths of it and of its key."""
        pem, key, csr = (os.path.join(self.folder, f"{file}.{end}") for end in ("pem", "key", "csr"))
        alternative = ("-addext", f"subjectAltName={hosts}") if hosts else ()
        openssl("req", *CURVE, "-keyout", key, "-out", csr, "-subj", f"/CN={name}", *alternative)
        dates = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z") if expired else ()
        openssl(
            *("ca", "-batch", "-notext", "-config", self.config, "-in", csr, "-out", pem), *dates
        )
        return pem, key

    def revoke(self, pem):
        openssl("ca", "-config", self.config, "-revoke", pem)

    def revocations(self):
        """The path of a file with the authority's certificate and its revocation list."""
        path = os.path.join(self.folder, "with-crl.pem")
        crl = openssl("ca", "-config", self.config, "-gencrl")
        with open(self.path, encoding="ascii") as file, open(path, "w", encoding="ascii") as to:
            to.write(file.read() + crl)
        return path


HOSTS = "DNS:localhost,IP:127.0.0.1"


class TlsCase(StockdTestCase):
    """One server at tls:// and without, whose certificate may be replaced (self.install)."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="stockd-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = Authority(cls.folder, "authority")
        cls.pem, cls.key = cls.authority.issue("server", "stockd", HOSTS)
        cls.used = [os.path.join(cls.folder, name) for name in ("used.pem", "used.key")]
        cls.put(cls.pem, cls.key)
        cls.server = Server(
            *("--listen", "tls://127.0.0.1:0", "--tls-cert", cls.used[0], "--tls-key", cls.used[1]),
            *cls.server_options(),
        )

    @classmethod
    def server_options(cls):
        return cls.options

    @classmethod
    def put(cls, pem, key):
        """Puts the certificate and the key where the server reads them."""
        for path, used in zip((pem, key), cls.used):
            shutil.copy(path, used)

    def log_lines(self, text):
        return sum(text in line for line in self.server.stderr().splitlines())

    def reload(self, expect="the certificate of tls:// addresses is"):
        """SIGHUP; waits for the line that tells the outcome."""
        before = self.log_lines(expect)
        self.server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log_lines(expect) > before, what=f"a line that says: {expect}")

    def install(self, pem, key):
        """Has the server use them until the test ends."""
        self.put(pem, key)
        self.reload()
        self.addCleanup(self.reload)
        self.addCleanup(self.put, self.pem, self.key)

    def context(self, authority=None, certificate=None):
        context = ssl.create_default_context(cafile=authority or self.authority.path)
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    def tls_client(self, context=None, **options):
        client = self.server.client("tls", tls=context or self.context(), **options)
        self.addCleanup(client.close)
        return client

    def handshakes(self):
        server = self.call("info")["server"]
        return {key: server[key] for key in server if key.startswith("handshakes")}

    def connections(self):
        return self.call("info")["server"]["connections"]


class Wire:
    """A TLS client whose records the test moves, changes or withholds itself."""

    def __init__(self, case, context=None):
        host, port = case.server.tls.removeprefix("tls://").split(":")
        self.told_of_the_end = False
        self.socket = socket.create_connection((host, int(port)))
        case.addCleanup(self.socket.close)
        self.socket.settimeout(case.client.timeout)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = context or case.context()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def records(self):
        """What TLS wants to send: the test sends it."""
        return self.outgoing.read()

    def fetch(self):
        """False at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.incoming.write(data)
        return bool(data)

    def until(self, step):
        """Repeats the step, with what the engine sends; None if the connection ends first."""
        while True:
            try:
                return step()
            except ssl.SSLZeroReturnError:
                self.told_of_the_end = True
                return None
            except ssl.SSLWantReadError:
                pending = self.records()
                if pending:
                    self.socket.sendall(pending)
                if not self.fetch():
                    return None

    def shake_hands(self):
        self.until(self.tls.do_handshake)
        self.socket.sendall(self.records())
        return self

    def encrypt(self, data):
        """One record."""
        self.tls.write(data)
        return self.records()

    def read(self, size=65536):
        return self.until(lambda: self.tls.read(size))

    def read_to_end(self):
        """True once the engine has closed the connection; what it sent is thrown away."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True
