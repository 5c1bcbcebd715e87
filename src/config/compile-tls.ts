/**
 * TLS contexts of listeners and clusters; certificates are loaded once here to see that they work.
 */
import { createSecureContext } from "node:tls";
import type { TransportSocket } from "../gen/envoy/config/core/v3/base_pb.ts";
import { RawBufferSchema } from "../gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import type {
  CertificateValidationContext,
  TlsCertificate,
  TlsParameters,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import {
  TlsParameters_TlsProtocol as Protocol,
  SubjectAltNameMatcher_SanType as SanType,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import type { CommonTlsContext } from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { compileStringMatch } from "./compile-match.ts";
import { readSourceText } from "./compile-source.ts";
import type { Place } from "./place.ts";
import { unpack } from "./place.ts";
import type { Message } from "./protobuf.ts";
import { isMessage } from "./protobuf.ts";
import type {
  CertificatePair,
  DownstreamTlsConfig,
  TlsVersion,
  UpstreamTlsConfig,
} from "./types.ts";

const VERSIONS: Readonly<Record<number, TlsVersion>> = {
  [Protocol.TLSv1_0]: "TLSv1",
  [Protocol.TLSv1_1]: "TLSv1.1",
  [Protocol.TLSv1_2]: "TLSv1.2",
  [Protocol.TLSv1_3]: "TLSv1.3",
};
const SAN_TYPES: Readonly<Record<number, string>> = {
  [SanType.EMAIL]: "email",
  [SanType.DNS]: "dns",
  [SanType.URI]: "uri",
  [SanType.IP_ADDRESS]: "ip",
};

/** The common half of both contexts. */
interface Common {
  readonly certificates: readonly CertificatePair[];
  readonly trustedCa: string | null;
  readonly hashes: readonly string[];
  readonly subjectAltNames: UpstreamTlsConfig["subjectAltNames"];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly alpn: readonly string[];
  readonly ciphers: string;
}

/** Null for plaintext, and after a problem. */
export function compileDownstreamTls(
  socket: TransportSocket | undefined,
  place: Place,
): DownstreamTlsConfig | null {
  const message = socketMessage(socket, place);
  const at = place.child("typed_config");
  if (message === null) return null;
  if (!isMessage(message, DownstreamTlsContextSchema)) {
    return wrongSocket(message, "DownstreamTlsContext", at);
  }
  const common = compileCommon(message.commonTlsContext, "server", at.child("common_tls_context"));
  if (common.certificates.length === 0) {
    const where = at.child("common_tls_context").child("tls_certificates");
    where.problem("a certificate is required", "add certificate_chain and private_key");
  }
  const validation = at.child("common_tls_context").child("validation_context");
  for (const [list, name] of [
    [common.subjectAltNames, "match_typed_subject_alt_names"],
    [common.hashes, "verify_certificate_hash"],
  ] as const) {
    if (list.length === 0) continue;
    validation.child(name).problem(`${name} is not implemented for listeners`, "remove it");
  }
  const requireClientCertificate = message.requireClientCertificate ?? false;
  if (requireClientCertificate && common.trustedCa === null) {
    const hint = "add validation_context.trusted_ca";
    at.child("require_client_certificate").problem("there is no CA to check clients by", hint);
  }
  const { certificates, trustedCa, minVersion, maxVersion, alpn, ciphers } = common;
  return {
    certificates,
    clientCa: trustedCa,
    requireClientCertificate,
    minVersion,
    maxVersion,
    alpn,
    ciphers,
  };
}

/** Null for plaintext, and after a problem. */
export function compileUpstreamTls(
  socket: TransportSocket | undefined,
  place: Place,
): UpstreamTlsConfig | null {
  const message = socketMessage(socket, place);
  const at = place.child("typed_config");
  if (message === null) return null;
  if (!isMessage(message, UpstreamTlsContextSchema)) {
    return wrongSocket(message, "UpstreamTlsContext", at);
  }
  const common = compileCommon(message.commonTlsContext, "client", at.child("common_tls_context"));
  const { certificates, trustedCa, hashes, subjectAltNames } = common;
  if (trustedCa === null && hashes.length === 0) {
    const hint = "add common_tls_context.validation_context.trusted_ca";
    at.warn("the certificate of the upstream is not verified", hint);
  }
  return {
    sni: message.sni,
    autoHostSni: message.autoHostSni,
    trustedCa,
    certificates,
    subjectAltNames,
    certificateHashes: hashes,
    minVersion: common.minVersion,
    maxVersion: common.maxVersion,
    alpn: common.alpn,
    ciphers: common.ciphers,
  };
}

function socketMessage(socket: TransportSocket | undefined, place: Place): Message | null {
  if (socket === undefined) return null;
  const { configType } = socket;
  const message = configType.case === "typedConfig" ? unpack(configType.value) : null;
  if (configType.case === undefined && socket.name !== "envoy.transport_sockets.raw_buffer") {
    const hint = 'add typed_config with "@type"';
    place.child("typed_config").problem("typed_config is required", hint);
  }
  return isMessage(message, RawBufferSchema) ? null : message;
}

function wrongSocket(message: Message, wanted: string, place: Place): null {
  const text = `the transport socket ${message.$typeName} is not implemented here`;
  place.problem(text, `use envoy.extensions.transport_sockets.tls.v3.${wanted} or RawBuffer`);
  return null;
}

function compileCommon(
  message: CommonTlsContext | undefined,
  side: "server" | "client",
  place: Place,
): Common {
  const at = place.child("tls_certificates");
  const certificates = (message?.tlsCertificates ?? [])
    .map((certificate, i) => compileCertificate(certificate, at.item(i)))
    .filter((pair) => pair !== null);
  const type = message?.validationContextType;
  const validation = type?.case === "validationContext" ? type.value : undefined;
  const checked = compileValidation(validation, place.child("validation_context"));
  const parameters = compileParameters(message?.tlsParams, side, place.child("tls_params"));
  const alpn = compileAlpn(message?.alpnProtocols ?? []);
  return { certificates, ...checked, ...parameters, alpn };
}

function compileCertificate(message: TlsCertificate, place: Place): CertificatePair | null {
  const { certificateChain, privateKey, password } = message;
  const read = (source: TlsCertificate["privateKey"], name: string): string | null => {
    if (source !== undefined) return readSourceText(source, place.child(name));
    place.child(name).problem(`${name} is required`, `add ${name}.filename`);
    return null;
  };
  const cert = read(certificateChain, "certificate_chain");
  const key = read(privateKey, "private_key");
  const secret = password === undefined ? null : readSourceText(password, place.child("password"));
  if (cert === null || key === null) return null;
  const passphrase = secret?.trimEnd() ?? null;
  try {
    createSecureContext({ cert, key, ...(passphrase === null ? {} : { passphrase }) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = "both must be PEM and belong together";
    place.child("certificate_chain").problem(`certificate and key do not load: ${reason}`, hint);
    return null;
  }
  return { certificatePem: cert, privateKeyPem: key, passphrase };
}

function compileValidation(
  message: CertificateValidationContext | undefined,
  place: Place,
): Pick<Common, "trustedCa" | "hashes" | "subjectAltNames"> {
  if (message === undefined) return { trustedCa: null, hashes: [], subjectAltNames: [] };
  const source = message.trustedCa;
  const trustedCa = source === undefined ? null : readSourceText(source, place.child("trusted_ca"));
  if (trustedCa !== null && !trustedCa.includes("-----BEGIN CERTIFICATE-----")) {
    place.child("trusted_ca").problem("there is no PEM certificate in it", "name a PEM file");
  }
  const typed = message.matchTypedSubjectAltNames.map((matcher, i) => {
    const at = place.child("match_typed_subject_alt_names").item(i);
    const sanType = SAN_TYPES[matcher.sanType];
    if (sanType === undefined) at.child("san_type").problem("this SAN type is not implemented");
    const { matcher: text } = matcher;
    const match = text === undefined ? null : compileStringMatch(text, at.child("matcher"));
    return match === null ? null : { sanType: sanType ?? "", match };
  });
  const any = message.matchSubjectAltNames.map((matcher, i) => ({
    sanType: "any",
    match: compileStringMatch(matcher, place.child("match_subject_alt_names").item(i)),
  }));
  const subjectAltNames = [...typed.filter((entry) => entry !== null), ...any];
  if (subjectAltNames.length > 0 && source === undefined) {
    const hint = "add trusted_ca";
    place.child("match_typed_subject_alt_names").problem("names prove nothing without a CA", hint);
  }
  const hashes = message.verifyCertificateHash.map((hash) =>
    hash.replaceAll(":", "").toLowerCase(),
  );
  return { trustedCa, hashes, subjectAltNames };
}

function compileParameters(
  message: TlsParameters | undefined,
  side: "server" | "client",
  place: Place,
): Pick<Common, "minVersion" | "maxVersion" | "ciphers"> {
  const minVersion = VERSIONS[message?.tlsMinimumProtocolVersion ?? 0] ?? "TLSv1.2";
  const newest = side === "server" ? "TLSv1.3" : "TLSv1.2";
  const wanted = VERSIONS[message?.tlsMaximumProtocolVersion ?? 0] ?? newest;
  const explicit = (message?.tlsMaximumProtocolVersion ?? Protocol.TLS_AUTO) !== Protocol.TLS_AUTO;
  if (minVersion > wanted && explicit) {
    const text = `the minimum ${minVersion} is above the maximum ${wanted}`;
    place.child("tls_minimum_protocol_version").problem(text, "swap the two");
  }
  const [, maxVersion = wanted] = [minVersion, wanted].sort();
  // BoringSSL writes groups of equal preference as [A|B]; OpenSSL knows only the list.
  const list = (message?.cipherSuites ?? []).join(":");
  const ciphers = list.replaceAll(/[[\]]/g, "").replaceAll("|", ":");
  if (ciphers !== "") {
    try {
      createSecureContext({ ciphers });
    } catch {
      place.child("cipher_suites").problem(`no usable cipher in "${ciphers}"`, "use OpenSSL names");
    }
  }
  return { minVersion, maxVersion, ciphers };
}

function compileAlpn(protocols: readonly string[]): string[] {
  // The documentation of Envoy shows one string "h2,http/1.1" as well as a list.
  const all = protocols.flatMap((text) => text.split(",")).map((text) => text.trim());
  return all.filter((protocol) => protocol !== "");
}
