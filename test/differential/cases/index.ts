/** Every group of cases. */
import type { CaseGroup } from "../case.ts";
import { BASICS } from "./basics.ts";
import { PHASE_CASES } from "./phases.ts";
import { REPLY_CASES } from "./replies.ts";
import { RESET_CASES } from "./resets.ts";
import { RETURN_CASES } from "./returns.ts";

export const GROUPS: readonly CaseGroup[] = [
  BASICS,
  PHASE_CASES,
  RETURN_CASES,
  REPLY_CASES,
  RESET_CASES,
];
