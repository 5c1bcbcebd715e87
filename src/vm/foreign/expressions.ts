/**
 * `expr_create`, `expr_evaluate`, `expr_delete`: CEL over the attributes of the context that the
 * running callback was made for, whatever the effective context is. Expressions belong to the root
 * context; their numbers start at 0.
 */
import { STATUS } from "../../abi/enums.ts";
import { LIMITS } from "../../base/limits.ts";
import type { HostcallEnv } from "../hostcalls/env.ts";
import { lookUpProperty } from "../hostcalls/properties.ts";
import type { RootContext } from "../root-context.ts";
import { type CelProgram, compileCel } from "./cel-programs.ts";
import type { ForeignAnswer, ForeignFamily } from "./types.ts";

const TOKEN_BYTES = 4;

/** The expressions of one root. */
class Expressions {
  readonly programs = new Map<number, CelProgram>();
  #next = 0;

  /** A number is used up even when the expression then does not compile, as in Envoy. */
  nextToken(): number {
    while (this.programs.has(this.#next)) this.#next = (this.#next + 1) >>> 0;
    const token = this.#next;
    this.#next = (token + 1) >>> 0;
    return token;
  }
}

function tokenOf(args: Uint8Array): number | null {
  if (args.byteLength !== TOKEN_BYTES) return null;
  return new DataView(args.buffer, args.byteOffset).getUint32(0, true);
}

class ExpressionFunctions {
  readonly #env: HostcallEnv;
  readonly #byRoot = new WeakMap<RootContext, Expressions>();

  constructor(env: HostcallEnv) {
    this.#env = env;
  }

  create(args: Uint8Array, answer: ForeignAnswer): number {
    const expressions = this.#own();
    if (expressions === null) return STATUS.badArgument;
    if (expressions.programs.size >= LIMITS.celExpressionsCount) {
      this.#env.log.errorOnce("expr_create: the plugin has too many expressions");
      return STATUS.internalFailure;
    }
    const compiled = compileCel(Buffer.from(args).toString("utf8"));
    if (!compiled.ok) {
      this.#env.log.warn(`expr_create ${compiled.stage} error: ${compiled.problem}`);
      if (compiled.stage === "compile") expressions.nextToken();
      return STATUS.badArgument;
    }
    const token = expressions.nextToken();
    expressions.programs.set(token, compiled.program);
    answer.bytes = new Uint8Array(TOKEN_BYTES);
    new DataView(answer.bytes.buffer).setUint32(0, token, true);
    return STATUS.ok;
  }

  evaluate(args: Uint8Array, answer: ForeignAnswer): number {
    const token = tokenOf(args);
    if (token === null) return STATUS.badArgument;
    const program = this.#own()?.programs.get(token);
    if (program === undefined) return STATUS.notFound;
    const result = program.run((path) => lookUpProperty(this.#env, this.#env.call.context, path));
    if (result === null) return STATUS.serializationFailure;
    if (typeof result === "string") return STATUS.internalFailure;
    answer.bytes = result;
    return STATUS.ok;
  }

  delete(args: Uint8Array): number {
    const token = tokenOf(args);
    if (token === null) return STATUS.badArgument;
    this.#own()?.programs.delete(token);
    return STATUS.ok;
  }

  /** The expressions of the current root; null in the VM context. */
  #own(): Expressions | null {
    const root = this.#env.call.context?.root;
    if (root === undefined) return null;
    const known = this.#byRoot.get(root);
    if (known !== undefined) return known;
    const made = new Expressions();
    this.#byRoot.set(root, made);
    return made;
  }
}

export const expressionFunctions: ForeignFamily = (env) => {
  const functions = new ExpressionFunctions(env);
  return {
    expr_create: (args, answer) => functions.create(args, answer),
    expr_evaluate: (args, answer) => functions.evaluate(args, answer),
    expr_delete: (args) => functions.delete(args),
  };
};
