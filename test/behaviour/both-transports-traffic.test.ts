import { behavesOnUws } from "./on-uws.ts";

behavesOnUws(["access-log", "bodies", "forwarding", "tls"]);
