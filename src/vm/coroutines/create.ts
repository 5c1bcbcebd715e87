/** Whether a guest has coroutines, and by which means of suspension. Source: ADR 50. */
import { ASYNCIFY } from "../../abi/coroutine-exports.ts";
import type { ModuleImport } from "../../abi/imports.ts";
import type { Vm } from "../vm.ts";
import { AsyncifySuspender } from "./asyncify.ts";
import { Coroutines } from "./coroutines.ts";
import { JspiSuspender, stackSwitching } from "./jspi.ts";
import type { SuspensionOwner } from "./suspension.ts";

interface GuestShape {
  /** Names of all exports. */
  readonly exports: ReadonlySet<string>;
  readonly imports: readonly ModuleImport[];
}

function isAsyncified({ exports }: GuestShape): boolean {
  return Object.values(ASYNCIFY).every((name) => exports.has(name));
}

/**
 * Whether the guest's own collector may take what its allocator gave to the host: AssemblyScript
 * and Go keep no hold of it. TinyGo's `malloc` does.
 */
function collectsAllocations({ exports, imports }: GuestShape): boolean {
  if (exports.has("malloc")) return false;
  const isAssemblyScript = imports.some(({ module, name }) => module === "env" && name === "abort");
  const isGo = imports.some(({ name }) => name === "poll_oneoff") && exports.has("_initialize");
  return isAssemblyScript || isGo;
}

/** The coroutines of `vm`, which asks for them; `shape`: its guest's. Null: that cannot stop. */
export function createCoroutines(vm: Vm, shape: GuestShape): Coroutines | null {
  if (!isAsyncified(shape)) {
    if (stackSwitching === null) return null;
    const switching = stackSwitching;
    return new Coroutines(vm, (owner) => new JspiSuspender(owner, switching));
  }
  const asyncify = (owner: SuspensionOwner): AsyncifySuspender =>
    new AsyncifySuspender({
      owner,
      memory: vm.memory,
      allocate: (bytes) => vm.allocateStack(bytes),
      isCollected: collectsAllocations(shape),
    });
  return new Coroutines(vm, asyncify);
}
