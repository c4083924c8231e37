// Answers wait at a gate and come one after another, in the order that the test wants; the stream says what the test says.
{
  const ask = window.fetch.bind(window);
  const gate = [];
  const ORDERS = { "first asked first": () => 0, "last asked first": () => gate.length - 1, "by address": (all) => all.indexOf([...all].sort()[0]) };
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const CALM_FRAMES = 6;
  const LATE_MS = 400;
  let calm = 0;
  let held = false;

  window.fetch = (...request) =>
    new Promise((resolve, reject) => gate.push({ url: String(request[0]), open: () => ask(...request).then(resolve, reject) }));

  const streams = new Set();
  window.EventSource = class extends EventTarget {
    static CLOSED = 2;
    readyState = 1;
    constructor(url) {
      super();
      this.url = url;
      streams.add(this);
      setTimeout(() => this.onopen?.());
    }
    close() {
      this.readyState = 2;
      streams.delete(this);
    }
  };

  const named = (node) => {
    const element = node instanceof Element ? node : node?.parentElement;
    return element ? `${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""} ${element.textContent.trim().slice(0, 30)}` : "gone";
  };
  const shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries()) shifts.push([value, sources.map(({ node, previousRect: from, currentRect: to }) => `${named(node)}: ${from.x},${from.y} → ${to.x},${to.y}`)]);
  }).observe({ type: "layout-shift", buffered: true });

  window.arrivals = {
    shifts,
    /** Let answers in for good, one after another, each when the one before it has been painted. */
    async begin(order) {
      for (;;) {
        await frame();
        if (held) calm = 0;
        else if (gate.length) {
          calm = 0;
          const [one] = gate.splice(ORDERS[order](gate.map(({ url }) => url)), 1);
          await one.open();
          await frame();
        } else calm += 1;
      }
    },
    /** nothing is on its way, and the page shows it */
    rests: () => calm > CALM_FRAMES && document.querySelector("h1") !== null && document.querySelector("main .waiting, main [aria-busy=true]") === null,
    /** The stream says that alerts and samples have changed; what the page asks then is held until it counts as late. */
    async news() {
      held = true;
      for (const stream of streams) {
        const say = (kind, data) => stream.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data) }));
        const queries = new URL(stream.url, location.origin).searchParams.getAll("query");
        say("alerts", { firing: 3 });
        say("data", { time_ms: Date.now() + 60_000 });
        say("points", { time_ms: Date.now(), results: queries.map(() => ({ series: [] })) });
      }
      await new Promise((done) => setTimeout(done, LATE_MS));
      held = false;
      calm = 0;
    },
  };
}
