/**
 * Access log of the admin interface: its requests in the formats that streams are logged in. What
 * an admin request has no notion of (route, upstream, ...) is absent. Thread: main.
 */
import type { AdminAccess } from "../admin/server.ts";
import type { Clock } from "../base/clock.ts";
import type { GranaryConfig } from "../config/types.ts";
import { HeaderMap } from "../http/header-map.ts";
import { AccessLogs } from "../silo/access-log.ts";
import { StreamInfo } from "../silo/stream-info.ts";

export interface AdminLog {
  log(access: AdminAccess): void;
  reopen(): void;
  flush(): void;
}

/** Null when the configuration asks for none. Throws when a file cannot be opened. */
export function createAdminLog(config: GranaryConfig, clock: Clock): AdminLog | null {
  const { admin } = config;
  // Streams carry their listener; the admin interface has none, and no operator reads it here.
  const [listener] = config.listeners;
  if (admin === null || admin.accessLogs.length === 0 || listener === undefined) return null;
  const logs = new AccessLogs(null);
  const logger = logs.logger(admin.accessLogs);
  const { host, port } = admin.address;
  return {
    log: (access) => {
      const { peerAddress: ip } = access;
      const peer = { remoteIp: ip, remotePort: 0, directIp: ip, directPort: 0 };
      const downstream = { ...peer, id: 0, tls: null, localIp: host, localPort: port };
      const info = new StreamInfo(listener, downstream, 0);
      fillIn(info, access, clock);
      logger.log(info);
    },
    reopen: () => logs.reopen(),
    flush: () => logs.flush(),
  };
}

function fillIn(info: StreamInfo, access: AdminAccess, clock: Clock): void {
  info.requestHeaders = HeaderMap.of([
    [":method", access.method],
    [":path", access.target],
  ]);
  info.endMs = clock.monotonicMs();
  info.startMs = info.endMs - access.durationMs;
  info.requestEndMs = info.startMs;
  info.startWallMs = clock.wallMs() - access.durationMs;
  info.responseCode = access.status;
  info.responseBodyBytes = access.bodyBytes;
}
