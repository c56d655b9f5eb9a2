#!/usr/bin/env python3
"""Users change their root filesystems, and carrelctl takes snapshots of them, rolls back, resets and upgrades, in random order and with
sessions coming and going. What each user then sees is compared with a model that knows nothing of overlays: a dictionary.

usage: rootfs_model.py SEED USERS OPERATIONS WORKERS IMAGE.tar.gz OTHER.tar.gz SSH-COMMAND...
Users are m1, m2, ... and have the first of the images, which are imported under the names of their files.
"""
import hashlib
import os
import posixpath
import random
import subprocess
import sys
import tarfile
import threading
import time

seed, users, operations, workers = map(int, sys.argv[1:5])
images, ssh = sys.argv[5:7], sys.argv[7:]
failures = []
counts = {}

SCAN = r"""cd / && find opt root -path root/.ssh -prune -o -print | sort | while read -r f; do
if [ -L "$f" ]; then echo "$f link $(readlink "$f")"
elif [ -d "$f" ]; then echo "$f dir $(stat -c %a "$f")"
else echo "$f file $(stat -c %a "$f") $(md5sum <"$f" | cut -c1-32)"; fi; done"""


class Node:
    """A file, a directory or a link; a file may have several names, and a directory may be the image's or one that the user made."""

    def __init__(self, kind, mode, content, own=False):
        self.kind, self.mode, self.content, self.own = kind, mode, content, own

    def same(self, other):
        return other is not None and (self.kind, self.mode, self.content) == (other.kind, other.mode, other.content)


def copy_tree(tree):
    seen = {}
    copy = {}
    for path, node in tree.items():
        if id(node) not in seen:
            seen[id(node)] = Node(node.kind, node.mode, node.content, node.own)
        copy[path] = seen[id(node)]
    return copy


def read_image(image):
    tree = {"root": Node("dir", 0o700, None)}
    with tarfile.open(image) as tar:
        for member in tar:
            path = posixpath.normpath(member.name)
            if path.split("/")[0] != "opt":
                continue
            if member.islnk():
                tree[path] = tree[posixpath.normpath(member.linkname)]
            elif member.isdir():
                tree[path] = Node("dir", member.mode, None)
            elif member.issym():
                tree[path] = Node("link", 0o777, member.linkname)
            else:
                tree[path] = Node("file", member.mode, tar.extractfile(member).read())
    return tree


BARE = {os.path.basename(image).split(".")[0]: read_image(image) for image in images}
FIRST = next(iter(BARE))


def above(path):
    """The path, the directory it is in, and so on up."""
    while path:
        yield path
        path = posixpath.dirname(path)


