"""Random configuration files with a token, and the check of what a program changed in them.

    documents.py generate DIR SEED COUNT   writes files and renewals.yaml
    documents.py check DIR                 reads DIR/old and DIR/new with independent parsers

A document is rejected by the program or changed in one value. The parsers are those of Python.
"""
import base64, configparser, io, json, os, random, shlex, subprocess, sys, tomllib

import dotenv
import yaml

OLD = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJvbGQifQ.c2lnbmF0dXJl"
TEXTS = [
    "", "a", "http", "1", "1e3", "true", "null", "~", "no", "x y", " x ", "it's", 'say "hi"', "back\\slash",
    "tab\there", "ünïcode ✓", "𝒳", "a: b", "a #b", "#c", "- d", "[e", "{f", "*g", "&h", "!i", "%j", "@k", "|", ">",
    "jwt: x", 'jwt = "x"', "\u2028", "\u0085", "\u00a0", "a\\nb", "$HOME", "`x`", "${A}", OLD[:-1], "Bearer x",
    "line1\nline2", "line1\njwt = \"x\"\nline3", "\n", "a\n\nb\n", "' \"", "=", "a=b", ";x",
]
NAMES = ["type", "url", "interval", "a b", "x/y", "m~n", "ünï", "1", "true", "null", "", "a.b", "a-b", "jwt2", "Jwt", "k"]


class Document:
    """A file with the path of its token."""

    def __init__(self, kind, name, text, target, path):
        self.kind, self.name, self.text, self.target, self.path = kind, name, text, target, path


def tree(rng, depth=0):
    """A random tree, in which a value may be the token."""
    size = rng.randrange(4)
    if depth < 3 and rng.random() < 0.5:
        return {name: tree(rng, depth + 1) for name in rng.sample(NAMES, size)}
    if depth < 3 and rng.random() < 0.4:
        return [tree(rng, depth + 1) for _ in range(size)]
    kinds = [lambda: rng.choice(TEXTS)] * 6 + [lambda: rng.randrange(-9, 999), lambda: 1.5, lambda: True, lambda: None]
    return rng.choice(kinds)()


def with_token(rng):
    """A random object with a token, and its path."""
    root = {name: tree(rng, 1) for name in rng.sample(NAMES, rng.randrange(1, 5))}
    path, inner = [], root
    for _ in range(rng.randrange(3)):
        objects = [name for name, value in inner.items() if isinstance(value, dict)]
        name = rng.choice(objects) if objects and rng.random() < 0.8 else rng.choice(NAMES)
        if not isinstance(inner.get(name), dict):
            inner[name] = {}
        inner = inner[name]
        path.append(name)
    name = rng.choice(["jwt", "token", "a/b", "x~y", "ünï", "TOKEN"])
    if rng.random() < 0.3:
        inner[name] = [tree(rng, 2), rng.choice([OLD, OLD, ""])]
        path += [name, "1"]
    else:
        inner[name] = rng.choice([OLD, OLD, OLD, "", "Bearer " + OLD])
        path.append(name)
    if rng.random() < 0.7:
        items = list(root.items())
        rng.shuffle(items)
        root = dict(items)
    return root, path


def pointer(path):
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def finish(rng, text):
    """Line ends, the end of the file and a byte order mark."""
    if rng.random() < 0.3:
        text = text.replace("\n", "\r\n")
    if rng.random() < 0.3:
        text = text.rstrip("\r\n")
    elif rng.random() < 0.2:
        text += "\n\n"
    if rng.random() < 0.03:
        text = "\ufeff" + text
    return text


# JSON

