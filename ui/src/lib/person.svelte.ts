// Who sits here, as acknowledgements and silences name it; asked once, remembered on this device.

import { recall, remember } from "./memory";

const KEY = "backbeat.person";

class Person {
  name = $state(recall(KEY) ?? "");

  keep(): void {
    remember(KEY, this.name);
  }
}

export const person = new Person();
