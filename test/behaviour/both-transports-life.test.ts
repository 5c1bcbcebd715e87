import { behavesOnUws } from "./on-uws.ts";

behavesOnUws(["admin", "lifecycle", "reload", "timeouts"]);