def json_text(rng, value):
    def string(text):
        written = json.dumps(text, ensure_ascii=rng.random() < 0.5)
        if rng.random() < 0.3:
            written = written.replace("/", "\\/")
        if rng.random() < 0.2 and text[:1].isalpha() and text[:1].isascii():
            written = '"\\u%04x' % ord(text[0]) + written[2:]
        return written

    def blank():
        return rng.choice(["", "", " ", "\n", "\t", "\n  "])

    if isinstance(value, dict):
        members = [blank() + string(name) + blank() + ":" + blank() + json_text(rng, one) + blank() for name, one in value.items()]
        if members and rng.random() < 0.05:
            members.append(rng.choice(members))
        return "{" + (",".join(members) or blank()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(blank() + json_text(rng, one) + blank() for one in value) + "]"
    if isinstance(value, str):
        return string(value)
    if isinstance(value, float):
        return rng.choice(["1.5", "1.50", "15e-1", "0.15E+1"])
    return json.dumps(value)


def json_document(rng):
    root, path = with_token(rng)
    text = finish(rng, rng.choice(["", "\n", " "]) + json_text(rng, root) + "\n")
    return Document("json", "c.json", text, "#" + pointer(path), path)


# YAML

def yaml_scalar(rng, value, flow, indent):
    if not isinstance(value, str):
        return "null" if value is None else json.dumps(value)
    choices = [json.dumps(value, ensure_ascii=False).replace("\u2028", "\\L").replace("\u0085", "\\N").replace("\u00a0", "\\_")]
    if "\n" not in value and "\u2028" not in value and "\u0085" not in value and "\t" not in value:
        choices.append("'" + value.replace("'", "''") + "'")
    if value and value.replace("-", "").replace("_", "").replace(".", "").isalnum() and value.isascii() and value[0].isalpha() \
            and value not in ("true", "null", "no"):
        choices += [value, value, value]
    if value == "Bearer " + OLD:
        choices += [value, value]
    if not flow and value.strip() and value == value.strip() and "\t" not in value and "\r" not in value \
            and "\u2028" not in value and "\u0085" not in value and "\n\n" not in value:
        inner = "\n".join(" " * (indent + 2) + line for line in value.split("\n"))
        choices.append("|-\n" + inner)
        if "\n" not in value:
            choices.append(">-\n" + inner)
    written = rng.choice(choices)
    if rng.random() < 0.04 and not written.startswith(("|", ">")):
        written = rng.choice([f"&a{rng.randrange(10**9)} ", "!!str "]) + written
    return written


def yaml_key(rng, name):
    return yaml_scalar(rng, name, True, 0).removeprefix("!!str ")


def yaml_flow(rng, value, indent):
    if isinstance(value, dict):
        members = [yaml_key(rng, name) + ": " + yaml_flow(rng, one, indent) for name, one in value.items()]
        return "{" + rng.choice([", ", ",\n" + " " * (indent + 2)]).join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(yaml_flow(rng, one, indent) for one in value) + "]"
    return yaml_scalar(rng, value, True, indent)


def yaml_block(rng, value, indent):
    """The text after `name:` or `-`, with its line end."""
    comment = rng.choice(["", "", "", "  # comment: " + OLD[:9]])
    if isinstance(value, (dict, list)) and (not value or rng.random() < 0.25):
        return " " + yaml_flow(rng, value, indent) + comment + "\n"
    if isinstance(value, dict):
        lines = "".join(" " * (indent + 2) + yaml_key(rng, name) + ":" + yaml_block(rng, one, indent + 2) for name, one in value.items())
        return comment + "\n" + lines
    if isinstance(value, list):
        return comment + "\n" + "".join(" " * (indent + 2) + "-" + yaml_block(rng, one, indent + 2) for one in value)
    written = yaml_scalar(rng, value, False, indent)
    return " " + written + ("" if "\n" in written else comment) + "\n"


def yaml_document(rng):
    root, path = with_token(rng)
    text = "".join(yaml_key(rng, name) + ":" + yaml_block(rng, one, 0) for name, one in root.items())
    if rng.random() < 0.3:
        text = "# first\n---\n" + text
    target = list(path)
    if rng.random() < 0.15:
        text += rng.choice(["---\nother: 1\n", "...\n---\n- jwt: x\n"])
    elif rng.random() < 0.1:
        text = "first: {jwt: x}\n---\n" + text.removeprefix("# first\n---\n")
        target = ["1", *path]
        path = [1, *path]
        return Document("yaml", "c.yaml", finish(rng, text), "#" + pointer(target), path)
    return Document("yaml", "c.yaml", finish(rng, text), "#" + pointer(target), [0, *path])


# TOML

def toml_string(rng, value):
    choices = [json.dumps(value, ensure_ascii=False).replace("\u0085", "\\u0085")]
    if "'" not in value and "\n" not in value and "\t" not in value:
        choices.append("'" + value + "'")
    if "'''" not in value and not value.endswith("'"):
        choices.append("'''\n" + value + "'''")
    if "\\" not in value and '"' not in value:
        choices.append('"""' + rng.choice(["", "\n", "\\\n  "]) + value.lstrip() + '"""')
    return rng.choice(choices)


def toml_document(rng):
    lines, sections = [], rng.sample(["a", "sinks", "sinks.http", "x-y", "b.c.d"], rng.randrange(1, 4))
    place = rng.choice(sections)
    target = None
    for section in sections:
        lines.append(rng.choice(["", "# jwt = \"x\""]))
        lines.append("[" + section + "]" + rng.choice(["", " # c"]))
        names = rng.sample(["type", "url", "k", "q2", "\"a b\"", "z.y"], rng.randrange(4))
        for name in names:
            value = rng.choice(TEXTS + ['[x]\njwt = "x"\n', "\nTOKEN = 'x'\n"])
            lines.append(rng.choice(["", "  "]) + name + rng.choice([" = ", "="]) + rng.choice([toml_string(rng, value), "[1, 2]", "{u = 1}", "3", "1979-05-27"]))
        if section == place:
            name = rng.choice(["jwt", "TOKEN", "bearer_token"])
            value = rng.choice([OLD, OLD, ""])
            written = rng.choice([f'"{value}"', f"'{value}'", toml_string(rng, value)])
            lines.append(name + rng.choice([" = ", "=", "\t=\t"]) + written + rng.choice(["", " # note", " # \"x\""]))
            target = section.split(".") + [name]
    return Document("toml", "c.toml", finish(rng, "\n".join(lines) + "\n"), "#" + ".".join(target), target)


# INI

def ini_document(rng):
    lines, target = ["; first", "# second"], None
    sections = rng.sample(["main", "cc backend", "http", "x"], rng.randrange(1, 4))
    place = rng.choice(sections)
    for section in sections:
        lines.append(f"[{section}]")
        for name in rng.sample(["url", "type", "note", "k"], rng.randrange(4)):
            value = rng.choice([text for text in TEXTS if "\n" not in text and "\u2028" not in text and "\u0085" not in text])
            lines.append(name + rng.choice(["=", " = ", ": "]) + value + rng.choice(["", "", "\n  continued", "\n\ttoken = x"]))
        if section == place:
            value = rng.choice([OLD, OLD, '"' + OLD + '"', ""])
            lines.append("token" + rng.choice(["=", " = ", ": "]) + value)
            target = [section, "token"]
    return Document("ini", "c.ini", finish(rng, "\n".join(lines) + "\n"), "#" + ".".join(target), target)


# Environment files

def env_document(rng):
    lines = []
    name = rng.choice(["TOKEN", "CC_FLEET_TOKEN", "METRICSTORE_TOKEN"])
    others = rng.sample(["A", "B2", "_C", "URL", "LONG_NAME"], rng.randrange(5))
    entries = []
    for other in others:
        value = rng.choice(["", "a", "x y", "http://h:1/p", "a=b", "ünï", "it", "#x", "line1\nTOKEN=x\nline3"])
        forms = [f'{other}="{value}"', f"{other}='{value}'"]
        if value.replace("/", "").replace(":", "").isalnum() or not value:
            forms += [f"{other}={value}", f"export {other}={value}"]
        entries.append(rng.choice(forms) + rng.choice(["", "", " # comment"]))
    value = rng.choice([OLD, OLD, "", "Bearer " + OLD])
    forms = [f'{name}="{value}"', f"{name}='{value}'"]
    if " " not in value:
        forms += [f"{name}={value}", f"export {name}={value}", f"{name} = {value}"]
    written = rng.choice(forms)
    entries.append(written + (rng.choice(["", " # comment"]) if value else ""))
    rng.shuffle(entries)
    for entry in entries:
        lines.append(entry)
        if rng.random() < 0.3:
            lines.append(rng.choice(["", "# TOKEN=x", "  # note", f"# {OLD}"]))
    return Document("env", rng.choice([".env", "collector.env"]), finish(rng, "\n".join(lines) + "\n"), "#" + name, [name])


# Shell files

def shell_document(rng):
    entries = []
    for name in rng.sample(["A", "B2", "_C", "URL"], rng.randrange(5)):
        value = rng.choice(["", "a", "x y", "http://h:1/p", "ünï", "#x", "line1\nTOKEN=x\nline3", "\nTOKEN='x"])
        quote = '"' if "'" in value else rng.choice(["'", '"'])
        entries.append(rng.choice(["", "export "]) + name + "=" + quote + value + quote + rng.choice(["", " # TOKEN=x"]))
    value = rng.choice([OLD, OLD, ""])
    forms = [f'TOKEN="{value}"', f"TOKEN='{value}'", f"TOKEN={value}"]
    entries.append(rng.choice(["", "export "]) + rng.choice(forms) + rng.choice(["", " # x"]))
    if rng.random() < 0.05:
        entries.append("if true; then\n  TOKEN=x$TOKEN\nfi")
    rng.shuffle(entries)
    text = "# first\n" + "\n".join(entries) + rng.choice(["", "\n", "\n\n"])
    return Document("shell", "default", text, "#TOKEN", ["TOKEN"])


# systemd units

def unit_document(rng):
    lines = ["# unit", "[Unit]", "Description=x", "[Service]"]
    value = rng.choice([OLD, OLD, ""])
    words = rng.sample(["A=1", '"B=x y"', "'C=TOKEN=x'", "URL=http://h"], rng.randrange(4))
    words.append(rng.choice([f"TOKEN={value}", f'"TOKEN={value}"', f"'TOKEN={value}'"]))
    rng.shuffle(words)
    lines.append("Environment=" + " ".join(words))
    lines += rng.choice([[], ["Environment=D=2 # no comment"], ["EnvironmentFile=-/etc/x", "; c"]])
    lines.append("ExecStart=/bin/sh -c 'TOKEN=x /bin/true'")
    return Document("unit", "x.service", finish(rng, "\n".join(lines) + "\n"), "#Service.Environment.TOKEN", ["TOKEN"])


# Kubernetes Secrets

def secret_document(rng):
    inner = rng.choice([json_document, env_document])(rng)
    name = {"json": "sinks.json", "env": ".env"}[inner.kind]
    encoded = base64.b64encode(inner.text.encode()).decode()
    quote = rng.choice(["", '"', "'"])
    text = f"apiVersion: v1\nkind: Secret # jwt\ndata:\n  other: {quote}eA=={quote}\n  {name}: {quote}{encoded}{quote}\n"
    document = Document("secret-" + inner.kind, "s.yaml", finish(rng, text), f"#/data/{name}" + inner.target, [name, *inner.path])
    return document


KINDS = [json_document, json_document, yaml_document, yaml_document, toml_document, ini_document, env_document, shell_document, unit_document, secret_document]


# Independent parsers: each returns plain data.

class Pairs(list):
    """An object with a name that occurs twice."""


def pairs_or_object(pairs):
    return Pairs(list(pair) for pair in pairs) if len({name for name, _ in pairs}) < len(pairs) else dict(pairs)


def plain_json(text):
    return json.loads(text, object_pairs_hook=pairs_or_object)


def unit_variables(text):
    found, rest, section = [], [], None
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        if section == "[Service]" and line.startswith("Environment="):
            found += [tuple(word.split("=", 1)) for word in shlex.split(line.removeprefix("Environment="))if "=" in word]
        else:
            rest.append(line)
    return {**dict(found), "": rest}


def read(kind, text):
    if kind == "json":
        return plain_json(text)
    if kind == "yaml":
        return list(yaml.load_all(text, yaml.BaseLoader))
    if kind == "toml":
        return tomllib.loads(text)
    if kind == "ini":
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str
        parser.read_string(text)
        return {name: dict(parser[name]) for name in parser.sections()}
    if kind == "env":
        return dict(dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False))
    if kind == "shell":
        script = ["bash", "-c", "set -a; . /dev/stdin; exec env -0"]
        run = subprocess.run(script, input=text.encode(), capture_output=True, check=True)
        if run.stderr:
            raise ValueError(run.stderr.decode())
        variables = dict(entry.split("=", 1) for entry in run.stdout.decode().split("\0") if entry)
        return {name: value for name, value in variables.items() if name != "_"}
    if kind == "unit":
        return unit_variables(text)
    if kind.startswith("secret-"):
        data = yaml.safe_load(text)["data"]
        name = next(name for name in data if name != "other")
        inner = base64.b64decode(data[name], validate=True).decode()
        return {"other": data["other"], name: read(kind.removeprefix("secret-"), inner)}
    raise ValueError(kind)


