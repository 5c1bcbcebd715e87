/** Foreign functions, over their hostcall. */
import { STATUS } from "../../abi/enums.ts";
import { HostcallError } from "./errors.ts";
import { type Host, OUT_LEN, OUT_PTR } from "./host.ts";

/** Calls the function `name` with `args`; null = there is none. */
export function callForeign(
  host: Host,
  id: number,
  name: string,
  args: Uint8Array,
): Uint8Array | null {
  host.begin();
  const namePtr = host.putText(name);
  const argsPtr = host.putBytes(args);
  host.act(id);
  const size = args.byteLength;
  const status = host.calls.proxy_call_foreign_function(
    namePtr,
    name.length,
    argsPtr,
    size,
    OUT_PTR,
    OUT_LEN,
  );
  host.done();
  if (status === STATUS.notFound) return null;
  if (status !== STATUS.ok) throw new HostcallError(`foreign function ${name}`, status);
  return host.resultBytes();
}
