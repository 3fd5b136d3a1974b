"""The sync against OpenLDAP's own ldapsearch in pages of 1000, on the same server, in turn."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

from measure import Pair, mib, peak, run_once

BASE = "dc=rz,dc=example,dc=com"
BIND = f"cn=sync,{BASE}"
PASSWORD = "syncpw"
SCHEMA = "/etc/ldap/schema"
SIZES = [1_000, 10_000, 100_000, 300_000]
ROUNDS = {1_000: 9, 10_000: 9, 100_000: 5, 300_000: 3}


def ldif(path, count):
    with open(path, "w") as file:
        file.write(
            f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: RZ\ndc: rz\n\n"
            f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n"
            f"dn: {BIND}\nobjectClass: simpleSecurityObject\nobjectClass: organizationalRole\n"
            f"cn: sync\nuserPassword: {PASSWORD}\n\n"
        )
        for i in range(count):
            file.write(
                f"dn: uid=user{i:06},ou=people,{BASE}\nobjectClass: account\nobjectClass: posixAccount\n"
                f"uid: user{i:06}\ncn: user{i:06}\nuidNumber: {i}\ngidNumber: 100\nhomeDirectory: /home/user{i:06}\n"
                f"gecos: User Number {i}\n\n"
            )


class Server:
    """slapd on a loopback port with a folder of its own."""

    def __init__(self, folder, count):
        data = os.path.join(folder, "ldap")
        os.makedirs(data)
        conf = os.path.join(folder, "slapd.conf")
        with open(conf, "w") as file:
            for name in ["core", "cosine", "nis", "inetorgperson"]:
                file.write(f"include {SCHEMA}/{name}.schema\n")
            file.write(
                "modulepath /usr/lib/ldap\nmoduleload back_mdb\nsizelimit unlimited\n"
                f"database mdb\nsuffix {BASE}\ndirectory {data}\nmaxsize 4294967296\ndbnosync\n"
                "index objectClass,uid eq\n"
            )
        ldif(os.path.join(folder, "all.ldif"), count)
        subprocess.run(
            ["/usr/sbin/slapadd", "-q", "-f", conf, "-l", os.path.join(folder, "all.ldif")],
            check=True, stderr=subprocess.DEVNULL,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"ldap://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(["/usr/sbin/slapd", "-d", "0", "-h", self.url, "-f", conf],
                                        stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("slapd does not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def paired(ours, prepare, peer, rounds, cwd):
    result = Pair([], [])
    for _ in range(rounds):
        prepare()
        result.ours.append(run_once(ours, cwd=cwd))
        result.peer.append(run_once(peer, cwd=cwd))
    bad = [run.status for run in result.ours + result.peer if run.status != 0]
    if bad:
        raise SystemExit(f"{ours!r} or {peer!r} ended with {bad[0]}")
    return result


def measure(table_rows, count):
    folder = tempfile.mkdtemp()
    server = Server(folder, count)
    try:
        os.makedirs(os.path.join(folder, "var"))
        subprocess.run(["cc-user", "init", "-q"], cwd=folder, check=True)
        with open(os.path.join(folder, "config.json"), "w") as file:
            file.write(
                '{"auth": {"ldap": {"url": "%s", "user-base": "%s", "search-dn": "%s",'
                ' "user-filter": "(objectClass=posixAccount)"}}}' % (server.url, BASE, BIND)
            )
        with open(os.path.join(folder, ".env"), "a") as file:
            file.write(f"LDAP_ADMIN_PASSWORD={PASSWORD}\n")
        database = os.path.join(folder, "var/job.db")
        empty = os.path.join(folder, "empty.db")
        shutil.copy(database, empty)

        def reset():
            for suffix in ["-wal", "-shm"]:
                if os.path.exists(database + suffix):
                    os.remove(database + suffix)
            shutil.copy(empty, database)

        search = ["ldapsearch", "-x", "-LLL", "-H", server.url, "-D", BIND, "-w", PASSWORD, "-b", BASE,
                  "-E", "pr=1000/noprompt", "(objectClass=posixAccount)", "uid", "gecos"]
        sync = ["cc-user", "sync-ldap", "-q"]
        # The server's cache is warm for both.
        run_once(search, cwd=folder)
        reset()
        peak_first = peak(sync, cwd=folder)
        first = paired(sync, reset, search, ROUNDS[count], folder)
        again = paired(sync, lambda: None, search, ROUNDS[count], folder)
        peak_again = peak(sync, cwd=folder)
        for what, pair, limit, memory in [
            ("first sync", first, 1.5, peak_first),
            ("sync without change", again, 1.2, peak_again),
        ]:
            ours, peer = pair.median("ours", "wall"), pair.median("peer", "wall")
            rate = f"{ours / count * 1e6:.1f} us an entry"
            limit = limit if count >= 100_000 else None
            table_rows.append((
                f"{what} of {count:,} users", pair.ratio("wall"), limit,
                f"{ours:.2f} s, ldapsearch {peer:.2f} s, {rate}, {mib(memory)}",
            ))
    finally:
        server.stop()
        shutil.rmtree(folder)


def run(table):
    if not os.path.exists("/usr/sbin/slapd") or not shutil.which("ldapsearch"):
        print("\nslapd or ldapsearch is not installed: no figures of the sync")
        return 0
    rows = []
    for count in [int(n) for n in os.environ.get("LDAP_SIZES", "").split()] or SIZES:
        measure(rows, count)
    return table("LDAP sync against ldapsearch in pages of 1000 (wall time)", rows)
