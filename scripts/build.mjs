/** `npm run build`: packages, generated protos, compiled TypeScript, native addon. */
import { setUp, withSetupErrors } from "./setup.mjs";

await withSetupErrors(setUp);
