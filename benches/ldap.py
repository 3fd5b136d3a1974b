"""The sync against OpenLDAP's own ldapsearch in pages of 1000, on the same server, in turn."""

import os
import shutil
import socket
import subprocess
import time

from measure import Directory, Row, Turns, good, mib, missing, peak, size
from plot import chart

TITLE = "LDAP sync against ldapsearch"
ABOUT = (
    "Wall time of `cc-user sync-ldap` to `ldapsearch` that fetches the same entries in pages of 1000 from"
    " the same slapd and throws them away: into an empty user table, and when nothing has changed."
)

BASE = "dc=rz,dc=example,dc=com"
BIND = f"cn=sync,{BASE}"
PASSWORD = "syncpw"
SCHEMA = "/etc/ldap/schema"
# Users, and rounds for so many.
SIZES = size({1_000: 9, 10_000: 9, 100_000: 5, 200_000: 3, 300_000: 5}, {100: 1, 200: 1})
# From here on the aims hold: below, starting is what counts.
LARGE = 100_000


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
    """slapd on a loopback port with a directory of its own."""

    def __init__(self, directory, count):
        data = os.path.join(directory, "ldap")
        os.makedirs(data)
        conf = os.path.join(directory, "slapd.conf")
        with open(conf, "w") as file:
            for name in ["core", "cosine", "nis", "inetorgperson"]:
                file.write(f"include {SCHEMA}/{name}.schema\n")
            file.write(
                "modulepath /usr/lib/ldap\nmoduleload back_mdb\nsizelimit unlimited\n"
                f"database mdb\nsuffix {BASE}\ndirectory {data}\nmaxsize 4294967296\ndbnosync\n"
                "index objectClass,uid eq\n"
            )
        self.add_entries(os.path.join(directory, "all.ldif"), count)
        subprocess.run(
            ["/usr/sbin/slapadd", "-q", "-f", conf, "-l", os.path.join(directory, "all.ldif")],
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

    def add_entries(self, path, count):
        ldif(path, count)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def measure(count, turns):
    """Wall times and peaks at so many users: `(Turns, peak)` of first, again; ldapsearch's peak."""
    with Directory() as directory:
        server = Server(directory.path, count)
        try:
            directory.sh("cc-user", "init", "-q")
            directory.write(
                "config.json",
                '{"auth": {"ldap": {"url": "%s", "user-base": "%s", "search-dn": "%s",'
                ' "user-filter": "(objectClass=posixAccount)"}}}' % (server.url, BASE, BIND),
            )
            directory.write(".env", directory.read(".env") + f"LDAP_ADMIN_PASSWORD={PASSWORD}\n")
            database, empty = directory.file("var/job.db"), directory.file("empty.db")
            shutil.copy(database, empty)

            def reset():
                for suffix in ["-wal", "-shm"]:
                    if os.path.exists(database + suffix):
                        os.remove(database + suffix)
                shutil.copy(empty, database)

            # The password is the bench's own; others would give it by -y.
            search = ["ldapsearch", "-x", "-LLL", "-H", server.url, "-D", BIND, "-w", PASSWORD, "-b", BASE,
                      "-E", "pr=1000/noprompt", "(objectClass=posixAccount)", "uid", "gecos"]
            sync = ["cc-user", "sync-ldap", "-q"]
            # The server's cache is warm for both.
            good(search, cwd=directory.path)
            reset()
            held_first = peak(sync, cwd=directory.path)
            both = {"ours": sync, "peer": search}
            first = Turns(both, turns, before={"ours": reset}, cwd=directory.path)
            again = Turns(both, turns, cwd=directory.path)
            return (first, held_first), (again, peak(sync, cwd=directory.path)), peak(search, cwd=directory.path)
        finally:
            server.stop()


def run():
    if not os.path.exists("/usr/sbin/slapd") or not shutil.which("ldapsearch"):
        return [missing("LDAP sync", "slapd or ldapsearch")], []
    rows = []
    ours, idle, peer = "cc-user, first sync", "cc-user, nothing changed", "ldapsearch"
    seconds, memory = ({ours: [], idle: [], peer: []} for _ in range(2))
    for count, turns in SIZES.items():
        first, again, held = measure(count, turns)
        for what, name, (seen, peak_seen), most in [
            ("first sync", ours, first, 1.5), ("sync without change", idle, again, 1.2),
        ]:
            wall = seen.median("ours", "wall")
            rows.append(Row(
                f"wall time of the {what} of {count:,} users", seen.ratio("ours", "peer", "wall"),
                f"{wall:.2f} s to {seen.median('peer', 'wall'):.2f} s, rounds {seen.spread('ours', 'peer', 'wall')};"
                f" {wall / count * 1e6:.1f} µs an entry, {mib(peak_seen)}",
                most=most if count >= LARGE else None,
            ))
            seconds[name].append((count, wall))
            memory[name].append((count, peak_seen))
        seconds[peer].append((count, again[0].median("peer", "wall")))
        memory[peer].append((count, held))
    pictures = [(
        "users-time.svg", "Wall time against the number of users: first sync, sync without change, ldapsearch",
        chart("LDAP sync: time", "How long a sync takes, and how long ldapsearch takes to fetch the same.", "users",
              "wall time in seconds", "s", list(seconds.items())),
    )]
    largest = max(SIZES)
    if memory[peer][0][1] is None:
        rows.append(missing("peak memory", "GNU time"))
    else:
        most = dict(memory[ours])[largest]
        rows.append(Row(f"peak memory of the first sync of {largest:,} users", most / (1 << 20),
                        f"ldapsearch {mib(dict(memory[peer])[largest])}", most=48, unit="MiB", digits=1))
        scaled = {name: [(x, y / (1 << 20)) for x, y in points] for name, points in memory.items()}
        pictures.append((
            "users-memory.svg", "Peak memory against the number of users: first sync, sync without change, ldapsearch",
            chart("LDAP sync: memory", "How much memory a sync takes, and ldapsearch for the same.", "users",
                  "peak memory in MiB", "MiB", list(scaled.items())),
        ))
    return rows, pictures
