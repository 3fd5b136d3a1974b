"""The sync with roles and projects from groups against the two ldapsearch runs that fetch the same."""

import os
import shutil

import ldap
from measure import Directory, Row, Turns, good, mib, missing, peak, size

TITLE = "LDAP sync with groups against ldapsearch"
ABOUT = (
    "Wall time of `cc-user sync-ldap` with a group-map, journal included, to the two `ldapsearch` runs that fetch"
    " the same users and groups in pages of 1000: into an empty user table, and when nothing has changed. Each"
    " member of a group becomes manager of its project. The minimum of the rounds."
)

# Users, groups, and members of each group; rounds.
SIZES = size({(100_000, 2_000, 500): 3}, {(100, 20, 10): 1})
MAP = (
    '{"group-base": "ou=groups,%s", "group-filter": "(objectClass=groupOfNames)",'
    ' "rules": [{"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]}]}' % ldap.BASE
)


def groups(path, users, count, members):
    """Adds the groups to the LDIF; every user is in the same number of them."""
    with open(path, "a") as file:
        file.write(f"dn: ou=groups,{ldap.BASE}\nobjectClass: organizationalUnit\nou: groups\n\n")
        for group in range(count):
            file.write(f"dn: cn=pi-p{group:05},ou=groups,{ldap.BASE}\nobjectClass: groupOfNames\ncn: pi-p{group:05}\n")
            for member in range(members):
                user = (group * members + member) % users
                file.write(f"member: uid=user{user:06},ou=people,{ldap.BASE}\n")
            file.write("\n")


class Server(ldap.Server):
    """slapd with users and groups."""

    def __init__(self, directory, users, count, members):
        self.groups = (users, count, members)
        super().__init__(directory, users)

    def add_entries(self, path, count):
        super().add_entries(path, count)
        groups(path, *self.groups)


def measure(users, count, members, turns):
    with Directory() as directory:
        server = Server(directory.path, users, count, members)
        try:
            directory.sh("cc-user", "init", "-q")
            directory.write(
                "config.json",
                '{"auth": {"ldap": {"url": "%s", "user-base": "ou=people,%s", "search-dn": "%s",'
                ' "user-filter": "(objectClass=posixAccount)", "group-map": %s}}}'
                % (server.url, ldap.BASE, ldap.BIND, MAP),
            )
            directory.write(".env", directory.read(".env") + f"LDAP_ADMIN_PASSWORD={ldap.PASSWORD}\n")
            database, empty = directory.file("var/job.db"), directory.file("empty.db")
            shutil.copy(database, empty)

            def reset():
                for name in os.listdir(directory.file("var")):
                    if name.startswith("job.db"):
                        os.remove(directory.file(f"var/{name}"))
                shutil.copy(empty, database)

            search = "ldapsearch -x -LLL -H %s -D %s -w %s -E pr=1000/noprompt" % (
                server.url, ldap.BIND, ldap.PASSWORD,
            )
            both_searches = ["sh", "-c", (
                f"{search} -b ou=people,{ldap.BASE} '(objectClass=posixAccount)' uid gecos && "
                f"{search} -b ou=groups,{ldap.BASE} '(objectClass=groupOfNames)' cn objectClass member"
            )]
            sync = ["cc-user", "sync-ldap", "-q"]
            good(both_searches, cwd=directory.path)
            reset()
            held = peak(sync, cwd=directory.path)
            both = {"ours": sync, "peer": both_searches}
            first = Turns(both, turns, before={"ours": reset}, cwd=directory.path)
            again = Turns(both, turns, cwd=directory.path)
            return (first, held), (again, peak(sync, cwd=directory.path))
        finally:
            server.stop()


def run():
    if not os.path.exists("/usr/sbin/slapd") or not shutil.which("ldapsearch"):
        return [missing("LDAP sync with groups", "slapd or ldapsearch")], []
    rows = []
    for (users, count, members), turns in SIZES.items():
        first, again = measure(users, count, members, turns)
        is_large = users >= ldap.LARGE
        for what, (seen, held) in [("first sync", first), ("sync without change", again)]:
            ours, peer = seen.minimum("ours", "wall"), seen.minimum("peer", "wall")
            rows.append(Row(
                f"wall time of the {what} of {users:,} users with {count * members:,} memberships in {count:,} groups",
                ours / peer, f"{ours:.2f} s to {peer:.2f} s, the minimum of {turns} rounds; "
                f"{seen.minimum('ours'):.2f} s CPU, {mib(held)}",
                most=2 if is_large else None,
            ))
            if held is None:
                rows.append(missing("peak memory", "GNU time"))
            else:
                rows.append(Row(f"peak memory of the {what} with groups", held / (1 << 20), f"{users:,} users",
                                most=150 if is_large else None, unit="MiB", digits=1))
    return rows, []
