#!/usr/bin/env python3
"""A Hugging Face Hub of this machine whose repositories are directories: for trying publish and pull with models that are too
large for the Hub of the tests, and for measuring them without the internet.

    hub_of_files.py DIRECTORY [PORT]        prints its address; then, elsewhere:
    HF_ENDPOINT=http://127.0.0.1:PORT HF_TOKEN=any larql publish X.vindex --repo ann/x
    HF_ENDPOINT=http://127.0.0.1:PORT larql pull hf://ann/x -o y

One version of each repository, uploads in one piece, no access rights. At the end (Ctrl-C, SIGTERM) it prints the bytes that it sent.
"""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import sys

LARGE = 1 << 20
ROOT = pathlib.Path(sys.argv[1])
HASHES = {}  # (path, size, time) -> (sha256, git blob)
SENT = {}  # kind of file -> bytes


def hashes(path):
    stat = path.stat()
    key = str(path), stat.st_size, stat.st_mtime_ns
    if key not in HASHES:
        sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % stat.st_size)
        with open(path, "rb") as f:
            while chunk := f.read(1 << 20):
                sha256.update(chunk)
                if stat.st_size < LARGE:
                    blob.update(chunk)
        HASHES[key] = sha256.hexdigest(), blob.hexdigest()
    return HASHES[key]


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=None, headers=()):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    @property
    def here(self):
        return f"http://{self.headers['Host']}"

    def files(self, repo):
        return sorted(p for p in (ROOT / repo).rglob("*") if p.is_file())

    def commit_of(self, repo):
        names = [f"{p.relative_to(ROOT / repo)} {hashes(p)[0]}" for p in self.files(repo)]
        return hashlib.sha1("\n".join(names).encode()).hexdigest()

    def do_GET(self):
        path = self.path.split("?")[0]
        if m := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/.*", path):
            repo = m[1]
            if not (ROOT / repo).is_dir():
                return self.answer(404, {"error": "Repository not found"}, [("X-Error-Code", "RepoNotFound")])
            if m[2] == "revision":
                return self.answer(200, {"id": repo, "sha": self.commit_of(repo)})
            out = []
            for p in self.files(repo):
                sha256, blob = hashes(p)
                size = p.stat().st_size
                entry = {"type": "file", "path": str(p.relative_to(ROOT / repo)), "size": size, "oid": blob}
                out.append(entry | ({"lfs": {"oid": sha256, "size": size}} if size >= LARGE else {}))
            return self.answer(200, out)
        if m := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.*)", path):
            return self.send_file(ROOT / m[1] / m[2])
        return self.answer(404, {"error": "no such page"})

    def send_file(self, path):
        size = path.stat().st_size
        begin, end, status = 0, size, 200
        if m := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            begin, end, status = int(m[1]), min(int(m[2]) + 1 if m[2] else size, size), 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
        self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        self.wfile.flush()
        kind = "layers" if path.parent.name == "layers" else "other files"
        with open(path, "rb") as f:
            while begin < end:
                n = os.sendfile(self.connection.fileno(), f.fileno(), begin, min(end - begin, 1 << 20))
                begin += n
                SENT[kind] = SENT.get(kind, 0) + n

    def do_POST(self):
        path = self.path.split("?")[0]
        data = self.body()
        if path == "/api/repos/create":
            asked = json.loads(data)
            (ROOT / asked["organization"] / asked["name"]).mkdir(parents=True)
            return self.answer(200, {"url": self.here})
        if "/preupload/" in path:
            return self.answer(200, {"files": [
                {"path": f["path"], "uploadMode": "lfs" if f["size"] >= LARGE else "regular", "shouldIgnore": False}
                for f in json.loads(data)["files"]]})
        if path.endswith("/info/lfs/objects/batch"):
            objects = []
            for o in json.loads(data)["objects"]:
                there = (ROOT / ".objects" / o["oid"]).exists()
                objects.append(o | ({} if there else {"actions": {"upload": {"href": f"{self.here}/upload/{o['oid']}"}}}))
            return self.answer(200, {"transfer": "basic", "objects": objects})
        if m := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/.*", path):
            for line in data.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "header":
                    continue
                to = ROOT / m[1] / entry["value"]["path"]
                to.parent.mkdir(parents=True, exist_ok=True)
                if entry["key"] == "file":
                    to.write_bytes(base64.b64decode(entry["value"]["content"]))
                else:
                    to.unlink(missing_ok=True)
                    os.link(ROOT / ".objects" / entry["value"]["oid"], to)
            return self.answer(200, {"success": True, "commitOid": self.commit_of(m[1])})
        return self.answer(404, {"error": "no such page"})

    def do_PUT(self):
        oid = self.path.removeprefix("/upload/")
        place = ROOT / ".objects" / oid
        place.parent.mkdir(parents=True, exist_ok=True)
        left, sha256 = int(self.headers["Content-Length"]), hashlib.sha256()
        with open(f"{place}.tmp", "wb") as f:
            while left:
                chunk = self.rfile.read(min(left, 1 << 20))
                left -= len(chunk)
                sha256.update(chunk)
                f.write(chunk)
        if sha256.hexdigest() != oid:
            return self.answer(400, {"error": "BadDigest"})
        shutil.move(f"{place}.tmp", place)
        return self.answer(200)


if __name__ == "__main__":
    ROOT.mkdir(parents=True, exist_ok=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Hub)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("\n".join(f"sent {n} bytes of {kind}" for kind, n in SENT.items()))
