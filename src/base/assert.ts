/**
 * Programmer errors. An assertion that fails ends the thread: the supervisor replaces the silo and
 * the others go on. Never used for anything a client, an upstream, a config or a filter can cause.
 */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws {@link AssertionError} when `condition` is false. Thread: any. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that the types prove unreachable. */
export function assertNever(value: never): never {
  throw new AssertionError(`unreachable value: ${String(value)}`);
}

/** Returns `value`, which the caller knows to be present (an index inside its bounds, say). */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new AssertionError(`${what} is absent`);
  return value;
}
