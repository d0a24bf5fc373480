"""Runs Gymnasium environments for the Rust process that started this one.

Usage: python -u -c SCRIPT, with a socket to the parent as standard output. SCRIPT is link.py, spaces.py,
make.py and run.py, one after the other.

Both sides send blocks: a u32 length and that many bytes. The parent sends a block with what to
make, and is answered with the specification; then a block with where the shared memory lies. After
that it sends commands of two bytes, code and slot, several at once, and is answered for all of
them at once: for each one status byte, followed by a block unless it is DONE.

The shared memory holds an input of each slot (i64 seed or choice, f32 action) and an output of each
(f64 reward, i64 task, u8 terminated, u8 truncated, from byte 24 the observation).
"""

import os
import sys

# A file of the user's must not replace a module that is needed here: their folders come later.
sys.path[:] = [folder for folder in sys.path if folder not in ("", os.getcwd())]

import faulthandler
import hashlib
import importlib
import inspect
import json
import math
import mmap
import select
import signal
import struct
import sysconfig
import threading
import time
import traceback

MAKE, RESET, STEP, RENDER, CLOSE = b"mrsvc"
DONE, FAILED, VALUE = b"\0", b"\1", b"\2"
LENGTH = struct.Struct("=I")
HEAD = struct.Struct("=dq??")
OBS_AT = 24
ACTION_AT = 8
MOST_CHOICES = 4096
# Seconds, as in link.rs.
SPIN = 1e-4
# Seconds that a worker whose parent is gone may take to close its environments.
GRACE = 2.0


class Mistake(Exception):
    """Its message says it all: no traceback is wanted."""


def die_with_parent(link):
    """The end of the socket ends this process too, but not one that hangs in an environment."""
    if sys.platform == "linux":
        try:
            import ctypes
        except ImportError:
            pass
        else:
            pr_set_pdeathsig = 1
            ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)

    # The parent may be a script around Python, or have died before: so this is watched, too.
    def watch():
        poll = select.poll()
        poll.register(link, 0)
        poll.poll()
        time.sleep(GRACE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def receive(link, count):
    data = b""
    while len(data) < count:
        part = os.read(link, count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def messages(link):
    """The parent's messages, each in one piece, until it is gone.

    To sleep and be woken takes longer than many a step, so after a short wait the next one is
    spent looking."""
    read, clock, late = os.read, time.perf_counter, BlockingIOError
    give_way = os.sched_yield
    brisk = True
    while True:
        begin, message = clock(), None
        if brisk:
            while message is None and clock() - begin < SPIN:
                try:
                    message = read(link, 4096)
                except late:
                    give_way()
        if message is None:
            os.set_blocking(link, True)
            message = read(link, 4096)
            os.set_blocking(link, False)
        brisk = clock() - begin < SPIN
        if not message:
            return
        yield message


def receive_json(link):
    return json.loads(receive(link, *LENGTH.unpack(receive(link, LENGTH.size))))


def send(link, data):
    while data:
        try:
            data = data[os.write(link, data) :]
        except BlockingIOError:
            time.sleep(1e-4)  # a large answer, such as a picture


