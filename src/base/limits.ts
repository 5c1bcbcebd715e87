/**
 * Every cap of the proxy: the value, its unit (last word of the name) and the reason for it.
 */
export const LIMITS = {
  /** One body chunk: a socket read fills at most this much. 64 KiB is libuv's own read size. */
  bodyChunkBytes: 65_536,
  /**
   * Body slab of one silo: address space, of which only touched chunks take memory. When all are in
   * use, chunks come from the heap.
   */
  bodySlabBytes: 268_435_456,
  /** Slab chunks of one silo that taps may keep, in running streams and until they are written. */
  tapChunksCount: 1_024,
  /**
   * What the kernel may keep of a uWS connection. uWS goes on reading, though it is paused, as long
   * as one read fills its 512 KiB; the kernel takes this value twice, for its own books.
   */
  uwsReceiveBufferBytes: 212_992,
  /** Default high watermark of a stream or connection buffer (Envoy: 1 MiB). */
  bufferBytesDefault: 1_048_576,
  /** Default for `max_request_headers_kb` (Envoy: 60 KiB). */
  requestHeadKibDefault: 60,
  /** Default for `max_headers_count` (Envoy: 100). */
  headersCountDefault: 100,
  /** A chunk-size line with its extensions; longer is an attack. */
  chunkLineBytes: 4_096,
  /** Trailers of one message. */
  trailersBytes: 61_440,
  /** A PROXY protocol header with its extensions. */
  proxyHeaderBytes: 4_096,
  /** The ClientHello that is read for its server name (Envoy: 16 KiB). */
  clientHelloBytes: 16_384,
  /** Pairs in one serialised header map that a guest passes (cpp-host: 1024). */
  pairsCount: 1_024,
  /** Bytes of one serialised header map that a guest passes (cpp-host: 1 MiB). */
  pairsBytes: 1_048_576,
  /** One line that a guest logs; longer is cut. */
  guestLogLineBytes: 65_536,
  /** Lines that the guest of one VM may log in a second; more are dropped and counted. */
  guestLogLinesPerSecond: 50_000,
  /** Names and values of one header map that a guest adds to; what is more is left out. */
  guestHeadersBytes: 4_194_304,
  /** A body or TCP buffer that a guest adds to. */
  guestBufferBytes: 67_108_864,
  /** Memory that a guest lends for the body of one stream: one read brings no more. */
  bodyWindowBytes: 1_048_576,
  /** Bodies that one VM lends memory for at a time. */
  bodyWindowsCount: 4_096,
  /** Filter state of one stream, or of one connection. */
  filterStateBytes: 16_777_216,
  /** Argument and result of a foreign function that computes: no decompression bombs. */
  foreignDataBytes: 16_777_216,
  /** A key that a guest signs or verifies with; RSA of 8,192 bits has 4.7 KiB. */
  signatureKeyBytes: 8_192,
  /** Source of one CEL expression of a guest. */
  celSourceBytes: 16_384,
  /** CEL expressions that a plugin may have at a time. */
  celExpressionsCount: 4_096,
  /** Steps of all loops in one evaluation of an expression (cel-cpp: 10,000). */
  celLoopSteps: 10_000,
  /** Names that one VM may look up at a time, and the length of a name (RFC 1035). */
  dnsQueriesCount: 1_000,
  dnsNameBytes: 255,
  /** Properties that one context may declare. */
  declaredPropertiesCount: 1_024,
  /** A stored message whose fields are found by path, and how deep messages may lie in it. */
  storedMessageBytes: 262_144,
  storedMessageDepth: 100,
  /** Metrics one plugin may define per silo; more is refused and counted. */
  pluginMetricsCount: 10_000,
  /** Name of one metric. */
  metricNameBytes: 1_024,
  /** Callouts that one plugin may have under way on one silo; more is refused and counted. */
  calloutsCount: 20_000,
  /** Sleeps of one VM that nobody has awaited yet. */
  sleepsCount: 1_024,
  /** Body of the answer to a callout (Envoy: 32 MiB); a longer one ends the callout. */
  calloutBodyBytes: 33_554_432,
  /** One message of a gRPC callout that comes in, after decompression. */
  grpcMessageBytes: 33_554_432,
  /** What a plugin may send on a gRPC stream whose upstream takes nothing; more ends the stream. */
  grpcPendingBytes: 33_554_432,
  /** A callout without a timeout of its own, which Envoy would keep for ever. */
  calloutTimeoutMs: 3_600_000,
  /** Imports of one module; a filter has some fifty. */
  moduleImports: 10_000,
  /** Exports of one module: each instance makes an object for each. */
  moduleExports: 10_000,
  /** Functions of one module (V8: 1,000,000); a large Go filter has 20,000. */
  moduleFunctions: 250_000,
  /** Locals of all functions of one module: they are run-length coded in the file. */
  moduleLocals: 10_000_000,
  moduleGlobals: 100_000,
  moduleTables: 16,
  /** Elements of all element segments of one module. */
  moduleElements: 1_000_000,
  /** Elements of one table, which takes 24 bytes for each: the functions that a guest can name. */
  tableElements: 250_000,
  /** Memory of all shared data; address space only until it is used. */
  sharedDataBytes: 67_108_864,
  /** One key of shared data: compared and hashed while a lock is held or waited for. */
  sharedKeyBytes: 65_536,
  /** One value of shared data: copied while a lock is held (1 MiB: about 0.1 ms). */
  sharedValueBytes: 1_048_576,
  /** Shared data, and again queues, of all shadows of one silo; address space until it is used. */
  shadowSharedBytes: 4_194_304,
  /** Differences of one shadow that each silo logs. */
  shadowLogLines: 10,
  /** Keys that one listing of shared data gives. */
  sharedListCount: 100_000,
  /** Bytes of keys that one listing of shared data gives. */
  sharedListBytes: 8_388_608,
  /** What Node may hold for one HTTP/2 connection to an upstream: as many streams as it serves. */
  http2UpstreamSessionMib: 512,
  /** What Node may hold for one HTTP/2 client; more, and it opens no streams. */
  http2DownstreamSessionMib: 64,
  /** Streams that an HTTP/2 client may reset unanswered; more, and they may be half of all. */
  http2ResetsCount: 500,
  /** SETTINGS and PING frames of one HTTP/2 client, and how many more for each of its streams. */
  http2ControlsCount: 1_000,
  http2ControlsPerStream: 10,
  /** An HTTP/2 client that does nothing for so long is asked by PING, and has as long to answer. */
  http2ProbeMs: 10_000,
  /** Headers of one HTTP/2 message that we send. */
  http2SentHeadersBytes: 1_048_576,
  /** Default HTTP/2 window of a stream: the default high watermark. */
  http2StreamWindowBytesDefault: 1_048_576,
  /** Default HTTP/2 window of a connection: sixteen streams at their limit. */
  http2ConnectionWindowBytesDefault: 16_777_216,
  /** Default of `max_concurrent_streams`, both ways (Envoy: 1024 downstream since 1.36). */
  http2StreamsCountDefault: 1_024,
  /** Shared queues of the process. */
  sharedQueuesCount: 1_023,
  /** Memory of the items of all shared queues; address space only until it is used. */
  sharedQueuesBytes: 67_108_864,
  /** Items of one shared queue. */
  sharedQueueItems: 1_000_000,
  /** One item of a shared queue: copied while a lock is held. */
  sharedQueueItemBytes: 1_048_576,
  /** Module that is made to suspend when it is loaded: 1 MiB takes half a minute. */
  asyncifyBytes: 1_048_576,
  /** Size of a .wasm file. */
  moduleBytes: 268_435_456,
  /** Size of a configuration file. */
  configBytes: 67_108_864,
} as const;
