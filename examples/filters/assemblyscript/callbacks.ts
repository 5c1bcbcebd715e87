// What a module exports to its host: the SDK's callbacks, but for the end of contexts. The SDK looks
// every context up among those of streams, and aborts when the root's end is told at shutdown.
export { malloc } from "@gcoredev/proxy-wasm-sdk-as/assembly/malloc";
export {
  proxy_abi_version_0_2_1,
  proxy_on_vm_start,
  proxy_validate_configuration,
  proxy_on_configure,
  proxy_on_tick,
  proxy_on_foreign_function,
  proxy_on_queue_ready,
  proxy_on_request_headers,
  proxy_on_request_body,
  proxy_on_request_trailers,
  proxy_on_request_metadata,
  proxy_on_response_headers,
  proxy_on_response_body,
  proxy_on_response_trailers,
  proxy_on_response_metadata,
  proxy_on_http_call_response,
  proxy_on_grpc_receive_initial_metadata,
  proxy_on_grpc_trailing_metadata,
  proxy_on_grpc_receive,
  proxy_on_grpc_close,
  proxy_on_downstream_data,
  proxy_on_upstream_data,
  proxy_on_upstream_connection_close,
  proxy_on_downstream_connection_close,
  proxy_on_new_connection,
  proxy_on_log,
} from "@gcoredev/proxy-wasm-sdk-as/assembly/exports";
import {
  proxy_on_context_create as createContext,
  proxy_on_delete as deleteStream,
  proxy_on_done as endStream,
} from "@gcoredev/proxy-wasm-sdk-as/assembly/exports";

const roots = new Set<u32>();

export function proxy_on_context_create(context_id: u32, parent_context_id: u32): void {
  if (parent_context_id == 0) roots.add(context_id);
  createContext(context_id, parent_context_id);
}

export function proxy_on_done(context_id: u32): u32 {
  return roots.has(context_id) ? 1 : endStream(context_id);
}

export function proxy_on_delete(context_id: u32): void {
  if (!roots.delete(context_id)) deleteStream(context_id);
}
