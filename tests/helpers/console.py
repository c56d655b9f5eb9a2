#!/usr/bin/env python3
"""Run a command on a terminal that outlives a hangup, as a console does: login(1) of util-linux begins with one, at which tmux
closes its own. Everything is copied both ways. Ends with the command's status.

usage: console.py COMMAND [ARGUMENT…]        (on a terminal)
"""
import os
import pty
import select
import sys
import termios
import time
import tty


def copy(source, target):
    """False when there is nothing to read: a terminal that nobody has open may be opened again."""
    try:
        os.write(target, os.read(source, 65536))
    except OSError:
        time.sleep(0.01)
        return False
    return True


def run(argv):
    size = termios.tcgetwinsize(0)
    pid, master = pty.fork()
    if pid == 0:
        termios.tcsetwinsize(0, size)
        os.execvp(argv[0], argv)
    ended = 0
    while not ended:
        ready, _, _ = select.select([0, master], [], [], 0.05)
        if 0 in ready:
            copy(0, master)
        if master in ready:
            copy(master, 1)
        ended, status = os.waitpid(pid, os.WNOHANG)
    while select.select([master], [], [], 0)[0] and copy(master, 1):
        pass
    return os.waitstatus_to_exitcode(status)


modes = termios.tcgetattr(0)
tty.setraw(0)
try:
    code = run(sys.argv[1:])
finally:
    termios.tcsetattr(0, termios.TCSADRAIN, modes)
sys.exit(code)
