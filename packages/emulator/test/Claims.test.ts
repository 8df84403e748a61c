import { Claim } from "@effect-dsql/dialect"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as ClientMessage from "../src/internal/protocol/clientMessage.ts"
import * as Frame from "../src/internal/protocol/frame.ts"
import * as Shared from "./shared.ts"
import type { Answer, WireClient } from "./wireClient.ts"

const conformance = readFileSync(new URL("../CONFORMANCE.md", import.meta.url), "utf8")

const claims = Claim.parse(
  readFileSync(fileURLToPath(import.meta.resolve("@effect-dsql/dialect/recordings/claims.tsv")), "utf8")
)

/** The ids in those of its lines that begin so. */
const named = (beginning: RegExp): ReadonlySet<string> =>
  new Set(
    conformance
      .split("\n")
      .filter((line) => beginning.test(line))
      .flatMap((line) => line.match(/F\d{3}/g) ?? [])
  )

/** Claims that the emulator does not keep. */
const deviations = named(/^\| `F/)

/** Claims of which the sources say both. */
const disputed = named(/^Disputed/)

const jobDelay = 120_000

/** How an answer differs from a claim. */
const difference = (claim: Claim.Claim, { error, results }: Answer): string | undefined =>
  Claim.difference(claim.answer, error ?? { rows: results.at(-1)?.rows ?? null })

/** COPY FROM STDIN comes with a row. */
const say = (client: WireClient, sql: string) =>
  /^COPY .* FROM STDIN$/.test(sql)
    ? client.send(
        Buffer.concat([
          ClientMessage.query(sql),
          Frame.make(Frame.code.copyData, Buffer.from("1\t1\n")),
          Frame.make(Frame.code.copyDone)
        ])
      )
    : client.query(sql)

/** Takes away what other claims would count or meet: schemas and roles. */
const cleared = Effect.gen(function* () {
  const client = yield* Shared.wire()
  const named =
    yield* client.query(`SELECT 'DROP SCHEMA ' || nspname || ' CASCADE' FROM pg_namespace WHERE nspname ~ '^sc\\d'
    UNION ALL SELECT format('AWS IAM REVOKE %I FROM %L', pg_role_name, arn) FROM sys.iam_pg_role_mappings
    UNION ALL SELECT format('DROP OWNED BY %I;DROP ROLE %I', rolname, rolname) FROM pg_roles WHERE rolname ~ '^r\\d+b?$'`)
  for (const [sql] of named.results[0]?.rows ?? []) {
    for (const statement of (sql ?? "").split(";")) yield* client.query(statement)
  }
}).pipe(Effect.scoped)

layer(Shared.layer({ jobDelay }), { excludeTestServices: true })("claims", (it) => {
  it.effect("what is known of clusters is answered so, or stands in CONFORMANCE.md with its reason", () =>
    Effect.gen(function* () {
      const { emulator } = yield* Shared.Shared
      yield* cleared
      const problems: Array<string> = []
      for (const claim of claims) {
        const answer = yield* Effect.gen(function* () {
          const client = yield* Shared.wire(claim.options === undefined ? {} : { options: claim.options })
          if (client.started.error !== undefined) return client.started
          let job = ""
          let answer: Answer = client.started
          for (const [n, text] of [...claim.setup, ...claim.statements].entries()) {
            const sql = text.replaceAll("{job}", job)
            if (sql.includes("wait_for_job(")) yield* emulator.control.advance(jobDelay)
            answer = yield* say(client, sql)
            if (/\bASYNC\b/.test(sql)) job = answer.results[0]?.rows?.[0]?.[0] ?? ""
            if (answer.error !== undefined && n < claim.setup.length && !deviations.has(claim.id))
              problems.push(`${claim.id}: ${text} ${answer.error.message}`)
          }
          // What is left of a job would be OC001 to the next claim.
          yield* emulator.control.advance(jobDelay)
          if (job !== "") yield* (yield* Shared.wire()).query(`CALL sys.wait_for_job('${job}')`)
          return answer
        }).pipe(Effect.scoped)
        const problem = difference(claim, answer)
        if (disputed.has(claim.id)) continue
        if (problem !== undefined && !deviations.has(claim.id))
          problems.push(`${claim.id} ${claim.statements.join(";").slice(0, 150)}: ${problem.slice(0, 200)}`)
        if (problem === undefined && deviations.has(claim.id))
          problems.push(`${claim.id} agrees: no longer a deviation`)
        if (claim.topic === "schema" || /ROLE/.test(claim.setup.join())) yield* cleared
      }
      assert.deepStrictEqual(problems, [], `\n${problems.join("\n")}`)
    })
  )
})
