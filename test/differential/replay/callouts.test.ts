/** The differential cases of the group "callouts", as Envoy played them. */
import { replayGroup } from "../replay.ts";

replayGroup("callouts");
