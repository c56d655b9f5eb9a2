#!/usr/bin/env python3
"""A web server on loopback for tests of downloads.

usage: mirror.py PORT DIRECTORY

Serves the files of DIRECTORY, ranges too, and appends a line for each request to DIRECTORY/log: "PATH RANGE". What
DIRECTORY/manner says, if it is there, is how it misbehaves: "cut N" sends N bytes of an archive and hangs up, "norange"
does not know ranges, "slow" sends an archive a little at a time, "huge" sends without an end.
"""
import http.server
import os
import sys
import time

port, root = int(sys.argv[1]), sys.argv[2]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        wanted = self.headers.get("Range")
        with open(os.path.join(root, "log"), "a") as log:
            log.write(f"{self.path} {wanted or '-'}\n")
        manner = (read(os.path.join(root, "manner")) or b"").decode().split()
        data = read(os.path.join(root, self.path.lstrip("/")))
        if data is None or ".." in self.path:
            return self.send_error(404)
        start = 0
        if wanted and manner != ["norange"]:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if manner == ["huge"]:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.send_body(data[start:], manner if self.path.endswith(".gz") or manner == ["huge"] else [])

    def send_body(self, data, manner):
        try:
            if manner[:1] == ["cut"]:
                self.wfile.write(data[: int(manner[1])])
                self.close_connection = True
            elif manner == ["huge"]:
                while True:
                    self.wfile.write(data)
            elif manner == ["slow"]:
                for at in range(0, len(data), 65536):
                    self.wfile.write(data[at : at + 65536])
                    time.sleep(0.2)
            else:
                self.wfile.write(data)
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
