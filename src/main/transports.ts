/**
 * Which transport serves each listener: `codec` is the cheaper proxy in plaintext, uWS under TLS
 * where it loads and frames messages correctly. Pure.
 */
import type { ListenerConfig } from "../config/types.ts";
import type { TransportName } from "../silo/messages.ts";
import type { TransportChoice } from "./cli.ts";
import { uwsFault } from "./uws-fault.ts";

/** Whether uWS may serve here. */
export type UwsVerdict =
  | { readonly kind: "usable" }
  /** It loads but breaks the protocol in some cases: serves only where it is asked for by name. */
  | { readonly kind: "faulty"; readonly reason: string }
  | { readonly kind: "unusable"; readonly reason: string };

export type TransportPlan =
  | {
      readonly kind: "planned";
      readonly transports: readonly TransportName[];
      /** One line per listener: which and why. */
      readonly notes: readonly string[];
    }
  | { readonly kind: "refused"; readonly problem: string };

export function planTransports(
  choice: TransportChoice,
  listeners: readonly ListenerConfig[],
  uws: UwsVerdict,
): TransportPlan {
  if (choice === "uws" && uws.kind === "unusable") {
    return { kind: "refused", problem: `--transport uws: ${uws.reason}` };
  }
  const faults = listeners.map(uwsFault);
  const refused = faults.findIndex((fault) => fault !== null);
  if (choice === "uws" && refused >= 0) {
    const { name = "" } = listeners[refused] ?? {};
    return { kind: "refused", problem: `--transport uws: listener '${name}': ${faults[refused]}` };
  }
  const picks = listeners.map((listener, index) => {
    const isTls = listener.filterChains.some(({ tls }) => tls !== null);
    const fault = faults[index] ?? null;
    const verdict: UwsVerdict = fault === null ? uws : { kind: "unusable", reason: fault };
    return { name: listener.name, ...pick(choice, isTls, verdict) };
  });
  return {
    kind: "planned",
    transports: picks.map(({ transport }) => transport),
    notes: picks.map(({ name, transport, why }) => `listener '${name}': ${transport} (${why})`),
  };
}

interface Pick {
  readonly transport: TransportName;
  readonly why: string;
}

function pick(choice: TransportChoice, isTls: boolean, uws: UwsVerdict): Pick {
  if (choice !== "auto") {
    const known = choice === "uws" && uws.kind === "faulty" ? `; ${uws.reason}` : "";
    return { transport: choice, why: `--transport ${choice}${known}` };
  }
  if (!isTls) return { transport: "codec", why: "plaintext" };
  if (uws.kind === "usable") return { transport: "uws", why: "TLS" };
  return { transport: "codec", why: `TLS, ${uws.reason}` };
}
