// What browsers have, and Node 18 has under another name.

import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
