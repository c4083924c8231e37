// Shows what the inbox received. Messages are strangers' words: they become text nodes, never markup.

const POLL_MS = 1500;
const KINDS = { all: "All", mail: "Mail", slack: "Slack", webhook: "Webhook" };
const SLACK_COLORS = { good: "#2eb67d", warning: "#e0a000", danger: "#d92d20" };

const byId = (id) => document.getElementById(id);
const state = { run: null, messages: [], kind: "all", shown: null };

function element(tag, { text, className, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function timeOf(message) {
  const at = new Date(message.received_ms);
  return element("time", { text: at.toLocaleTimeString(undefined, { hour12: false }), datetime: at.toISOString(), title: at.toLocaleString() });
}

function link(url, text) {
  const isWeb = /^https?:\/\//.test(url);
  return isWeb ? element("a", { text, href: url, target: "_blank", rel: "noopener noreferrer" }) : document.createTextNode(text);
}

// Slack's markup: <url|text>, *bold*, _italic_, `code`, and &amp; &lt; &gt;.
function slackText(source) {
  const plain = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  const pieces = element("span");
  const pattern = /<([^<>|]+)(?:\|([^<>]*))?>|\*([^*\n]+)\*|`([^`\n]+)`|(?<![\w])_([^_\n]+)_(?![\w])/g;
  let end = 0;
  for (const match of source.matchAll(pattern)) {
    pieces.append(plain(source.slice(end, match.index)));
    const [whole, url, label, bold, code, italic] = match;
    if (url) pieces.append(link(plain(url), plain(label ?? url)));
    else if (bold) pieces.append(element("strong", {}, slackText(bold)));
    else if (code) pieces.append(element("code", { text: plain(code) }));
    else pieces.append(element("em", { text: plain(italic) }));
    end = match.index + whole.length;
  }
  pieces.append(plain(source.slice(end)));
  return pieces;
}

function attachment(given) {
  const shown = element("div", { className: "attachment" });
  const color = SLACK_COLORS[given.color] ?? given.color;
  if (color) shown.style.borderLeftColor = color;
  if (given.title) {
    const title = given.title_link ? link(given.title_link, given.title) : slackText(given.title);
    shown.append(element("p", { className: "title" }, title));
  }
  if (given.text) shown.append(element("p", {}, slackText(String(given.text))));
  const fields = given.fields ?? [];
  if (fields.length) {
    shown.append(element("dl", {}, ...fields.map((field) => element("div", { className: field.short ? "" : "long" },
      element("dt", {}, slackText(String(field.title ?? ""))), element("dd", {}, slackText(String(field.value ?? "")))))));
  }
  const actions = (given.actions ?? []).filter((action) => action.url);
  if (actions.length) shown.append(element("p", { className: "actions" }, ...actions.map((action) => link(action.url, action.text ?? action.url))));
  if (given.footer) shown.append(element("p", { className: "footer", text: given.footer }));
  return shown;
}

function slackMessage({ body }) {
  const attachments = Array.isArray(body.attachments) ? body.attachments : [];
  return element("div", { className: "slack" },
    element("p", { className: "author", text: body.username ?? "Backbeat" }),
    body.text ? element("p", {}, slackText(String(body.text))) : null,
    ...attachments.flatMap((given) => [given.pretext ? element("p", {}, slackText(String(given.pretext))) : null, attachment(given)])
      .filter((child) => child !== null));
}

function prettyJSON(value) {
  const shown = element("pre");
  const text = JSON.stringify(value, null, 2);
  const pattern = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    shown.append(text.slice(end, match.index));
    const [whole, string, colon] = match;
    shown.append(element("span", { text: string ?? whole, className: colon ? "key" : string ? "string" : "number" }), colon ?? "");
    end = match.index + whole.length;
  }
  shown.append(text.slice(end));
  return shown;
}

function mailMessage(message) {
  const parts = element("div");
  if (message.has_html) {
    parts.append(element("iframe", { src: `/messages/${message.id}/html`, title: "The mail as its reader sees it",
      sandbox: "allow-popups allow-popups-to-escape-sandbox" }));
  }
  if (message.body.text) parts.append(element("h3", { text: "Text part" }), element("pre", { text: message.body.text }));
  return parts;
}

const RENDER = {
  mail: mailMessage,
  slack: (message) => element("div", {}, slackMessage(message), element("h3", { text: "As it was sent" }), prettyJSON(message.body)),
  webhook: (message) => prettyJSON(message.body),
};

function show(message) {
  state.shown = message.id;
  const from = message.kind === "mail" ? `from ${message.body.from} ` : "";
  const back = element("button", { type: "button", className: "back", text: "‹ All messages" });
  back.onclick = () => {
    scrollTo({ top: 0 });
    byId("list").querySelector(`[data-id="${message.id}"]`)?.focus();
  };
  byId("detail").replaceChildren(
    back,
    element("h2", { text: message.title }),
    element("p", { className: "facts" }, `${KINDS[message.kind]}, ${from}to ${message.to || "nobody in particular"}, `, timeOf(message)),
    RENDER[message.kind](message));
  markShown();
}

function markShown() {
  for (const button of byId("list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(Number(button.dataset.id) === state.shown));
  }
}

function row(message) {
  const button = element("button", { type: "button", "data-id": message.id },
    element("span", { className: "kind", text: KINDS[message.kind] }),
    element("span", { className: "to", text: message.to }), timeOf(message),
    element("span", { className: `title ${message.status}`, text: message.title }));
  button.onclick = () => {
    show(message);
    if (matchMedia("(max-width: 46rem)").matches) byId("detail").scrollIntoView();
  };
  return element("li", {}, button);
}

// What is drawn anew keeps the focus where it was.
function keepingFocus(key, draw) {
  const had = document.activeElement?.dataset?.[key];
  draw();
  if (had !== undefined) document.querySelector(`[data-${key}="${had}"]`)?.focus();
}

function drawList() {
  const visible = state.messages.filter((message) => state.kind === "all" || message.kind === state.kind);
  byId("list").replaceChildren(...(visible.length ? visible.map(row)
    : [element("li", { className: "empty", text: "No messages yet. Break something: the alert comes about a minute later." })]));
  markShown();
  if (state.shown === null && visible.length) show(visible[0]);
}

function drawFilters() {
  byId("filters").replaceChildren(...Object.entries(KINDS).map(([kind, name]) => {
    const count = kind === "all" ? state.messages.length : state.messages.filter((message) => message.kind === kind).length;
    const button = element("button", { type: "button", text: `${name} ${count}`, "aria-pressed": String(kind === state.kind), "data-kind": kind });
    button.onclick = () => { state.kind = kind; draw(); };
    return button;
  }));
}

function draw() {
  keepingFocus("kind", drawFilters);
  keepingFocus("id", drawList);
}

async function poll() {
  try {
    const newest = state.messages[0]?.id ?? 0;
    const answer = await fetch(`/api/messages?after=${newest}`);
    const { run, messages } = await answer.json();
    if (state.run !== null && run !== state.run) return location.reload();
    state.run = run;
    if (messages.length) {
      state.messages = [...messages, ...state.messages].slice(0, 500);
      draw();
    }
    document.title = state.messages.length ? `(${state.messages.length}) Inbox – Backbeat demo` : "Inbox – Backbeat demo";
    byId("connection").textContent = "";
  } catch {
    byId("connection").textContent = "The demo does not answer; it has probably ended.";
  }
  setTimeout(poll, POLL_MS);
}

draw();
poll();
