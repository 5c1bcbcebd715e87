/**
 * TLS of a listener for uWS, which reads certificates from files only and knows fewer settings than
 * OpenSSL behind Node. Set-up time.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DownstreamTlsConfig } from "../../config/types.ts";
import type { UwsApp, UwsLibrary } from "./uws-library.ts";

const OWNER_ONLY = 0o600;

/**
 * An app that speaks TLS. The key lies in a folder that only this user can enter, and only until
 * uWS has read it. `config` is one that `uwsTlsFault` of main found nothing against.
 */
export function createSslApp(library: UwsLibrary, config: DownstreamTlsConfig): UwsApp {
  const pair = config.certificates[0];
  if (pair === undefined) throw new Error("a TLS context needs at least one certificate");
  const folder = mkdtempSync(join(tmpdir(), "granary-tls-"));
  try {
    const keep = (name: string, text: string): string => {
      const path = join(folder, name);
      writeFileSync(path, text, { mode: OWNER_ONLY });
      return path;
    };
    return library.SSLApp({
      key_file_name: keep("key.pem", pair.privateKeyPem),
      cert_file_name: keep("certificate.pem", pair.certificatePem),
      ...(pair.passphrase === null ? {} : { passphrase: pair.passphrase }),
      ...(config.ciphers === "" ? {} : { ssl_ciphers: config.ciphers }),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
