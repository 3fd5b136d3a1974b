"""A user with a browser at Keycloak: opens the URL, fills in the forms, and prints where it ended, in JSON.

usage: keycloak_page.py [--user NAME] [--password TEXT] [--cancel] [--ca FILE] [--stop URL] URL
With --cancel, the user declines the request for consent. With --stop, a redirect to this URL is not followed but
printed, alone.
"""

import argparse
import html.parser
import http.cookiejar
import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

arguments = argparse.ArgumentParser()
arguments.add_argument("--user", default="clara")
arguments.add_argument("--password", default="pw")
arguments.add_argument("--cancel", action="store_true")
arguments.add_argument("--ca")
arguments.add_argument("--stop")
arguments.add_argument("url")
options = arguments.parse_args()


class Page(html.parser.HTMLParser):
    """The forms of a page, with their fields, and its text."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.text, self.hidden = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append((attributes.get("action", ""), {}))
        elif tag in ("input", "button") and self.forms and attributes.get("name"):
            self.forms[-1][1][attributes["name"]] = attributes.get("value") or ""
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.hidden and data.strip():
            self.text.append(data.strip())


class Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, answer, code, message, headers, url):
        if options.stop and url.startswith(options.stop):
            print(url, flush=True)
            sys.exit()
        return super().redirect_request(request, answer, code, message, headers, url)


context = ssl.create_default_context(cafile=options.ca)
# Browsers send secure cookies to this computer without TLS too.
cookies = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https")))
opener = urllib.request.build_opener(
    Redirects(), urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(cookies),
    urllib.request.HTTPSHandler(context=context))


def load(url, fields=None):
    data = urllib.parse.urlencode(fields).encode() if fields is not None else None
    try:
        answer = opener.open(url, data, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.geturl(), Page(answer.read().decode("utf-8", "replace"))


status, url, page = load(options.url)
for _ in range(8):
    forms = [(action, fields) for action, fields in page.forms if {"username", "accept"} & fields.keys()]
    if not forms:
        break
    action, fields = forms[0]
    if "accept" in fields:
        fields.pop("accept" if options.cancel else "cancel")
    else:
        fields.update(username=options.user, password=options.password)
    status, url, page = load(urllib.parse.urljoin(url, action), fields)
json.dump({"status": status, "url": url.split("?")[0], "text": " ".join(page.text)}, sys.stdout)
