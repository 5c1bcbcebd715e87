/** The differential cases of the group "headers", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("headers");
