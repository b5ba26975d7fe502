"""A flood of made-up Router Advertisements: `python -m tests.flood INTERFACE RATE SECONDS`.

Frames are made beforehand, each with its own source and prefix, some of them broken, all
with a right checksum; sendmmsg sends them in batches, so that Python keeps up. Prints how
many were sent, and in how many seconds.
"""

import ctypes
import random
import socket
import struct
import sys
import time

_FRAMES = 20_000
_BATCH = 500
_HEADER = bytes.fromhex("333300000001 020000000bad 86dd")
_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")


class _Vector(ctypes.Structure):
    _fields_ = (("start", ctypes.c_char_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct mmsghdr of recvmmsg(2), with its msghdr written out."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    )


def frame(chance: random.Random) -> bytes:
    """One advertisement that nobody meant."""
    source = bytes.fromhex("fe80000000000000") + chance.randbytes(8)
    flags = chance.choice((0x00, 0x08))
    body = struct.pack("!BBHIII", 64, flags, 1800, 0, 0, 0)[:12]
    prefix = bytes([0x20 | chance.randrange(32)]) + chance.randbytes(7) + bytes(8)
    body += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 2_000_000, 1_000_000, 0) + prefix
    if chance.random() < 0.1:
        body += chance.randbytes(8)
    size = 4 + len(body)
    octets = source + _ALL_NODES + struct.pack("!II", size, 58) + b"\x86\0\0\0" + body
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    message = b"\x86\0" + struct.pack("!H", ~total & 0xFFFF) + body
    ip = struct.pack("!IHBB", 0x60000000, size, 58, 255) + source + _ALL_NODES
    return _HEADER + ip + message


def flood(interface: str, rate: int, seconds: float) -> tuple[int, float]:
    """Send `rate` frames a second, or as many as can be; how many, and how long it took."""
    chance = random.Random(4861)
    frames = [frame(chance) for _ in range(_FRAMES)]
    vectors = [_Vector(one, len(one)) for one in frames]
    messages = (_Message * _FRAMES)(
        *(_Message(None, 0, ctypes.pointer(one), 1, None, 0, 0, 0) for one in vectors)
    )
    libc = ctypes.CDLL(None, use_errno=True)
    sent = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((interface, 0))
        print("begins", flush=True)
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            if sent > passed * rate:
                time.sleep((sent - passed * rate) / rate)
                continue
            start = ctypes.byref(
                messages, (sent // _BATCH * _BATCH) % _FRAMES * ctypes.sizeof(_Message)
            )
            count = libc.sendmmsg(link.fileno(), start, _BATCH, 0)
            if count < 0:
                raise OSError(ctypes.get_errno(), "sendmmsg")
            sent += count
    return sent, time.monotonic() - began


if __name__ == "__main__":
    count, took = flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    print(count, took, flush=True)
