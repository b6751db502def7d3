"""How soon is an order on the wall, and what do viewers cost?

    python -m benchmarks.page [--rate 500] [--seconds 30] [--viewers 200]

One: orders of a fixed amount are sent when they are due, open loop, to a real broker; the flow, Redis and
the page's server are real processes. Chromium notes with each frame which total it has painted; the total
tells how many orders are in it, and so when the last of them was due. Two: the CPU time of the page's
server while so many raw event streams are read, over the same flow.
"""

from __future__ import annotations

import argparse
import os
import selectors
import socket
import threading
import time
from pathlib import Path
from typing import Final

from tests.web.rig import RealNight, Wall, chromium
from warroom.children import LOOPBACK

AMOUNT_FEN: Final = 100
SETTLE_SECONDS: Final = 60.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
WATCH: Final = """() => {
    const total = document.getElementById("total"), seen = [];
    window.painted = seen;
    let before = null;
    const look = () => {
        const now = total.dataset.value;
        // The value was set in an earlier task: the frame that begins now is the first to paint it.
        if (now !== before) requestAnimationFrame(() => seen.push([Date.now(), Number(now)]));
        before = now;
        requestAnimationFrame(look);
    };
    look();
}"""


class Sender:
    """Sends orders when they are due; ``due_ms[i]`` is when order ``i`` was."""

    def __init__(self, night: RealNight, rate: int) -> None:
        self._night = night
        self._rate = rate
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.due_ms: list[float] = []
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopping.set()
        self._thread.join()

    def _send(self) -> None:
        producer, began_s, sent = self._night.producer, time.time(), 0
        while not self._stopping.is_set():
            due = int((time.time() - began_s) * self._rate)
            for number in range(sent, due):
                due_ms = (began_s + number / self._rate) * 1000
                self.due_ms.append(due_ms)
                order = (
                    f'{{"order_id":"o{number}","merchant_id":"m{number % 500}","member_id":"p{number}",'
                    f'"amount":{AMOUNT_FEN},"status":"paid","event_time":{int(due_ms)}}}'
                )
                producer.produce("orders", order.encode(), partition=number % 4)
            sent = max(sent, due)
            producer.poll(0)
            time.sleep(0.002)


def to_pixels_ms(night: RealNight, sender: Sender, seconds: float) -> list[float]:
    """For each order that became due meanwhile: from then until a frame that has it."""
    with chromium() as browser:
        wall = Wall(browser, night.web.origin).open("lang=en")
        wall.until(lambda: (wall.value("#total") or 0) > 0, SETTLE_SECONDS)
        wall.page.evaluate(WATCH)
        wall.page.wait_for_timeout(seconds * 1000)
        painted: list[tuple[float, float]] = wall.page.evaluate("window.painted")
        wall.close()
    waits: list[float] = []
    known = int(painted[0][1]) // AMOUNT_FEN
    for at_ms, total in painted[1:]:
        count = int(total) // AMOUNT_FEN
        waits += [at_ms - due for due in sender.due_ms[known:count]]
        known = max(known, count)
    return sorted(waits)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def viewers_cost(night: RealNight, viewers: int, seconds: float) -> tuple[float, float]:
    """Share of a core that the page's server takes, and bytes a second to each viewer."""
    assert night.web.process is not None
    request = f"GET /api/v1/stream HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode()
    selector, read = selectors.DefaultSelector(), 0
    for _ in range(viewers):
        one = socket.create_connection((LOOPBACK, night.web.port))
        one.sendall(request)
        selector.register(one, selectors.EVENT_READ)

    def drain(for_seconds: float) -> int:
        until, count = time.monotonic() + for_seconds, 0
        while (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                assert isinstance(key.fileobj, socket.socket)
                count += len(key.fileobj.recv(1 << 20))
        return count

    drain(3.0)
    before, began_s = cpu_seconds(night.web.process.pid), time.monotonic()
    read = drain(seconds)
    took_s = time.monotonic() - began_s
    share = (cpu_seconds(night.web.process.pid) - before) / took_s
    for key in list(selector.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()
    return share, read / took_s / viewers


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=500, help="orders a second")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--viewers", type=int, default=200)
    given = parser.parse_args()
    with RealNight() as night:
        sender = Sender(night, given.rate)
        waits = to_pixels_ms(night, sender, given.seconds)
        at = {p: waits[min(len(waits) - 1, int(len(waits) * p / 100))] for p in (50, 95, 99)}
        print(
            f"due time to pixels: p50 {at[50]:,.0f} ms, p95 {at[95]:,.0f} ms, p99 {at[99]:,.0f} ms, "
            f"max {waits[-1]:,.0f} ms over {len(waits):,} orders at {given.rate}/s"
        )
        for count in (1, given.viewers):
            share, bytes_a_second = viewers_cost(night, count, given.seconds / 2)
            print(f"{count} viewers: {share * 100:.1f} % of a core, {bytes_a_second / 1000:.1f} kB/s to each")
        sender.stop()


if __name__ == "__main__":
    main()
