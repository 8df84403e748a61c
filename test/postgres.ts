/**
 * The PostgreSQL that all test files share, as an emulator takes it for the server beneath it.
 */
import { Server } from "@effect-dsql/testing"
import { inject } from "vitest"

export const sharedPostgres = () => Server.fromUrl(new URL(inject("postgres")))
