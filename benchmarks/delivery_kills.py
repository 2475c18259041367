"""Deliverers that are killed at random instants, and a receiver that counts what it takes.

    python benchmarks/delivery_kills.py [--kills 100] [--seed 1]

A child delivers alert revisions to a webhook on loopback, one message each, and to a folder, and gets SIGKILL after a random
time, again and again; nights are told in between. The receiver stalls now and then, so that kills fall between its taking a
message and the receipt. Afterwards every alert revision must have arrived at least once, under one idempotency key each, and
the outbox must be empty. Exits with 1 where it is not so.
"""

import argparse
import logging
import random
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from children import in_child
from deliveries import Post, alert, folder_of, hook
from servers.receiver import Receiver, receiver

from pipeline.io.channels import Limits
from pipeline.io.outbox import RowState
from pipeline.io.web import Patience

FIRST = date(2024, 5, 1)
ALERTS_A_NIGHT = 6


def suffer(folder: Path, server: Receiver, kills: int, rng: random.Random) -> Post:
    """Tell nights and deliver them under kills, then once in peace."""
    subscriptions = [hook(server.url(), "hook", digest=False), folder_of(folder / "in", "folder", digest=False)]
    post = Post(folder, subscriptions, limits=Limits(quiet_s=5.0), patience=Patience(attempts=30))
    begin, count, night = time.perf_counter(), 0, 0
    seconds = 0.5
    while count < kills:
        if post.outbox.counts()[RowState.PENDING] == 0:
            told = [alert(f"{n}", night + 1, area_ha=3.0 * 1.5**night) for n in range(ALERTS_A_NIGHT)]
            post.night(FIRST + timedelta(days=5 * night), *told)
            night += 1
        server.script[:] = [rng.choice(["ok", "ok", "stall 0.05", "stall 0.2", "drop", "500"]) for _ in range(20)]
        count += in_child(post.deliver, rng.uniform(0, seconds))
        post.at += timedelta(hours=3)
    server.script.clear()
    for _ in range(3):
        post.at += timedelta(days=1)
        in_child(post.deliver)
    print(f"{count} kills in {time.perf_counter() - begin:.0f} s; {night} nights of {ALERTS_A_NIGHT} alerts")
    return post


def judge(post: Post, server: Receiver) -> list[str]:
    """What is wrong, in words."""
    told = {e.alert_id + f"-r{e.revision}" for e in post.store.events("test-area")}
    arrived, written = set(server.times), {p.stem for p in (post.folder / "in").glob("*.geojson")}
    counts, twice = post.outbox.counts(), sum(times > 1 for times in server.times.values())
    receipts = post.outbox.receipts()
    print("| | webhook | folder |\n|---|---|---|")
    print(f"| alert revisions told | {len(told)} | {len(told)} |")
    print(f"| arrived at least once | {len(arrived & told)} | {len(written & told)} |")
    print(f"| arrived more than once, under the same key | {twice} | - |")
    print(f"| taken, each key once | {len(server.documents)} | {len(written)} |")
    print(f"{counts[RowState.PENDING]} pending, {counts[RowState.DEAD]} dead, {counts[RowState.DELIVERED]} delivered; "
          f"{len(receipts)} receipts")  # fmt: skip
    wrong = [] if arrived == told else [f"webhook: {sorted(arrived ^ told)}"]
    wrong += [] if written == told else [f"folder: {sorted(written ^ told)}"]
    features = {k: [f"{f['id']}-r{f['properties']['revision']}" for f in d["features"]] for k, d in server.documents.items()}
    wrong += [f"{key} holds {names}" for key, names in features.items() if names != [key]]
    wrong += [] if counts[RowState.PENDING] == counts[RowState.DEAD] == 0 else ["the outbox is not empty"]
    return wrong + post.store.broken_links()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.disable()  # the receiver is told to fail
    with tempfile.TemporaryDirectory() as place, receiver() as server:
        post = suffer(Path(place), server, asked.kills, random.Random(asked.seed))  # noqa: S311 - instants, no secrets
        wrong = judge(post, server)
    print("\n".join(wrong) or "nothing is wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