class User:
    def __init__(self, name):
        self.name = name
        self.random = random.Random(f"{seed} {name}")
        self.image = FIRST
        self.tree = copy_tree(BARE[FIRST])
        self.touched = set()  # by which names files were changed: of a file of the image an upgrade keeps these
        self.snapshots = {}
        self.number = 0
        self.held = None
        self.history = []

    # --- what the model says ---

    def lines(self):
        result = []
        for path, node in sorted(self.tree.items()):
            if node.kind == "link":
                result.append(f"{path} link {node.content}")
            elif node.kind == "dir":
                result.append(f"{path} dir {node.mode:o}")
            else:
                result.append(f"{path} file {node.mode:o} {hashlib.md5(node.content).hexdigest()}")
        return sorted(result)

    def pick(self, *kinds):
        paths = [p for p, n in self.tree.items() if n.kind in kinds and p not in ("opt", "root")]
        return self.random.choice(sorted(paths)) if paths else None

    def remove(self, path):
        for other in [p for p in self.tree if p == path or p.startswith(path + "/")]:
            del self.tree[other]

    def several_names(self, path):
        """Whether a file below the directory has another name there."""
        inside = [n for p, n in self.tree.items() if p.startswith(path + "/") and n.kind == "file"]
        return len({id(n) for n in inside}) < len(inside)

    def upgraded(self, image):
        """The user's tree on another image: what is not as it was in the old one is kept, or else it is as in the new one."""
        old, mine, new = BARE[self.image], self.tree, copy_tree(BARE[image])
        result, remains = {}, []
        for path in sorted({*mine, *new}):
            was, has, gets = old.get(path), mine.get(path), new.get(path)
            if path.split("/")[0] == "root" or any(p in mine and mine[p].own for p in above(path)):
                gets = has  # the home, and all of a directory that they made
            elif any(p in old and p not in mine for p in above(path)):
                gets = None  # they deleted it, or what it was in
            elif has and not has.same(gets) and not (was and (has.same(was) or path not in self.touched)):
                gets = has
            elif has and not gets and has.kind == "dir":
                gets = has  # for as long as something of theirs is in it
                remains.append(path)
            if gets:
                result[path] = gets
        for path in reversed(remains):
            if not any(p.startswith(path + "/") for p in result):
                del result[path]
        self.touched = {p for p in self.touched if p in result and result[p] is mine.get(p)}
        self.image, self.tree = image, result

    def fresh_path(self):
        directory = self.random.choice(sorted(p for p, n in self.tree.items() if n.kind == "dir"))
        self.number += 1
        return f"{directory}/n{self.number}"

    # --- one change inside: the model's, and the command for it ---

    def change(self):
        what = self.random.choice(["new", "new", "append", "overwrite", "remove", "removedir", "mkdir", "link", "symlink", "move", "movedir",
                                   "chmod", "replacedir", "copydir"])
        text = f"{self.name} {self.number} {self.random.random()}"
        if what == "new":
            path = self.fresh_path()
            self.tree[path] = Node("file", 0o644, (text + "\n").encode())
            return f"echo '{text}' >/{path}"
        if what == "mkdir":
            path = self.fresh_path()
            self.tree[path] = Node("dir", 0o755, None, own=True)
            return f"mkdir /{path}"
        if what == "symlink":
            path = self.fresh_path()
            self.tree[path] = Node("link", 0o777, text.split()[0])
            return f"ln -s {text.split()[0]} /{path}"
        if what in ("append", "overwrite", "chmod", "link", "move"):
            path = self.pick("file")
            if not path:
                return "true"
            node = self.tree[path]
            self.touched.add(path)
            if what in ("append", "overwrite"):
                node.mode &= 0o777  # as the kernel does
            if what == "append":
                node.content += (text + "\n").encode()
                return f"echo '{text}' >>/{path}"
            if what == "overwrite":
                node.content = (text + "\n").encode()
                return f"echo '{text}' >/{path}"
            if what == "chmod":
                node.mode = self.random.choice([0o600, 0o644, 0o755, 0o4711])
                return f"chmod {node.mode:o} /{path}"
            target = self.fresh_path()
            if what == "link" and target.split("/")[0] == path.split("/")[0]:
                self.tree[target] = node
                return f"ln /{path} /{target}"
            if what == "link":  # another filesystem
                return "true"
            if target.split("/")[0] != path.split("/")[0]:
                self.tree[target] = Node("file", node.mode, node.content)
                del self.tree[path]
                return f"mv /{path} /{target}"
            self.tree[target] = node
            del self.tree[path]
            return f"mv /{path} /{target}"
        if what == "remove":
            path = self.pick("file", "link")
            if path:
                self.remove(path)
            return f"rm /{path}" if path else "true"
        path = self.pick("dir")
        if not path:
            return "true"
        if what == "removedir":
            self.remove(path)
            return f"rm -r /{path}"
        if what == "replacedir":
            self.remove(path)
            self.tree[path] = Node("dir", 0o755, None, own=True)
            self.tree[path + "/inside"] = Node("file", 0o644, b"inside\n")
            return f"rm -r /{path} && mkdir /{path} && echo inside >/{path}/inside"
        # A directory of the image cannot be renamed (EXDEV), so mv copies it, and files with several names become several files.
        if what == "copydir":  # the names and contents are the same as before, and all of it is the user's
            if self.several_names(path):
                return "true"
            for inner in [p for p in self.tree if path in above(p)]:
                node = self.tree[inner]
                self.tree[inner] = Node(node.kind, node.mode, node.content, own=node.kind == "dir")
            return f"cp -a /{path} /root/kept && rm -r /{path} && cp -a /root/kept /{path} && rm -r /root/kept"
        inside = [n for p, n in self.tree.items() if p.startswith(path + "/") and n.kind == "file"]
        if any(sum(other is node for other in self.tree.values()) > 1 for node in inside):
            return "true"
        self.number += 1
        target = f"{path.split('/')[0]}/d{self.number}"
        for old in sorted(p for p in self.tree if p == path or p.startswith(path + "/")):
            node = self.tree[target + old[len(path):]] = self.tree.pop(old)
            node.own = node.kind == "dir"
        return f"mv /{path} /{target}"

    # --- doing it ---

    def run(self, *command, status=0):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        if done.returncode != status:
            raise AssertionError(f"{command[-1][:2000]!r}: status {done.returncode}, not {status}: {done.stdout.decode()[-2000:]}")
        return done.stdout.decode()

    def session(self, changes):
        commands = [self.change() for _ in range(changes)]
        self.history += commands
        seen = self.run(*ssh, "-l", self.name, "127.0.0.1", " &&\n".join(["set -e", *commands]).replace("set -e &&\n", "set -e\n") + "\n" + SCAN)
        want = self.lines()
        if sorted(seen.splitlines()) != want:
            missing = sorted(set(want) - set(seen.splitlines()))
            extra = sorted(set(seen.splitlines()) - set(want))
            raise AssertionError(f"the model has {missing[:10]}, the user sees {extra[:10]}")

    def wait_until_gone(self):
        prefix = f"{self.run('id', '-u', self.name).strip()}-"
        deadline = time.monotonic() + 30
        while subprocess.run(["sh", "-c", f"ls /run/carrel/sessions | grep -q '^{prefix}'"], check=False).returncode == 0:
            if time.monotonic() > deadline:
                raise AssertionError("a session does not end")
            time.sleep(0.01)

    def hold(self):
        self.held = subprocess.Popen([*ssh, "-l", self.name, "127.0.0.1", "echo up; exec sleep 1000"], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.held.stdout.readline() == b"up\n", "no session to hold"

    def let_go(self):
        if self.held:
            self.held.kill()
            self.held.wait()
            self.held.stdout.close()
            self.held = None

    def verb(self, *words):
        """With a session open it is refused, and then ends it."""
        arguments = ["carrelctl", "rootfs", *words]
        if self.held:
            said = self.run(*arguments, status=1)
            assert "open session" in said, said
            arguments.append("--kill")
        else:
            self.wait_until_gone()
        self.run(*arguments)
        self.let_go()

    def step(self):
        what = self.random.choices(["change", "snapshot", "rollback", "upgrade", "reset", "home", "hold"], [28, 22, 22, 16, 6, 3, 8])[0]
        if what == "rollback" and not self.snapshots:
            what = "snapshot"
        counts[what] = counts.get(what, 0) + 1
        self.history.append(what)
        if what == "change":
            self.session(self.random.randint(1, 12))
        elif what == "hold" and not self.held:
            self.hold()
        elif what == "snapshot":
            self.number += 1
            name = f"s{self.number}"
            self.verb("snapshot", self.name, name)
            self.snapshots[name] = self.image, copy_tree(self.tree), set(self.touched)
        elif what == "rollback":
            name = self.random.choice(sorted(self.snapshots))
            self.verb("rollback", self.name, name, "--yes")
            self.image, tree, touched = self.snapshots[name]
            self.tree, self.touched = copy_tree(tree), set(touched)
        elif what == "upgrade":
            name = self.random.choice([i for i in BARE if i != self.image])
            self.verb("upgrade", self.name, "--image", name, "--yes")
            self.upgraded(name)
        elif what == "reset":
            self.verb("reset", self.name, "--yes")
            self.tree, self.touched = copy_tree(BARE[self.image]), set()
        elif what == "home":
            self.verb("reset", self.name, "--yes", "--keep-home")
            home = {p: n for p, n in copy_tree(self.tree).items() if p.split("/")[0] == "root"}
            self.touched = {p for p in self.touched if p in home}
            self.tree = {**{p: n for p, n in copy_tree(BARE[self.image]).items() if p.split("/")[0] == "opt"}, **home}

    def all(self):
        self.session(8)
        for _ in range(operations):
            self.step()
        self.session(0)
        self.let_go()


def work(mine):
    for user in mine:
        try:
            user.all()
        except Exception as error:  # pylint: disable=broad-except
            failures.append(f"{user.name}: {error}\n  after {user.history[-40:]}")
            user.let_go()


everybody = [User(f"m{i + 1}") for i in range(users)]
threads = [threading.Thread(target=work, args=(everybody[i::workers],)) for i in range(workers)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(f"seed {seed}: {users} users, {dict(sorted(counts.items()))}")
print("\n".join(failures))
sys.exit(bool(failures))
