/** Every group of cases. */
import type { CaseGroup } from "../case.ts";
import { BASICS } from "./basics.ts";
import { BODY_CASES } from "./bodies.ts";
import { CALL_CASES, CALLOUT_CASES } from "./calls.ts";
import { CHAIN_CASES } from "./chains.ts";
import { DECLARED_CASES } from "./declared.ts";
import { GRPC_CASES } from "./grpc.ts";
import { HEADER_CASES } from "./headers.ts";
import { HTTP2_CASES } from "./http2.ts";
import { PHASE_CASES } from "./phases.ts";
import { PROPERTY_CASES } from "./properties.ts";
import { REPLY_CASES } from "./replies.ts";
import { RESET_CASES } from "./resets.ts";
import { RESUME_CASES } from "./resumes.ts";
import { RETURN_CASES } from "./returns.ts";
import { TCP_CASES } from "./tcp.ts";
import { TRAP_CASES } from "./traps.ts";

export const GROUPS: readonly CaseGroup[] = [
  BASICS,
  PHASE_CASES,
  RETURN_CASES,
  REPLY_CASES,
  RESET_CASES,
  TRAP_CASES,
  BODY_CASES,
  RESUME_CASES,
  HEADER_CASES,
  CHAIN_CASES,
  PROPERTY_CASES,
  DECLARED_CASES,
  CALL_CASES,
  CALLOUT_CASES,
  TCP_CASES,
  HTTP2_CASES,
  GRPC_CASES,
];
