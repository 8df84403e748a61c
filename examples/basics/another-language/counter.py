"""Aurora DSQL from Python: a conflict comes at COMMIT, so the whole transaction runs again.

    python3 -m pip install "psycopg[binary]"
    python3 counter.py postgres://admin@127.0.0.1:5433/postgres
"""

import random
import sys
import threading
import time

import psycopg
from psycopg.errors import SerializationFailure


def transaction(connection, body, attempts=20, base=0.02, cap=2.0):
    """Runs the body in a transaction, and again from BEGIN after a conflict: full jitter, as the toolkit does it."""
    for attempt in range(1, attempts + 1):
        try:
            with connection.transaction():
                return body(connection)
        except SerializationFailure:
            if attempt == attempts:
                raise
            time.sleep(random.uniform(0, min(cap, base * 2 ** (attempt - 1))))


def increment(connection):
    (n,) = connection.execute("SELECT n FROM visits WHERE id = 1").fetchone()
    connection.execute("UPDATE visits SET n = %s WHERE id = 1", (n + 1,))


def visitor(url):
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(10):
            transaction(connection, increment)


def main(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS visits (id integer PRIMARY KEY, n integer NOT NULL)")
        connection.execute("INSERT INTO visits VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET n = 0")
        visitors = [threading.Thread(target=visitor, args=(url,)) for _ in range(2)]
        for one in visitors:
            one.start()
        for one in visitors:
            one.join()
        print(*connection.execute("SELECT n FROM visits WHERE id = 1").fetchone(), "of 20")


main(sys.argv[1])
