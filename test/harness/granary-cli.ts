/** The command `granary` of the build that the tests belong to, which need not be `dist/`. */
import { main } from "../../src/main/main.ts";

process.exit(await main(process.argv.slice(2)));
