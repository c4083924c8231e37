// The types of Backbeat's own API, generated from the server's OpenAPI document at each build.

import type { components } from "./openapi";

export type Own<Name extends keyof components["schemas"]> = components["schemas"][Name];
