// The identity of a label set as Alertmanager computes it: FNV-1a over the sorted labels, 16 hex digits.

import type { LabelSet } from "../api/types";

const encoder = new TextEncoder();
const MASK = 0xffffffffffffffffn;

export function fingerprint(labels: LabelSet): string {
  let digest = 0xcbf29ce484222325n;
  const mix = (byte: number): void => {
    digest = ((digest ^ BigInt(byte)) * 0x100000001b3n) & MASK;
  };
  const names = Object.keys(labels).sort((a, b) => (a < b ? -1 : 1));
  for (const name of names) {
    encoder.encode(name).forEach(mix);
    mix(0xff);
    encoder.encode(labels[name] ?? "").forEach(mix);
    mix(0xff);
  }
  return digest.toString(16).padStart(16, "0");
}
