// Dark or light: the system's choice until the person makes one, which is remembered.

import { recall, remember } from "./memory";

export type Theme = "dark" | "light";

const KEY = "backbeat.theme";
const system = matchMedia("(prefers-color-scheme: light)");

class ThemeChoice {
  chosen = $state<Theme | null>(kept());
  fromSystem = $state<Theme>(system.matches ? "light" : "dark");
  readonly current = $derived<Theme>(this.chosen ?? this.fromSystem);

  constructor() {
    system.addEventListener("change", () => (this.fromSystem = system.matches ? "light" : "dark"));
  }

  toggle(): void {
    this.chosen = this.current === "dark" ? "light" : "dark";
    remember(KEY, this.chosen);
  }
}

function kept(): Theme | null {
  const text = recall(KEY);
  return text === "dark" || text === "light" ? text : null;
}

export const theme = new ThemeChoice();
