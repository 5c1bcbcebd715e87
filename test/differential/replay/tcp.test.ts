/** The differential cases of the group "tcp", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("tcp");