def slot(value, part):
    """Returns the list or object that has a value, and its index or name there."""
    if isinstance(value, Pairs):
        [pair] = [pair for pair in value if pair[0] == part]
        return pair, 1
    return value, int(part) if isinstance(value, list) else part


def take(value, path):
    """Returns the value at a path, and replaces it by nothing."""
    for part in path[:-1]:
        holder, key = slot(value, part)
        value = holder[key]
    holder, key = slot(value, path[-1])
    taken, holder[key] = holder[key], None
    return taken


def generate(directory, seed, count):
    rng = random.Random(seed)
    renewals, manifest = [], []
    for index in range(count):
        document = rng.choice(KINDS)(rng)
        place = f"{index}/{document.name}"
        for part in ("old", "new"):
            os.makedirs(f"{directory}/{part}/{index}")
            with open(f"{directory}/{part}/{place}", "w", newline="", encoding="utf-8") as file:
                file.write(document.text)
        manifest.append({"kind": document.kind, "place": place, "path": document.path})
        renewals.append({"user": "collector", "into": f"new/{place}{document.target}", "lifetime": "24h"})
    with open(f"{directory}/manifest.json", "w") as file:
        json.dump(manifest, file)
    with open(f"{directory}/renewals.yaml", "w", encoding="utf-8") as file:
        yaml.safe_dump(renewals, file, allow_unicode=True)


