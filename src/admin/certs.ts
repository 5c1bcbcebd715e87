/**
 * `/certs`: the certificates of the configuration. Source: Envoy, admin/v3/certs.proto.
 */
import { X509Certificate } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import type { GranaryConfig } from "../config/types.ts";
import { type AdminHandler, json } from "./types.ts";

const DAY_MS = 86_400_000;
const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export const certs: AdminHandler = (_request, source) =>
  json({ certificates: certificatesOf(source.config(), systemClock) });

/** One entry per certificate pair; trusted CAs stand with the first pair, or alone. */
export function certificatesOf(config: GranaryConfig, clock: Clock): readonly object[] {
  const entries: object[] = [];
  const add = (caPem: string | null, pems: readonly string[]): void => {
    const ca = caPem === null ? [] : details(caPem, clock);
    if (pems.length === 0 && ca.length > 0) entries.push({ ca_cert: ca, cert_chain: [] });
    for (const [index, pem] of pems.entries()) {
      entries.push({ ca_cert: index === 0 ? ca : [], cert_chain: details(pem, clock).slice(0, 1) });
    }
  };
  for (const { tls } of config.listeners.flatMap(({ filterChains }) => filterChains)) {
    if (tls !== null)
      add(
        tls.clientCa,
        tls.certificates.map((pair) => pair.certificatePem),
      );
  }
  for (const { tls } of config.clusters) {
    if (tls !== null)
      add(
        tls.trustedCa,
        tls.certificates.map((pair) => pair.certificatePem),
      );
  }
  return entries;
}

/** Whole days until the first certificate expires, or null without one: the value of the gauge
 * `server.days_until_first_cert_expiring`. */
export function daysUntilFirstExpiry(config: GranaryConfig, clock: Clock): number | null {
  const pems = [
    ...config.listeners.flatMap(({ filterChains }) => filterChains.map(({ tls }) => tls)),
    ...config.clusters.map(({ tls }) => tls),
  ]
    .flatMap((tls) => tls?.certificates ?? [])
    .map((pair) => pair.certificatePem);
  const days = pems.flatMap(parse).map((certificate) => daysLeft(certificate, clock));
  return days.length === 0 ? null : Math.min(...days);
}

function parse(pem: string): readonly X509Certificate[] {
  return (pem.match(PEM_BLOCK) ?? []).map((block) => new X509Certificate(block));
}

function daysLeft(certificate: X509Certificate, clock: Clock): number {
  const left = Date.parse(certificate.validTo) - clock.wallMs();
  return Math.max(0, Math.trunc(left / DAY_MS));
}

function details(pem: string, clock: Clock): readonly object[] {
  return parse(pem).map((certificate) => ({
    path: "<inline>",
    serial_number: certificate.serialNumber.toLowerCase(),
    subject_alt_names: alternativeNames(certificate.subjectAltName ?? ""),
    days_until_expiration: String(daysLeft(certificate, clock)),
    valid_from: timestamp(certificate.validFrom),
    expiration_time: timestamp(certificate.validTo),
  }));
}

function timestamp(date: string): string {
  return new Date(date).toISOString().replace(".000Z", "Z");
}

/** @param names as node prints them: `DNS:a, IP Address:::1, URI:spiffe://b` */
function alternativeNames(names: string): readonly object[] {
  const found: object[] = [];
  for (const [, kind, value = ""] of names.matchAll(/(DNS|IP Address|URI):("[^"]*"|[^,]+)/g)) {
    if (kind === "DNS") found.push({ dns: value });
    if (kind === "IP Address") found.push({ ip_address: value });
    if (kind === "URI") found.push({ uri: value });
  }
  return found;
}
