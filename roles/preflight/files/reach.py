"""Whether hosts reach one another's ports, with nothing of the lake installed.

``listen`` answers for a while on ports that are free, in a process that it leaves behind and whose id it
prints; ``connect`` asks ports of others whether that process is there. Both take an object of JSON and print
one::

    python3 - listen '{"token": "T", "host": "a", "seconds": 60, "ports": [["192.0.2.1", 9093]]}'
    python3 - connect '{"token": "T", "seconds": 3, "targets": [["a", "192.0.2.1", 9093]]}'
"""

import json
import os
import selectors
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor


def listen(asked):
    """Answer on each port with token and host; return what could not be listened on, and the process."""
    waiting, failed = selectors.DefaultSelector(), []
    for address, port in asked["ports"]:
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((address, port))
            one.listen(64)
        except OSError as error:
            failed.append([port, error.strerror or str(error)])
            continue
        waiting.register(one, selectors.EVENT_READ)
    child = os.fork()
    if child:
        return {"pid": child, "failed": failed}
    os.setsid()
    # Whoever started this waits for its output to end.
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    signal.alarm(int(asked["seconds"]))
    greeting = f"{asked['token']} {asked['host']}\n".encode()
    while True:
        for ready, _ in waiting.select():
            connection, _ = ready.fileobj.accept()
            with connection:
                connection.sendall(greeting)


def ask(token, host, address, port, seconds):
    """Return nothing if that port of that host answers, else what came instead."""
    try:
        with socket.create_connection((address, port), seconds) as connection:
            connection.settimeout(seconds)
            answer = connection.makefile("rb").readline(200).decode(errors="replace").split()
    except OSError as error:
        return error.strerror or str(error) or "no answer"
    if answer == [token, host]:
        return ""
    return (
        f"{answer[1]} answers there"
        if len(answer) == 2 and answer[0] == token
        else "another one answers there"
    )


def connect(asked):
    """Return for each target what came instead of its answer, in their order; nothing where that came."""
    with ThreadPoolExecutor(max_workers=32) as pool:
        return list(pool.map(lambda one: ask(asked["token"], *one, asked["seconds"]), asked["targets"]))


if __name__ == "__main__":
    json.dump({"listen": listen, "connect": connect}[sys.argv[1]](json.loads(sys.argv[2])), sys.stdout)
