"""A token server of the Docker token protocol that shares no code with the registry: Python's http.server, tokens by PyJWT.

Usage: token-server.py '<JSON>' where JSON = {issuer, service, alg, users: {<login>: {password, rights}}, anonymous: rights}
rights = [[<repository, or a prefix that ends in *>, [<action>, ...]], ...]; the catalog is the repository "registry:catalog".
GET /token (optional Basic), POST /token (password, refresh_token), GET /jwks.json; POST /rotate makes a new key and forgets the old one.
It prints its port on the first line of its output. For tests alone: passwords stand in its arguments.
"""

import base64
import json
import secrets
import sys
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CONFIG = json.loads(sys.argv[1])
LIFETIME = 300
KEYS = {}
REFRESH = {}


def new_key():
    alg = CONFIG.get("alg", "ES256")
    if alg == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    elif alg == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        private = ec.generate_private_key(ec.SECP256R1())
    KEYS.clear()
    KEYS.update(kid=uuid.uuid4().hex, alg=alg, private=private)


def jwks():
    algorithm = jwt.get_algorithm_by_name(KEYS["alg"])
    key = json.loads(algorithm.to_jwk(KEYS["private"].public_key()))
    return {"keys": [{**key, "kid": KEYS["kid"], "alg": KEYS["alg"], "use": "sig"}]}


def rights_of(login):
    return CONFIG.get("anonymous", []) if login == "" else CONFIG["users"][login]["rights"]


def allowed(rights, name):
    actions = set()
    for pattern, granted in rights:
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            actions.update(granted)
    return actions


def access_of(login, scopes):
    """The intersection of what is asked for and what is allowed; scopes of which nothing is left are not mentioned."""
    access = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, asked = rest.rpartition(":")
        kind = kind.partition("(")[0]
        if kind not in ("repository", "registry") or name == "":
            continue
        mine = allowed(rights_of(login), name if kind == "repository" else "registry:" + name)
        wanted = set(asked.split(","))
        granted = sorted(mine if "*" in wanted and kind == "repository" else mine & wanted)
        if granted:
            access.append({"type": kind, "name": name, "actions": granted})
    return access


def token_for(login, scopes):
    now = int(time.time())
    claims = {"iss": CONFIG["issuer"], "sub": login, "aud": CONFIG["service"], "exp": now + LIFETIME, "nbf": now - 5, "iat": now, "jti": uuid.uuid4().hex, "access": access_of(login, scopes)}
    return jwt.encode(claims, KEYS["private"], algorithm=KEYS["alg"], headers={"kid": KEYS["kid"]})


def knows(login, password):
    user = CONFIG["users"].get(login)
    return user is not None and secrets.compare_digest(user["password"], password)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self):
        self.reply(401, {"error": "invalid_grant", "errors": [{"code": "UNAUTHORIZED", "message": "login or password is wrong"}]})

    def issue(self, login, query, offline):
        scopes = [scope for value in query.get("scope", []) for scope in value.split(" ") if scope]
        if query.get("service", [CONFIG["service"]])[0] != CONFIG["service"]:
            return self.reply(400, {"errors": [{"code": "DENIED", "message": "another service"}]})
        token = token_for(login, scopes)
        body = {"token": token, "access_token": token, "expires_in": LIFETIME}
        if offline and login != "":
            refresh = secrets.token_urlsafe(32)
            REFRESH[refresh] = login
            body["refresh_token"] = refresh
        self.reply(200, body)

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/jwks.json":
            return self.reply(200, jwks())
        if url.path != "/token":
            return self.reply(404, {})
        query = parse_qs(url.query)
        scheme, _, text = self.headers.get("Authorization", "").partition(" ")
        login, _, password = base64.b64decode(text).decode().partition(":") if scheme.lower() == "basic" else ("", "", "")
        if login != "" and not knows(login, password):
            return self.refuse()
        self.issue(login, query, query.get("offline_token") == ["true"])

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
        if self.path == "/rotate":
            new_key()
            return self.reply(200, {})
        one = lambda name: form.get(name, [""])[0]
        if one("grant_type") == "refresh_token":
            login = REFRESH.get(one("refresh_token"))
            return self.refuse() if login is None else self.issue(login, form, False)
        if one("grant_type") == "password" and knows(one("username"), one("password")):
            return self.issue(one("username"), form, one("access_type") == "offline")
        self.refuse()


new_key()
server = ThreadingHTTPServer(("127.0.0.1", int(CONFIG.get("port", 0))), Handler)
print(server.server_port, flush=True)
server.serve_forever()
