/**
 * ABI versions and the marker exports that declare them. A marker is a function that is never
 * called. Source: ABI 1.1, 1.2.
 */

/** Oldest first: a later entry wins when a module declares several. */
export const ABI_VERSIONS = ["0.1.0", "0.2.0", "0.2.1", "0.2.100"] as const;
export type AbiVersion = (typeof ABI_VERSIONS)[number];

/** What versions of the table mean by `since`: Envoy's own extensions belong to no version. */
export type AbiSince = AbiVersion | "envoy";

const MARKER_PREFIX = "proxy_abi_version_";

/** The marker export of `version`: `proxy_abi_version_0_2_1`. */
export function markerOf(version: AbiVersion): string {
  return MARKER_PREFIX + version.replaceAll(".", "_");
}

export interface AbiDetection {
  /** The newest known version that is declared, or null. */
  readonly version: AbiVersion | null;
  /** Every export that looks like a marker, known or not, in module order. */
  readonly markers: readonly string[];
}

/**
 * Finds the ABI version of a module.
 * @param exports names and kinds in module order.
 */
export function detectAbiVersion(
  exports: readonly { readonly name: string; readonly kind: string }[],
): AbiDetection {
  const markers = exports
    .filter((entry) => entry.kind === "function" && entry.name.startsWith(MARKER_PREFIX))
    .map((entry) => entry.name);
  const version = ABI_VERSIONS.findLast((candidate) => markers.includes(markerOf(candidate)));
  return { version: version ?? null, markers };
}
