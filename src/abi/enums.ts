/**
 * The enumerations of the Proxy-Wasm ABI as data. Source: ABI section 4; numbering is the same in
 * all ABI versions.
 */

/** Return code of every `proxy_*` import. */
export const STATUS = {
  ok: 0,
  notFound: 1,
  badArgument: 2,
  serializationFailure: 3,
  parseFailure: 4,
  badExpression: 5,
  invalidMemoryAccess: 6,
  empty: 7,
  casMismatch: 8,
  resultMismatch: 9,
  internalFailure: 10,
  brokenConnection: 11,
  unimplemented: 12,
} as const;
export type StatusName = keyof typeof STATUS;

export const GUEST_LOG_LEVEL = {
  trace: 0,
  debug: 1,
  info: 2,
  warn: 3,
  error: 4,
  critical: 5,
} as const;

export const STREAM_TYPE = { request: 0, response: 1, downstream: 2, upstream: 3 } as const;

export const MAP_TYPE = {
  requestHeaders: 0,
  requestTrailers: 1,
  responseHeaders: 2,
  responseTrailers: 3,
  grpcInitialMetadata: 4,
  grpcTrailingMetadata: 5,
  callResponseHeaders: 6,
  callResponseTrailers: 7,
} as const;
export const MAP_TYPE_MAX = 7;

export const BUFFER_TYPE = {
  requestBody: 0,
  responseBody: 1,
  downstreamData: 2,
  upstreamData: 3,
  callResponseBody: 4,
  grpcMessage: 5,
  vmConfiguration: 6,
  pluginConfiguration: 7,
  callData: 8,
  /** ABI 0.2.100 only. */
  redisResponse: 9,
} as const;

export const METRIC_TYPE = { counter: 0, gauge: 1, histogram: 2 } as const;

/** What a guest returns from a headers callback, before conversion (ABI 2.4). */
export const GUEST_HEADERS_STATUS = {
  continue: 0,
  stopIteration: 1,
  continueAndEndStream: 2,
  stopAllIterationAndBuffer: 3,
  stopAllIterationAndWatermark: 4,
} as const;

/** WASI errno of a function that the capability restriction leaves out. */
export const WASI_NOT_CAPABLE = 76;
