/** Every foreign function: the table that `proxy_call_foreign_function` looks names up in. */
import type { HostcallEnv } from "../hostcalls/env.ts";
import { bodyWindowFunctions } from "./body-window.ts";
import { compressionFunctions } from "./compression.ts";
import { coroutineFunctions } from "./coroutines.ts";
import { expressionFunctions } from "./expressions.ts";
import { filterStateFunctions } from "./filter-state.ts";
import { routeFunctions } from "./route.ts";
import { sharedDataFunctions } from "./shared-data.ts";
import { sharedQueueFunctions } from "./shared-queues.ts";
import { signatureFunctions } from "./signatures.ts";
import type { ForeignFamily, ForeignFunction } from "./types.ts";

/** One row for each family; two families never share a name. */
const FAMILIES: readonly ForeignFamily[] = [
  routeFunctions,
  bodyWindowFunctions,
  compressionFunctions,
  coroutineFunctions,
  expressionFunctions,
  signatureFunctions,
  filterStateFunctions,
  sharedDataFunctions,
  sharedQueueFunctions,
];

/** The functions of one VM by name. */
export function createForeignFunctions(env: HostcallEnv): ReadonlyMap<string, ForeignFunction> {
  return new Map(FAMILIES.flatMap((family) => Object.entries(family(env))));
}