def text_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return file.read()


def check(directory):
    with open(f"{directory}/manifest.json") as file:
        manifest = json.load(file)
    counts, failures = {}, []
    for entry in manifest:
        kind, place, path = entry["kind"], entry["place"], entry["path"]
        old, new = text_of(f"{directory}/old/{place}"), text_of(f"{directory}/new/{place}")
        changed, valid, total = counts.get(kind, (0, 0, 0))
        try:
            before = read(kind, old)
            was = take(before, path)
        except Exception as error:
            before = error
        is_valid = not isinstance(before, Exception)
        counts[kind] = (changed + (old != new), valid + is_valid, total + 1)
        if old == new:
            continue
        try:
            if not is_valid:
                raise ValueError(f"changed although Python rejects it: {before!r}")
            after = read(kind, new)
            token = take(after, path)
            prefix = '"' if was.startswith('"') else ""
            bare = token.strip('"').removeprefix("Bearer ")
            if not (bare.startswith("eyJ") and bare.count(".") == 2 and bare != OLD and token.startswith(prefix)):
                raise ValueError(f"the value is not the new token: {token[:60]!r}")
            if after != before:
                raise ValueError("another value changed")
            if new.replace(bare, OLD).count(OLD) < 1 and not kind.startswith("secret-"):
                raise ValueError("the token is not in the text")
        except Exception as error:
            failures.append(f"{kind} {place} {path}: {error}")
    print(json.dumps({"counts": counts, "failures": failures}))


if __name__ == "__main__":
    if sys.argv[1] == "generate":
        generate(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        check(sys.argv[2])
