/**
 * Compiles and runs CEL. A guest may write any expression: source length and steps of all loops
 * together are capped, and what overflows the stack is an error like another.
 */
import { LIMITS } from "../../base/limits.ts";
import { type CelExpression, type CelLibrary, type CelValue, loadCel } from "./cel-library.ts";
import { CelValues, type FindAttribute } from "./cel-values.ts";

/** Counts the steps of loops; its name cannot be written in an expression. */
const STEP = "@granary_step";

export interface CelProgram {
  /** The serialised value; an error text; or null for a value without a serialisation. */
  run(find: FindAttribute): Uint8Array | string | null;
}

/** A program, or where it failed: "parse" (no expression at all) or "compile". */
export type Compiled =
  | { readonly ok: true; readonly program: CelProgram }
  | { readonly ok: false; readonly stage: "parse" | "compile"; readonly problem: string };

function problemText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

class CelCompiler {
  readonly #library: CelLibrary = loadCel();
  readonly #values = new CelValues(this.#library);
  readonly #env = this.#library.cel.celEnv({ funcs: [this.#stepFunction()] });
  #stepsLeft = 0;

  compile(source: string): Compiled {
    let expression: CelExpression;
    try {
      expression = this.#library.cel.parse(source).expr;
    } catch (error) {
      return { ok: false, stage: "parse", problem: problemText(error) };
    }
    try {
      this.#prepare(expression);
      return { ok: true, program: this.#program(expression) };
    } catch (error) {
      return { ok: false, stage: "compile", problem: problemText(error) };
    }
  }

  #program(expression: CelExpression): CelProgram {
    const { cel } = this.#library;
    const evaluate = cel.plan(this.#env, expression) as (variables: object) => CelValue;
    let current: FindAttribute | null = null;
    const variables = new Proxy(Object.create(null), {
      get: (_, name) =>
        typeof name === "string" && current !== null
          ? this.#values.variable(name, current)
          : undefined,
    });
    return {
      run: (find) => {
        current = find;
        this.#stepsLeft = LIMITS.celLoopSteps;
        try {
          const value = evaluate(variables);
          return cel.isCelError(value) ? value.message : this.#values.serialize(value);
        } catch (error) {
          return problemText(error);
        } finally {
          current = null;
        }
      },
    };
  }

  #stepFunction() {
    const { celFunc, CelScalar } = this.#library.cel;
    return celFunc(STEP, [CelScalar.BOOL], CelScalar.BOOL, (condition) => {
      if (this.#stepsLeft === 0) throw new Error("too many steps");
      this.#stepsLeft--;
      return condition;
    });
  }

  /** Refuses functions that do not exist, and counts the steps of loops. */
  #prepare(expression: CelExpression | undefined): void {
    if (expression === undefined) return;
    const kind = expression.exprKind;
    switch (kind.case) {
      case "callExpr":
        this.#checkFunction(kind.value.function, kind.value.target);
        this.#prepare(kind.value.target);
        for (const argument of kind.value.args) this.#prepare(argument);
        return;
      case "listExpr":
        for (const element of kind.value.elements) this.#prepare(element);
        return;
      case "structExpr":
        for (const { keyKind, value } of kind.value.entries) {
          if (keyKind.case === "mapKey") this.#prepare(keyKind.value);
          this.#prepare(value);
        }
        return;
      case "selectExpr":
        this.#prepare(kind.value.operand);
        return;
      case "comprehensionExpr":
        this.#prepareLoop(kind.value);
        return;
      default:
        return;
    }
  }

  #prepareLoop(loop: Extract<CelExpression["exprKind"], { case: "comprehensionExpr" }>["value"]) {
    const { iterRange, accuInit, loopCondition, loopStep, result } = loop;
    for (const part of [iterRange, accuInit, loopCondition, loopStep, result]) this.#prepare(part);
    if (loopCondition === undefined) return;
    // A call of any one-argument function becomes the step around the condition.
    const step = this.#library.cel.parse("step(true)").expr;
    if (step.exprKind.case !== "callExpr") return;
    step.exprKind.value.function = STEP;
    step.exprKind.value.args = [loopCondition];
    loop.loopCondition = step;
  }

  /** Operators have no names that are identifiers; the library knows them all. */
  #checkFunction(name: string, target: CelExpression | undefined): void {
    if (!/^[a-z]\w*$/i.test(name) || this.#env.funcs.find(name) !== undefined) return;
    const space = target?.exprKind;
    const qualified = space?.case === "identExpr" ? `${space.value.name}.${name}` : name;
    if (this.#env.funcs.find(qualified) === undefined) throw new Error(`no function ${name}`);
  }
}

let compiler: CelCompiler | null = null;

/** Compiles `source` (UTF-8 text). */
export function compileCel(source: string): Compiled {
  if (source.length > LIMITS.celSourceBytes) {
    return { ok: false, stage: "parse", problem: "the expression is too long" };
  }
  compiler ??= new CelCompiler();
  return compiler.compile(source);
}
