/** The differential cases of the part "life", as Envoy played them. */
import { replayPart } from "../replay.ts";

replayPart("life");
