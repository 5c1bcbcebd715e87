/** proxy_call_foreign_function, by name. ABI 3.14. */
import { STATUS } from "../../abi/enums.ts";
import type { GroupHostcalls } from "../../abi/hostcall-types.ts";
import { createForeignFunctions } from "../foreign/index.ts";
import { ForeignAnswer } from "../foreign/types.ts";
import type { HostcallEnv } from "./env.ts";

export function foreignHostcalls(env: HostcallEnv): GroupHostcalls<"foreign"> {
  const { memory, results } = env;
  const functions = createForeignFunctions(env);
  const answer = new ForeignAnswer();
  return {
    proxy_call_foreign_function: (namePtr, nameLen, argsPtr, argsLen, ptrPtr, lenPtr) => {
      const name = memory.readLatin1(namePtr, nameLen);
      const args = memory.readBytes(argsPtr, argsLen);
      if (name === null || args === null) return STATUS.invalidMemoryAccess;
      const body = functions.get(name);
      if (body === undefined) return STATUS.notFound;
      answer.clear();
      const status = body(args, answer);
      const written = results.optional(answer.bytes, ptrPtr, lenPtr);
      answer.clear();
      return written === STATUS.ok ? status : written;
    },
  };
}
