"""A listener as in a GUI: prints what a sink sends, and obeys commands on standard input.

`listener.py PATH [--asleep] [--authkey KEY] [--quit-after STRING]`

Prints a line for everything that happens: `listening`, `accepted`, `got STRING`, `end EXCEPTION`, `refused EXCEPTION`.
Commands, one per line: `send STRING`, `pickle PROTOCOL STRING`, `bytes HEX` (a message that `send` cannot make), `raw HEX`
(bytes that are not a message), `read` (start reading after `--asleep`), `hang up`, `talk` (send without end), `leave`
(end the script).
"""

import argparse
import os
import pickle
import socket
import sys
import threading
from multiprocessing.connection import Listener

arguments = argparse.ArgumentParser()
arguments.add_argument("path")
arguments.add_argument("--asleep", action="store_true")
arguments.add_argument("--authkey")
arguments.add_argument("--quit-after")
options = arguments.parse_args()

awake = threading.Event()
if not options.asleep:
    awake.set()
connection = None


def report(line):
    print(line, flush=True)


def converse(conn):
    awake.wait()
    try:
        while True:
            pickled = conn.recv_bytes()
            string = pickle.loads(pickled)
            assert type(string) is str and pickled == pickle.dumps(string, protocol=4), pickled
            report(f"got {string}")
            if string == options.quit_after:
                conn.send("quit")
    except (EOFError, OSError) as ended:
        conn.close()
        report(f"end {type(ended).__name__}")


def talk(conn):
    while True:
        conn.send("talk")


def accept(listener):
    global connection
    while True:
        try:
            connection = listener.accept()
        except Exception as refused:
            report(f"refused {type(refused).__name__}")
            continue
        report("accepted")
        converse(connection)


authkey = options.authkey.encode() if options.authkey else None
listener = Listener(options.path, family="AF_UNIX", authkey=authkey)
report("listening")
accepting = threading.Thread(target=accept, args=(listener,), daemon=True)
accepting.start()
for line in sys.stdin:
    match line.rstrip("\n").split(" "):
        case ["send", *words]:
            connection.send(" ".join(words))
        case ["pickle", protocol, *words]:
            connection.send_bytes(pickle.dumps(" ".join(words), protocol=int(protocol)))
        case ["bytes", digits]:
            connection.send_bytes(bytes.fromhex(digits))
        case ["raw", digits]:
            os.write(connection.fileno(), bytes.fromhex(digits))
        case ["read"]:
            awake.set()
        case ["hang", "up"]:
            # Closing is not enough: the connection would stay open for the thread that reads it.
            with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)
        case ["talk"]:
            threading.Thread(target=talk, args=(connection,), daemon=True).start()
        case ["leave"]:
            os.unlink(options.path)
            os._exit(0)
        case other:
            sys.exit(f"unknown: {other}")
# Without a standard input, it runs until it is killed.
accepting.join()
