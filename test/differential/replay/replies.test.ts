/** The differential cases of the group "replies", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("replies");
