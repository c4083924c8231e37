// The signals of the score, in the order of the guide. A signal's alerts have its name in their label `signal`.

export interface Signal {
  name: string;
  title: string;
}

export const SIGNALS: readonly Signal[] = [
  { name: "response_time", title: "Response time" },
  { name: "error_rate", title: "Error rate" },
  { name: "database", title: "Database" },
  { name: "cache", title: "Cache" },
  { name: "audio_streaming", title: "Audio streaming" },
  { name: "uploads", title: "Uploads" },
  { name: "websocket", title: "WebSockets" },
  { name: "rate_limiting", title: "Rate limiting" },
  { name: "system_load", title: "System load" },
];
