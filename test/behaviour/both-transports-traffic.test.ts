import { behavesOnUws } from "./on-uws.ts";

behavesOnUws(["access-log", "addresses", "bodies", "forwarding", "tap", "tls"]);
