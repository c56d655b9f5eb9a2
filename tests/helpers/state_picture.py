#!/usr/bin/env python3
"""What counts of a user's state on disk, as text: every file with all that it has, the records, the image and the block of ids.

usage: state_picture.py STATE [DIRECTORY]        (where the files are, when they are in a disk image)
"""
import hashlib
import os
import stat
import sys


def picture(path, links):
    st = os.lstat(path)
    words = [path, oct(st.st_mode), st.st_uid, st.st_gid, st.st_rdev]
    whiteout = stat.S_ISCHR(st.st_mode) and st.st_rdev == 0  # the kernel makes them links of one another as it likes
    if not stat.S_ISDIR(st.st_mode) and not whiteout:
        words.append(st.st_nlink)
        if st.st_nlink > 1:
            words.append("as " + links.setdefault(st.st_ino, path))
        words.append(st.st_mtime_ns)
    if stat.S_ISLNK(st.st_mode):
        words.append(os.readlink(path))
    if stat.S_ISREG(st.st_mode):
        words.append(hashlib.md5(open(path, "rb").read()).hexdigest())
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        if name in ("trusted.overlay.opaque", "security.capability") or name.startswith("user."):
            words.append((name, os.getxattr(path, name, follow_symlinks=False)))
    print(*words)
    if stat.S_ISDIR(st.st_mode):
        for name in sorted(os.listdir(path)):
            if name.startswith("#"):
                continue  # the kernel's own, in an index
            picture(os.path.join(path, name), links)


def main():
    if not os.path.isdir(sys.argv[1]):
        print("no state")
        return
    os.chdir(sys.argv[1])
    for name in sorted(os.listdir(".")):
        if name in ("image", "ids") or name.startswith("snapshot."):
            print(name, [line for line in open(name) if not line.startswith("taken=")])
    os.chdir(sys.argv[-1])
    links = {}
    for name in ("upper", "home", "snapshots", "work/index"):
        if os.path.isdir(name):
            picture(name, links)


main()
