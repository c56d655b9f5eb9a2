#!/usr/bin/python3
"""SSH as a Python program uses it, by paramiko: several channels on one connection. Prints "ok", or raises.

usage: paramiko_client.py USER PORT KEY
"""
import io
import os
import socket
import sys

import paramiko

user, port, key = sys.argv[1:]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", port=int(port), username=user, key_filename=key, look_for_keys=False, allow_agent=False)
transport = client.get_transport()


def expect(want, got):
    assert want == got, f"expected {want!r}, got {got!r}"


def run(command, given=b""):
    channel = transport.open_session()
    channel.exec_command(command)
    channel.sendall(given)
    channel.shutdown_write()
    out = channel.makefile("rb").read()
    err = channel.makefile_stderr("rb").read()
    return channel.recv_exit_status(), out, err


def exec_with_status():
    expect((0, b"out\n", b"err\n"), run("echo out; echo err >&2"))
    for status in (0, 1, 42, 255):
        expect((status, b"", b""), run(f"exit {status}"))
    data = os.urandom(1 << 20)
    expect((0, data, b""), run("cat", data))


def many_at_once():
    channels = [transport.open_session() for _ in range(8)]
    for number, channel in enumerate(channels):
        channel.exec_command(f"read x; echo {number} $x; exit {number}")
    for number, channel in reversed(list(enumerate(channels))):
        channel.sendall(b"hello\n")
        expect(f"{number} hello\n".encode(), channel.makefile("rb").read())
        expect(number, channel.recv_exit_status())


def shell_on_a_terminal():
    channel = client.invoke_shell(width=90, height=33)
    channel.settimeout(20)
    channel.sendall(b"stty size; tty; exit 9\n")
    text = b""
    while chunk := channel.recv(4096):
        text += chunk
    assert b"33 90" in text and b"/dev/pts/" in text, text
    expect(9, channel.recv_exit_status())


def files():
    sftp = client.open_sftp()
    data = os.urandom(3 << 20)
    sftp.mkdir("folder")
    sftp.putfo(io.BytesIO(data), "folder/a file")
    expect(["a file"], sftp.listdir("folder"))
    expect(len(data), sftp.stat("folder/a file").st_size)
    sftp.chmod("folder/a file", 0o640)
    expect(0o100640, sftp.stat("folder/a file").st_mode)
    back = io.BytesIO()
    sftp.getfo("folder/a file", back)
    expect(data, back.getvalue())
    sftp.rename("folder/a file", "folder/b")
    with sftp.open("folder/b", "rb") as stream:
        stream.seek(1000)
        expect(data[1000:1010], stream.read(10))
    expect((0, b"folder/b\n", b""), run("echo folder/*"))
    sftp.remove("folder/b")
    sftp.rmdir("folder")
    sftp.close()


def end_of_a_channel():
    """Closed while its command runs: the connection and the others go on."""
    channel = transport.open_session()
    channel.exec_command("cat")
    channel.close()
    expect((0, b"on\n", b""), run("echo on"))


socket.setdefaulttimeout(30)
for step in (exec_with_status, many_at_once, shell_on_a_terminal, files, end_of_a_channel):
    step()
client.close()
print("ok")
