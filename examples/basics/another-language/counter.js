/**
 * Aurora DSQL from JavaScript without Effect: a conflict comes at COMMIT, so the whole transaction runs again.
 *
 *     npm install pg
 *     node counter.js postgres://admin@127.0.0.1:5433/postgres
 */
import pg from "pg"
import { setTimeout } from "node:timers/promises"

/** Runs the body in a transaction, and again from BEGIN after a conflict: full jitter, as the toolkit does it. */
async function transaction(client, body, { attempts = 20, base = 20, cap = 2_000 } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query("BEGIN")
      const value = await body(client)
      await client.query("COMMIT")
      return value
    } catch (error) {
      await client.query("ROLLBACK")
      if (error.code !== "40001" || attempt === attempts) throw error
      await setTimeout(Math.random() * Math.min(cap, base * 2 ** (attempt - 1)))
    }
  }
}

async function increment(client) {
  const { rows } = await client.query("SELECT n FROM visits WHERE id = 1")
  await client.query("UPDATE visits SET n = $1 WHERE id = 1", [rows[0].n + 1])
}

async function visitor(url) {
  const client = new pg.Client(url)
  await client.connect()
  for (let visit = 0; visit < 10; visit++) await transaction(client, increment)
  await client.end()
}

const url = process.argv[2]
if (url === undefined) {
  console.error("usage: node counter.js postgres://admin@127.0.0.1:5433/postgres")
  process.exit(2)
}
const client = new pg.Client(url)
await client.connect()
await client.query("CREATE TABLE IF NOT EXISTS visits (id integer PRIMARY KEY, n integer NOT NULL)")
await client.query("INSERT INTO visits VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET n = 0")
await Promise.all([visitor(url), visitor(url)])
const { rows } = await client.query("SELECT n FROM visits WHERE id = 1")
console.log(`${rows[0].n} of 20`)
await client.end()
