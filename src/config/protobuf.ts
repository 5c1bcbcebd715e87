/**
 * The one door to protobuf-es and to the generated Envoy types. Only main imports it: a thread that
 * does pays 150 ms and 25 MB, so silos get the plain structures of `types.ts` instead.
 */
import type { DescFile } from "@bufbuild/protobuf";
import { createRegistry } from "@bufbuild/protobuf";
import { file_google_protobuf_struct, file_google_protobuf_wrappers } from "@bufbuild/protobuf/wkt";
import { file_envoy_config_bootstrap_v3_bootstrap } from "../gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import { file_envoy_extensions_access_loggers_file_v3_file } from "../gen/envoy/extensions/access_loggers/file/v3/file_pb.ts";
import { file_envoy_extensions_access_loggers_stream_v3_stream } from "../gen/envoy/extensions/access_loggers/stream/v3/stream_pb.ts";
import { file_envoy_extensions_access_loggers_wasm_v3_wasm } from "../gen/envoy/extensions/access_loggers/wasm/v3/wasm_pb.ts";
import { file_envoy_extensions_filters_http_router_v3_router } from "../gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { file_envoy_extensions_filters_http_tap_v3_tap } from "../gen/envoy/extensions/filters/http/tap/v3/tap_pb.ts";
import { file_envoy_extensions_filters_http_upstream_codec_v3_upstream_codec } from "../gen/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.ts";
import { file_envoy_extensions_filters_http_wasm_v3_wasm } from "../gen/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts";
import { file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector } from "../gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts";
import { file_envoy_extensions_filters_listener_original_dst_v3_original_dst } from "../gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts";
import { file_envoy_extensions_filters_listener_proxy_protocol_v3_proxy_protocol } from "../gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.ts";
import { file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector } from "../gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import { file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy } from "../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { file_envoy_extensions_filters_network_wasm_v3_wasm } from "../gen/envoy/extensions/filters/network/wasm/v3/wasm_pb.ts";
import { file_envoy_extensions_formatter_req_without_query_v3_req_without_query } from "../gen/envoy/extensions/formatter/req_without_query/v3/req_without_query_pb.ts";
import { file_envoy_extensions_request_id_uuid_v3_uuid } from "../gen/envoy/extensions/request_id/uuid/v3/uuid_pb.ts";
import { file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts } from "../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts";
import { file_envoy_extensions_stat_sinks_wasm_v3_wasm } from "../gen/envoy/extensions/stat_sinks/wasm/v3/wasm_pb.ts";
import { file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer } from "../gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import { file_envoy_extensions_transport_sockets_tls_v3_tls } from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from "../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { file_granary_filters_http_wasm_v1_wasm_versions } from "../gen/granary/filters/http/wasm/v1/wasm_versions_pb.ts";
import { file_udpa_type_v1_typed_struct } from "../gen/udpa/type/v1/typed_struct_pb.ts";
import { file_validate_validate } from "../gen/validate/validate_pb.ts";
import { file_xds_type_v3_typed_struct } from "../gen/xds/type/v3/typed_struct_pb.ts";

export type {
  DescEnum,
  DescField,
  DescMessage,
  DescOneof,
  JsonObject,
  JsonValue,
  Message,
  MessageShape,
} from "@bufbuild/protobuf";
export {
  clone,
  create,
  fromJson,
  getOption,
  isMessage,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
export type { ReflectList, ReflectMap, ReflectMessage } from "@bufbuild/protobuf/reflect";
export { isReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
export type { Any, Duration } from "@bufbuild/protobuf/wkt";
export {
  anyUnpack,
  BytesValueSchema,
  isWrapperDesc,
  StringValueSchema,
  StructSchema,
} from "@bufbuild/protobuf/wkt";
export type { FieldRules } from "../gen/validate/validate_pb.ts";
export { required, rules } from "../gen/validate/validate_pb.ts";

/** The files above and, through `dependencies`, every file that they import. */
function withDependencies(files: readonly DescFile[], seen = new Set<DescFile>()): Set<DescFile> {
  for (const file of files) {
    if (seen.has(file)) continue;
    seen.add(file);
    withDependencies(file.dependencies, seen);
  }
  return seen;
}

/** Every message type that a typed_config may name, with all they reach. */
export const registry = createRegistry(
  ...withDependencies([
    file_google_protobuf_struct,
    file_google_protobuf_wrappers,
    file_envoy_config_bootstrap_v3_bootstrap,
    file_envoy_extensions_access_loggers_file_v3_file,
    file_envoy_extensions_access_loggers_stream_v3_stream,
    file_envoy_extensions_access_loggers_wasm_v3_wasm,
    file_envoy_extensions_filters_http_router_v3_router,
    file_envoy_extensions_filters_http_tap_v3_tap,
    file_envoy_extensions_filters_http_wasm_v3_wasm,
    file_envoy_extensions_filters_http_upstream_codec_v3_upstream_codec,
    file_envoy_extensions_filters_listener_http_inspector_v3_http_inspector,
    file_envoy_extensions_filters_listener_original_dst_v3_original_dst,
    file_envoy_extensions_filters_listener_proxy_protocol_v3_proxy_protocol,
    file_envoy_extensions_filters_listener_tls_inspector_v3_tls_inspector,
    file_envoy_extensions_formatter_req_without_query_v3_req_without_query,
    file_envoy_extensions_request_id_uuid_v3_uuid,
    file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts,
    file_envoy_extensions_filters_network_http_connection_manager_v3_http_connection_manager,
    file_envoy_extensions_filters_network_tcp_proxy_v3_tcp_proxy,
    file_envoy_extensions_filters_network_wasm_v3_wasm,
    file_envoy_extensions_stat_sinks_wasm_v3_wasm,
    file_envoy_extensions_transport_sockets_raw_buffer_v3_raw_buffer,
    file_envoy_extensions_transport_sockets_tls_v3_tls,
    file_envoy_extensions_upstreams_http_v3_http_protocol_options,
    file_granary_filters_http_wasm_v1_wasm_versions,
    file_udpa_type_v1_typed_struct,
    file_xds_type_v3_typed_struct,
    file_validate_validate,
  ]),
);
