/*
 * The operator's page. It shows what the admin interface answers
 * (deploy/openapi.json), and nothing else is asked.
 *
 * /status is polled once a second while the page is seen. A view is a function
 * that makes nodes of what is known; after each answer the present view is made
 * anew, and only the differences reach the document (morph), so that focus,
 * selection and what was typed survive. Buttons say in data-do which of the
 * actions they are.
 *
 * Texts come from outside. They get into the document as text only, and what
 * could not be seen in them, or would turn their direction, is escaped.
 */

const POLL_MS = 1000, ANSWER_MS = 15000, TOAST_MS = 8000, SEEN_S = 5, CARDS = 8, ROWS = 50;
const MINUTE = 60, HOUR = 3600, DAY = 86400;

/* ---- nodes ---- */

const DRAWN = new Set(["svg", "g", "path", "rect", "line", "text", "tspan", "title", "circle"]);
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

// As JSON would escape it, so that JSON stays the same JSON.
function visible(text, keepLines = false) {
	return String(text).replace(UNSEEN, found => keepLines && found === "\n" ? found
		: found.split("").map(unit => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0")).join(""));
}

// h("p.soft", {id: "x"}, "text", node, [more]); without attributes, children come at once.
function h(tag, ...children) {
	const [name, ...classes] = tag.split(".");
	const node = DRAWN.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name)
		: document.createElement(name);
	const lines = name === "pre" || name === "textarea";
	if (classes.length)
		node.setAttribute("class", classes.join(" "));
	if (children[0] && Object.getPrototypeOf(children[0]) === Object.prototype) {
		for (const [key, value] of Object.entries(children.shift())) {
			if (value !== undefined && value !== null && value !== false)
				node.setAttribute(key, value === true ? "" : key === "title" || key === "aria-label" ? visible(value) : value);
		}
	}
	for (const child of children.flat(9)) {
		if (child !== undefined && child !== null && child !== false && child !== "")
			node.append(child instanceof Node ? child : visible(child, lines));
	}
	return node;
}

// Make `from` what `to` is. What has another key is another thing; what is open stays so.
function morph(from, to) {
	if (from.nodeName !== to.nodeName || from.dataset?.key !== to.dataset?.key) {
		from.replaceWith(to);
		return;
	}
	if (from.nodeType === Node.TEXT_NODE) {
		if (from.data !== to.data)
			from.data = to.data;
		return;
	}
	for (const {name} of [...from.attributes]) {
		if (!to.hasAttribute(name) && name !== "open")
			from.removeAttribute(name);
	}
	for (const {name, value} of to.attributes) {
		if (from.getAttribute(name) !== value && name !== "open")
			from.setAttribute(name, value);
	}
	morphChildren(from, [...to.childNodes]);
}

function morphChildren(parent, fresh) {
	const old = [...parent.childNodes];
	fresh.forEach((node, i) => i < old.length ? morph(old[i], node) : parent.append(node));
	old.slice(fresh.length).forEach(node => node.remove());
}

/* ---- numbers and times ---- */

const number = value => Number(value ?? 0).toLocaleString("en");
const compact = new Intl.NumberFormat("en", {notation: "compact", maximumFractionDigits: 1});
const several = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

// Nothing for none.
const perSecond = rate => rate >= .05 ? `${rate >= 10 ? number(Math.round(rate)) : rate.toFixed(1)} a second` : null;

// In its two largest units, but minutes without seconds.
function duration(seconds) {
	const s = Math.max(0, Math.round(seconds)), parts = [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [1, "s"]];
	const first = parts.findIndex(([unit]) => s >= unit || unit === 1), left = s % parts[first][0];
	const text = ([unit, name], of) => `${Math.floor(of / unit)} ${name}`;
	return text(parts[first], s) + (first < 2 && left >= parts[first + 1][0] ? ` ${text(parts[first + 1], left)}` : "");
}

const ago = seconds => seconds === null || seconds === undefined ? "never" : seconds < 2 ? "now" : `${duration(seconds)} ago`;
const ms = time => Date.parse(time);

function clock(at) {
	const date = new Date(at);
	const time = date.toLocaleTimeString("en-GB", {hour: "2-digit", minute: "2-digit"});
	return Math.abs(Date.now() - at) < DAY * 500 && date.getDate() === new Date().getDate() ? time
		: `${date.toLocaleDateString("en-GB", {day: "numeric", month: "short"})}, ${time}`;
}

const when = time => time ? h("time", {datetime: time, title: time}, clock(ms(time))) : "never";

/* JSON as it is, with line breaks: no number passes through JavaScript, which would round large ones. */
function pretty(text) {
	let out = "", depth = 0;
	const line = () => "\n" + "  ".repeat(depth);
	for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[{[]\s*[}\]]|[{}[\],:]|[^\s"{}[\],:]+/g)) {
		if (token === "{" || token === "[")
			depth++, out += token + line();
		else if (token === "}" || token === "]")
			depth = Math.max(0, depth - 1), out += line() + token;
		else
			out += token === "," ? token + line() : token === ":" ? ": " : token;
	}
	return out;
}

// A value of an answer as such text; the engine may tell how a number was written.
const asWritten = (key, value, context) => typeof value === "number" && context?.source !== undefined &&
	JSON.rawJSON && String(value) !== context.source ? JSON.rawJSON(context.source) : value;
const written = value => pretty(typeof value === "string" ? value : JSON.stringify(value));

/* ---- asking ---- */

class Refusal extends Error {
	constructor(status, text) {
		super(text);
		this.status = status;
	}
}

const token = () => sessionStorage.getItem("token");

// options: token (send it), body, progress (a function of text), exact (numbers as they were written).
async function call(method, path, options = {}) {
	const headers = options.token && token() ? {Authorization: `Bearer ${token()}`} : {};
	const response = await fetch(path, {
		method, headers, body: options.body, cache: "no-store", credentials: "omit", redirect: "error",
		signal: options.progress ? undefined : AbortSignal.timeout(ANSWER_MS),
	});
	if (response.ok && (response.headers.get("Content-Type") ?? "").includes("ndjson"))
		return readLines(response, options);
	const text = await response.text();
	if (response.ok)
		return JSON.parse(text, options.exact && asWritten);
	let why = text.trim() || `HTTP ${response.status}`;
	try {
		why = JSON.parse(text).error ?? why;
	} catch { /* it is not JSON: as it is */ }
	throw new Refusal(response.status, why);
}

async function readLines(response, {progress, exact}) {
	const answer = {rows: [], messages: [], summary: null};
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "", ended = false;
	while (!ended) {
		const {value, done} = await reader.read();
		const lines = (rest + (value ?? "")).split("\n");
		ended = done;
		rest = lines.pop();
		for (const text of lines) {
			const line = JSON.parse(text, exact && asWritten);
			if (line.error)
				throw new Refusal(response.status, line.error);
			if (line.row)
				answer.rows.push(line.row);
			if (line.message)
				answer.messages.push(line.message);
			if (line.progress && progress)
				progress(line.progress.text);
			answer.summary ??= line.summary;
		}
	}
	if (!answer.summary)
		throw new Refusal(response.status, "the answer ended early: try again");
	return answer;
}

/* ---- what is known ---- */

const known = {
	status: null, failedAt: 0, why: "",
	caller: "-",         // whose the token is; "-": there is none
	more: {},            // answers that are asked for less often, by path
	view: {name: ""},    // name, id, and what the view itself keeps
	seen: [],            // samples that this page took itself
	span: "hour", flow: "all", destination: "", all: false, day: "",
};

const mayView = () => known.caller !== "-";
const mayChange = () => known.caller === "admin_token";

// The last answer to a path, asked for again when it is so many seconds old; undefined: none yet.
function lately(path, seconds) {
	const entry = known.more[path] ??= {at: 0};
	if (Date.now() - entry.at > seconds * 1000) {
		entry.at = Date.now();
		call("GET", path).then(answer => { entry.answer = answer; entry.why = ""; }, error => { entry.why = error.message; })
			.finally(render);
	}
	return entry.answer;
}

let timer = 0;

async function poll() {
	clearTimeout(timer);
	try {
		const status = await call("GET", "/status");
		if (status.uptime_s < known.status?.uptime_s) // it counts from the beginning again
			Object.assign(known, {seen: [], more: {}});
		known.status = status;
		known.failedAt = 0;
		if (sample(status).at - known.seen.at(-2)?.at < SEEN_S)
			known.seen.pop(); // the last one is the present one
		known.seen = known.seen.slice(-HOUR / SEEN_S).concat(sample(status));
	} catch (error) {
		known.failedAt ||= Date.now();
		known.why = error.name === "TimeoutError" ? "no answer" : error instanceof Refusal ? error.message : "no connection";
	}
	render();
	clearTimeout(timer);
	if (!document.hidden)
		timer = setTimeout(poll, POLL_MS);
}

async function readAccess() {
	known.caller = "-";
	if (!token())
		return;
	try {
		known.caller = (await call("GET", "/access", {token: true})).caller;
	} catch (error) {
		sessionStorage.removeItem("token");
		throw error;
	}
}

/* ---- parts ---- */

const section = (label, ...children) => h("section.card", {"aria-label": label}, children);
const title = (...text) => h("h1", {tabindex: -1}, text);
const say = (...text) => section("Answer", h("div", {role: "status"}, text));
const wrongly = why => why && h("p.wrong", {role: "alert"}, why);
const chip = (text, tone) => h(`span.chip${tone ? `.${tone}` : ""}`, text);
const link = (to, ...text) => h("a", {href: `#${to}`}, text);
// Those that are something.
const facts = (tag, ...pairs) => h(tag, pairs.filter(pair => pair && pair[1]).map(([name, value]) => [h("dt", name), h("dd", value)]));
const some = count => count ? number(count) : null;

function button(text, action, argument, attributes = {}) {
	const {main, ...others} = attributes;
	return h(main ? "button.main" : "button", {type: "button", "data-do": action,
		"data-with": argument === undefined ? null : JSON.stringify(argument), ...others}, text);
}

// One of several: pressed is the present one.
const choice = (what, present, options) => h("div.buttons", {role: "group"}, Object.entries(options).map(([value, text]) =>
	button(text, "choose", [what, value], {"aria-pressed": String(value === present)})));

// Columns whose name begins with > are of numbers, and not shown if all are 0. The first cell tells the rows apart.
function table(columns, rows) {
	const kept = columns.map((name, i) => [name.replace(">", ""), i, name[0] === ">"]).filter(([, i, numeric]) => !numeric || rows.some(row => row[i] !== "0"));
	return h("table", h("thead", h("tr", kept.map(([name, , numeric]) => h(numeric ? "th.n" : "th", {scope: "col"}, name)))),
		h("tbody", rows.map(row => {
			const made = h("tr", kept.map(([name, i, numeric]) => h(i === 0 ? "td.lead" : row[i] === "0" ? "td.n.zero" : numeric ? "td.n" : "td", {"data-label": name}, row[i])));
			made.dataset.key = made.firstChild.textContent;
			return made;
		})));
}

const between = ({source, destination}) => destination ? `${source} to ${destination}` : source;
const id = (...text) => h("small", h("code", text));

function meter(label, part, tone) {
	const width = Math.max(0, Math.min(100, part * 100));
	return h("svg.meter", {viewBox: "0 0 100 4", preserveAspectRatio: "none", role: "img",
		"aria-label": `${label}: ${Math.round(width)} per cent`},
		h("rect.track", {width: 100, height: 4, rx: 1}), h(`rect.fill.${tone}`, {width: width.toFixed(1), height: 4, rx: 1}));
}

const nothingYet = () => h("p.soft", "Nothing has been received yet.");
const asking = path => h("p.soft", {role: "status"}, known.more[path]?.why || "Asking…");

function tokenNeeded(what) {
	return say(`${what} needs the view or admin token, because it shows personal data. `, link("access", "Enter the token"));
}

/* ---- drawings: as wide as the document has room, so that texts keep their size ---- */

// The width inside a card of the document's, and what makes the drawing of its parts.
function drawing(height, label) {
	const margin = innerWidth <= 600 ? 66 : 2 * Math.min(40, Math.max(16, innerWidth * .04)) + 40;
	const width = Math.max(240, (document.getElementById("main").clientWidth || 900) - margin);
	return [width, (...parts) => h("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label}, parts)];
}

function niceMost(value) {
	const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
	return [1, 2, 3, 4, 5, 6, 8, 10].map(n => n * power).find(n => n >= value);
}

// A sample of /status: {at, in, out, waits}, counted since some beginning, of all ("") and of each destination.
function sample({now, queue, destinations}) {
	const at = ms(now) / 1000;
	return {at, "": {at, in: queue.received, out: queue.delivered, waits: queue.queued},
		...Object.fromEntries(destinations.map(one => [`/${one.name}`, {at, out: one.accepted, waits: one.queued}]))};
}

// Those of the daemon's history, and between them our own, which are closer together.
function samples(history, name) {
	const one = history.destinations?.find(destination => destination.name === name);
	const taken = history.at.map((at, i) => one ? {at, out: one.accepted[i], waits: one.queued[i]}
		: {at, in: history.received[i], out: history.delivered[i], waits: history.queued[i]});
	return taken.concat(known.seen.map(seen => seen[one ? `/${name}` : ""]).filter(Boolean)).sort((a, b) => a.at - b.at);
}

// Between samples at least `step` seconds apart: how much a minute.
function rates(taken, step, key) {
	const points = [];
	let last = taken[0];
	for (const sample of taken.slice(1)) {
		if (sample.at - last.at < (sample === taken.at(-1) ? step / 2 : step))
			continue;
		points.push([last.at, sample.at, Math.max(0, (sample[key] - last[key]) * 60 / (sample.at - last.at))]);
		last = sample;
	}
	return points;
}

function historyChart() {
	const history = lately("/history", 60);
	if (!history?.at)
		return asking("/history");
	if (!known.status.queue.received)
		return nothingYet();
	const all = samples(history, known.destination), first = all[0].at, until = all.at(-1).at, day = known.span === "day";
	const seconds = day ? DAY : Math.min(HOUR, Math.max(5 * MINUTE, until - first)), from = until - seconds;
	const taken = all.filter((one, i) => one.at >= from || all[i + 1]?.at >= from);
	const step = Math.max(SEEN_S, seconds / 120 - SEEN_S);
	const ins = known.destination ? [] : rates(taken, step, "in"), outs = rates(taken, step, "out");
	// Hours before the daemon's start: the ledger knows what was accepted in them.
	const hours = day && !known.destination && first > from + MINUTE ? lately("/ledger?by=hour&since=1d", 300)?.lines ?? [] : [];
	const before = hours.map(line => [ms(line.label) / 1000, line.received / 60])
		.map(([at, perMinute]) => [Math.max(at, from), Math.min(at + HOUR, first), perMinute]).filter(([start, end]) => end > start);
	const [width, draw] = drawing(286, `Events a minute and backlog of the last ${duration(seconds)}: ${number(all.at(-1).waits)} wait now`);
	const left = 46, x = at => left + Math.max(0, (at - from) / seconds) * (width - left - 4);
	const panel = (top, height, most) => {
		const y = value => top + height - value / most * height;
		const grid = [0, .5, 1].map(part => [h("line.grid", {x1: left, x2: width, y1: y(part * most), y2: y(part * most)}),
			h("text", {x: left - 8, y: y(part * most) + 4, "text-anchor": "end"}, compact.format(part * most))]);
		return [y, grid];
	};
	const steps = (points, y) => points.map(([a, b, value], i) =>
		`${i && points[i - 1][1] === a ? "L" : "M"}${x(a).toFixed(1)},${y(value).toFixed(1)}L${x(b).toFixed(1)},${y(value).toFixed(1)}`).join("");
	const most = niceMost(Math.max(10, ...ins.concat(outs, before).map(point => point[2])));
	const waiting = taken.filter(sample => sample.at >= from);
	const mostWaiting = niceMost(Math.max(10, ...waiting.map(sample => sample.waits)));
	const [y, grid] = panel(8, 140, most), [yWaits, gridWaits] = panel(186, 64, mostWaiting);
	const outline = waiting.map(sample => `${x(sample.at).toFixed(1)},${yWaits(sample.waits).toFixed(1)}`).join("L");
	const apart = [1, 2, 5, 10, 20, 60, 180, 360].map(n => n * MINUTE).find(n => seconds / n * 90 < width - left) ?? DAY, ticks = [];
	const shift = new Date().getTimezoneOffset() * MINUTE;
	for (let at = Math.ceil((from - shift) / apart) * apart + shift; at <= until; at += apart) {
		if (x(at) > left + 14 && x(at) < width - 14)
			ticks.push(h("text", {x: x(at), y: 270, "text-anchor": "middle"}, clock(at * 1000).slice(-5)));
	}
	const grown = key => taken.at(-1)[key] - taken[0][key];
	const earlier = Math.round(before.reduce((sum, [start, end, perMinute]) => sum + perMinute * (end - start) / MINUTE, 0));
	const legend = (tone, text) => h("span", h("svg", {viewBox: "0 0 10 10", "aria-hidden": "true"}, h(`rect.fill.${tone}`, {width: 10, height: 10, rx: 3})), text);
	return [
		h("p.legend", !known.destination && legend("in", `${number(grown("in") + earlier)} accepted`), legend("out", `${number(grown("out"))} delivered`),
			legend("wait", `${number(waiting.at(-1).waits)} waiting now`)),
		draw(grid, gridWaits, ticks, h("text", {x: left, y: 178}, "waiting"),
			outline && h("path.fill.pale.wait", {d: `M${x(waiting[0].at)},250L${outline}L${x(waiting.at(-1).at)},250Z`}),
			outline && h("path.stroke.wait", {d: `M${outline}`}),
			h("path.stroke.in.ledger", {d: steps(before, y)}), h("path.stroke.in", {d: steps(ins, y)}), h("path.stroke.out", {d: steps(outs, y)})),
		h("p.soft", h("small", "Events a minute. ", first > from + MINUTE && `The daemon started at ${clock(first * 1000)}` +
			(before.length ? "; what it had accepted before is dashed, from the ledger." : "."))),
	];
}

// What became of all that was received: a ribbon each, as high as its share.
function flowChart(line, drops, letters) {
	const split = (total, reasons, name, tone) => {
		const parts = reasons.filter(reason => reason.count <= total).map(reason => [reason.count, `${name}: ${reason.why}`, tone]);
		const rest = total - parts.reduce((sum, [count]) => sum + count, 0);
		return rest < 0 ? [[total, name, tone]] : [...parts, [rest, parts.length ? `${name}: other reasons` : name, tone]];
	};
	const ends = [
		[line.delivered, "delivered", "out"], [line.queued, "waiting", "wait"], ...split(line.dropped, drops, "dropped by rule", "off"),
		[line.duplicates, "duplicates", "off"], ...split(line.dead, letters, "dead letters", "wrong"),
		[line.expired, "expired", "wrong"], [line.erased, "erased", "off"],
	].filter(([count]) => count > 0);
	if (!line.received)
		return nothingYet();
	const high = 190, slot = 26, total = ends.reduce((sum, [count]) => sum + count, 0);
	const heights = ends.map(([count]) => Math.max(2, count / total * high));
	const height = 30 + heights.reduce((sum, part) => sum + Math.max(part, slot - 6) + 8, 0);
	const [width, draw] = drawing(height, `Of ${several(line.received, "event")} received: ` +
		ends.map(([count, name]) => `${number(count)} ${name}`).join(", "));
	const right = Math.round(width * (width < 600 ? .36 : .5)), room = Math.floor((width - right - 20) / 6.9);
	let yLeft = 26, yRight = 26;
	const parts = ends.map(([count, name, tone], i) => {
		const thick = Math.max(1, count / total * high), end = heights[i], middle = (12 + right) / 2;
		const a = yLeft, b = yRight + Math.max(0, (slot - 6 - end) / 2), text = `${number(count)} ${name}`;
		yLeft += thick;
		yRight += Math.max(end, slot - 6) + 8;
		return [
			h(`path.fill.pale.${tone}`, {d: `M12,${a}C${middle},${a} ${middle},${b} ${right},${b}V${b + end}C${middle},${b + end} ${middle},${a + thick} 12,${a + thick}Z`}),
			h(`rect.fill.${tone}`, {x: right, y: b, width: 6, height: end}),
			h("text", {x: right + 14, y: b + end / 2 + 4}, h("title", text), h("tspan.strong", number(count)),
				` ${text.length > room ? name.slice(0, Math.max(4, room - number(count).length - 2)) + "…" : name}`),
		];
	});
	return draw(h("rect.fill.in", {x: 0, y: 26, width: 12, height: yLeft - 26}),
		h("text", {x: 0, y: 14}, h("tspan.strong", number(line.received)), " received"), parts);
}

/* ---- the overview ---- */

const TONES = {running: "out", halted: "wrong", stopped: "wrong"};
const behind = ({state, oldest_queued_s: oldest, drain_forecast_s: left}) => state === "running" && (oldest > MINUTE || left > MINUTE);

// What one that sends has to catch up with.
function lateness({name, oldest_queued_s: oldest, drain_forecast_s: left}) {
	const until = left ? `catches up in ${duration(left)}` : "";
	return `Delivery to ${name} ${[oldest > MINUTE && `is behind by ${duration(oldest)}`, until].filter(Boolean).join(", and ")}.`;
}

function sentence(status) {
	const queue = status.queue, names = list => list.map(one => one.name).join(" and ");
	const grave = (status.attention ?? []).find(item => item.level === "wrong" && /^(daemon|queue|ledger)$/.test(item.about));
	if (grave)
		return grave.what;
	const failing = status.sources.filter(source => source.failing_since);
	const said = Object.entries({halted: "is halted", backing_off: "has trouble", paused: "is paused"})
		.map(([state, text]) => [names(status.destinations.filter(one => one.state === state)), text])
		.filter(([list]) => list).map(([list, text]) => `Delivery to ${list} ${text}.`)
		.concat(status.destinations.filter(behind).map(lateness));
	if (failing.length)
		return [`Source ${names(failing)} is failing.`, ...said].join(" ");
	if (!queue.received)
		return ["Ready. No event has come yet.", ...said].join(" ");
	if (said.length)
		return ["Everything is accepted.", ...said].join(" ");
	return `${(status.attention ?? []).some(item => item.level === "wrong") ? "E" : "All is well: e"}verything is accepted and delivered` +
		`${queue.dead ? `, but for ${several(queue.dead, "dead letter")}` : ""}.`;
}

const VERBS = {
	pause: ["Pause", "Its events wait until it is resumed; nothing is lost."],
	resume: ["Resume", "What waits is sent again, within the quota."],
	retry: ["Try now", "One request is sent at once; if it is accepted, the rest follows."],
	release: ["Release", "The held sync is sent as it came, although it changes much of the segment."],
};

function order(path, name, attributes) {
	const verb = path.split("/").at(-1), [text, effect] = VERBS[verb] ?? [verb, ""];
	return button(text, "order", {path, title: `${text}: ${name}?`, text: effect, verb: text}, attributes);
}

// What the operator may do about it, besides the action of the answer.
function attentionHelp(item) {
	const [kind, ...rest] = item.about.split(":"), name = rest.join(":");
	const line = /settings: (.+)$/.exec(item.help ?? "");
	if (kind === "property" && line)
		return button("Copy the line", "copy", line[1]);
	if (kind === "segment")
		return h("a.button", {href: `#segments/${encodeURIComponent(name)}`}, "Open");
	return ["dead", "drift", "segments"].includes(kind) && h("a.button", {href: `#${kind}`}, "Open");
}

function attention(item) {
	const name = item.about.split(":").slice(1).join(":");
	return h(item.level === "wrong" ? "li.wrong" : "li", {"data-key": `${item.about} ${item.action?.path ?? ""}`},
		h("p", item.what, h("small", item.help)),
		item.action && order(item.action.path, name, {main: item.level === "wrong"}), attentionHelp(item));
}

function health(status) {
	const queue = status.queue, items = status.attention ?? [];
	return section("Health",
		h("div", h("h1", {role: "status", tabindex: -1}, sentence(status)),
			h("p.soft", queue.imbalance ? h("span.wrong", `The ledger is off by ${number(queue.imbalance)} · `)
				: queue.received ? `All ${several(queue.received, "event")} are accounted for · ` : "",
				`up ${duration(status.uptime_s)} · version ${status.version}`)),
		items.length ? h("ul.todo", {"aria-label": "What needs attention"}, items.map(attention)) : null,
		!queue.received && h("p", "Give Braze the address ", h("code", "https://YOUR-HOST/currents"), " and the token. ",
			h("code", "currentsd check"), " tests the settings and the way."));
}

function quota(destination) {
	const limit = (destination.limits ?? []).filter(one => one.scope === "destination" && one.amount > 0)
		.sort((a, b) => b.used / b.amount - a.used / a.amount || b.window_s - a.window_s)[0];
	if (!limit)
		return h("p.soft", h("small", destination.pace_per_minute ? `${number(destination.pace_per_minute)} ${destination.pace_unit} a minute` : "no quota"));
	const spans = {1: "a second", 60: "a minute", 3600: "an hour", 86400: "a day"};
	const unit = limit.unit === "items" ? destination.kind === "track" ? "events" : "changes" : limit.unit;
	const text = `${number(limit.used)} of ${number(limit.amount)} ${unit} ${spans[limit.window_s] ?? `in ${duration(limit.window_s)}`}`;
	return h("div", meter("Quota used", limit.used / limit.amount, "out"), h("small.soft", text));
}

function forecast(destination, now) {
	const s = destination.drain_forecast_s;
	if (!destination.queued || (destination.state !== "running" && !s))
		return null;
	if (s === null || s === undefined)
		return "not known";
	return s < MINUTE ? "in less than a minute" : `in ${duration(s)}, about ${clock(ms(now) + s * 1000)}`;
}

function destinationCard(destination, now) {
	const path = `/destinations/${encodeURIComponent(destination.name)}`, state = destination.state.replace("_", " ");
	const tone = behind(destination) ? "wait" : TONES[destination.state] ?? "wait";
	const parked = (destination.parked ?? []).reduce((sum, one) => sum + one.events, 0);
	return h("section.card", {"data-key": `to ${destination.name}`, "aria-label": `Destination ${destination.name}`},
		h("div.head", h("h2", destination.name, h("small", `destination, ${destination.kind}`)), chip(behind(destination) ? "running, behind" : state, tone)),
		h("div.head", h("span.soft", "Waiting"), h("span.big", number(destination.queued))),
		quota(destination),
		destination.why && destination.state !== "running" && h("p", destination.why,
			destination.until && h("small.soft", ` Next try ${clock(ms(destination.until))}.`)),
		facts("dl", ["Empty", forecast(destination, now)],
			["Oldest", destination.queued ? duration(destination.oldest_queued_s ?? 0) : null],
			["Last accepted", ago(destination.last_accepted_s)],
			["Accepted now", perSecond(destination.accepted_per_second)],
			["Deferred", some(destination.deferred?.events)], ["Parked", some(parked)], ["Held", some(destination.held)],
			["Dry run", destination.dry_run && `${number(destination.dry_run.sent)} would be sent`]),
		h("div.buttons", destination.state === "paused" && order(`${path}/resume`, destination.name),
			["halted", "backing_off"].includes(destination.state) && order(`${path}/retry`, destination.name),
			!["paused", "stopped"].includes(destination.state) && order(`${path}/pause`, destination.name)));
}

function sourceCard(source) {
	const answers = (source.answers_today ?? []).map(answer => h(answer.status >= 400 ? "span.wrong" : "span", `${answer.status || "closed"}: ${number(answer.count)} `));
	const failing = Boolean(source.failing_since), idle = source.last_request_s === null || source.last_request_s > DAY;
	const left = seconds => seconds === undefined || seconds === null ? null
		: h("span.wrong", seconds > 0 ? `in ${duration(seconds)}` : "probably did");
	return h("section.card", {"data-key": `from ${source.name}`, "aria-label": `Source ${source.name}`},
		h("div.head", h("h2", source.name, h("small", `source, ${source.kind}`)),
			failing ? chip("failing", "wrong") : source.refused ? chip("refused", "wrong") : idle ? chip("quiet") : chip("sending", "out")),
		h("div.head", h("span.soft", "Last request"), h("span.big", ago(source.last_request_s))),
		failing && h("p", `${source.failing_status || ""} ${source.failing_why ?? ""} `, h("small.soft", `since ${clock(ms(source.failing_since))}`)),
		source.refused && h("p", `${several(source.refused.count, "request")} refused: ${source.refused.status || "closed"} ${source.refused.why}. `,
			h("small.soft", `The last ${ago(source.refused.last_s)}.`)),
		facts("dl", ["Answers today", answers.length ? answers : null],
			["Received now", perSecond(source.received_per_second)],
			["Last success", source.last_success_s !== source.last_request_s ? ago(source.last_success_s) : null],
			source.kind === "currents" && !failing ? ["Braze's clocks", "not running"] : null,
			["Braze alerts its staff", failing ? left(source.braze_alerts_in_s) : null], ["Braze switches off", failing ? left(source.braze_gives_up_in_s) : null]));
}

// Of very many only some at once.
const first = (list, most) => known.all ? list : list.slice(0, most);
const rest = (list, most) => list.length > most &&
	h("div.buttons", button(known.all ? "Show fewer" : "Show all", "choose", ["all", !known.all]));

// Trouble first.
function cards({destinations, sources, now}) {
	const rank = one => one.state === "running" ? behind(one) ? 1 : 2 : 0;
	const to = [...destinations].sort((a, b) => rank(a) - rank(b)), from = [...sources].sort((a, b) => !a.failing_since - !b.failing_since);
	return [h("div.cards", first(to, CARDS).map(one => destinationCard(one, now)), first(from, CARDS).map(sourceCard)),
		rest(to, CARDS) || rest(from, CARDS)];
}

function flowCard(status) {
	const today = known.flow === "today", path = `/ledger?by=day&since=${status.now.slice(0, 10)}`;
	const line = today ? lately(path, 30)?.lines.at(-1) ?? {} : status.queue;
	return section("Flow",
		h("div.head", h("h2", "Where every event went"), choice("flow", known.flow, {today: "Today (UTC)", all: "All time"})),
		flowChart(line, today ? [] : line.dropped_why, today ? [] : line.dead_why));
}

const more = (text, to, all) => h("div.head", h("h2", text), link(to, all));

function overview(status) {
	const names = status.destinations.map(one => one.name);
	const segments = status.segments?.list ?? [], queue = status.queue;
	return [
		health(status),
		cards(status),
		section("History",
			h("div.head", h("h2", "History"),
				names.length > 1 && h("select", {"data-choose": "destination", "aria-label": "Destination"},
					h("option", {value: "", selected: !known.destination}, "all destinations"),
					names.map(name => h("option", {value: name, selected: name === known.destination}, name))),
				choice("span", known.span, {hour: "Hour", day: "Day"})),
			historyChart()),
		flowCard(status),
		section("Campaigns", more("Campaigns", "campaigns", "All"), campaignTable(5)),
		h("div.pair",
			segments.length > 0 && section("Segments",
				more("Segments in Braze", "segments", `All ${number(status.segments.count)}`), segmentTable(segments.slice(0, 5))),
			section("Dead letters",
				more("Dead letters", "dead", `All ${number(queue.dead)}`), reasonTable(queue)),
			status.left_out?.count > 0 && section("Drift",
				more("Left out, undecided", "drift", "All"), leftOutTable(status.left_out.properties.slice(0, 5)))),
	];
}

/* ---- campaigns ---- */

// What Braze did is told by the last word of the type.
const DID = {Sent: /\.Send$/, Delivered: /\.Deliver[a-z]*$/, Opens: /\.(Open|Read|Impression|View)$/, Clicks: /\.(\w*Click)$/};

function campaignTable(most) {
	const path = `/ledger?by=campaign&since=${most ? 1 : 7}d`, answer = lately(path, 60), lines = answer?.lines;
	if (!lines)
		return asking(path);
	const days = [...new Set(lines.map(line => line.day))].sort().reverse();
	const day = days.includes(known.day) ? known.day : days[0];
	const campaigns = new Map();
	for (const line of lines.filter(one => one.day === day)) {
		const key = `${line.kind} ${line.id}`;
		const row = campaigns.get(key) ?? {name: line.name, kind: line.kind, id: line.id, delivered: 0, dropped: 0, dead: 0, did: {}};
		for (const column of ["delivered", "dropped", "dead"])
			row[column] += line[column];
		for (const [did, types] of Object.entries(DID))
			row.did[did] = (row.did[did] ?? 0) + (types.test(line.type) ? line.delivered + line.dropped + line.dead : 0);
		campaigns.set(key, row);
	}
	const settled = row => row.kind && row.delivered + row.dropped + row.dead;
	const rows = [...campaigns.values()].sort((a, b) => settled(b) - settled(a));
	if (!rows.length)
		return h("p.soft", "None of the last days yet.");
	const columns = Object.keys(DID);
	return [
		most ? h("p.soft", h("small", `${day}, ${answer.timezone}`)) : h("div.head",
			h("p.soft", `By the event's own day, ${answer.timezone}: what Braze did, and what became of its events.`),
			h("select", {"data-choose": "day", "aria-label": "Day"}, days.map(one => h("option", {value: one, selected: one === day}, one)))),
		table(["Campaign or Canvas", ...columns.map(name => `>${name}`), ">In Heap", ">Dropped", ">Dead"],
			rows.slice(0, most ?? 1000).map(row => [
				[row.name || row.id || "without campaign", " ", row.kind && h("small", row.name && row.id !== row.name ? `${row.kind} ${row.id}` : row.kind)],
				...columns.map(name => number(row.did[name])), number(row.delivered), number(row.dropped), number(row.dead),
			])),
	];
}

const campaigns = () => [title("Campaigns"), h("section.card", campaignTable())];

/* ---- segments ---- */

const SEGMENT_TONES = {fresh: "out", sending: "out", retired: "", refused: "wrong"};
const segmentChip = segment => chip(segment.state, SEGMENT_TONES[segment.state] ?? "wait");
const segmentPath = segment => encodeURIComponent(segment.id);
const segmentQuery = segment => `?source=${encodeURIComponent(segment.source)}&destination=${encodeURIComponent(segment.destination)}`;

function segmentTable(list) {
	return table(["Segment", ">Members", ">Waiting", ">Dead", ">Last whole sync", "State"], list.map(segment => [
		[link(`segments/${segmentPath(segment)}${segmentQuery(segment)}`, segment.name || segment.id), id(segment.label || segment.id)],
		number(segment.wanted), number(segment.waiting), number(segment.dead), segment.last_complete_s === null ? "never" : ago(segment.last_complete_s),
		[segmentChip(segment), segment.trouble && h("small", segment.trouble)],
	]));
}

function segments(status) {
	const all = status.segments;
	return [title("Segments in Braze"), all?.list.length
		? h("section.card", h("p.soft", `${several(all.count, "segment")}, those that need attention first.`),
			segmentTable(first(all.list, 2 * ROWS)), rest(all.list, 2 * ROWS))
		: say("No page of a segment has come yet: give Heap the address ", h("code", "https://YOUR-HOST/segments"), ", and switch a segment on.")];
}

function segmentView(status, view) {
	const segment = (status.segments?.list ?? []).find(one => one.id === view.id &&
		(!view.query.get("source") || one.source === view.query.get("source")) &&
		(!view.query.get("destination") || one.destination === view.query.get("destination")));
	if (!segment)
		return [title("Segment"), say(`There is no segment ${view.id}.`)];
	const path = `/segments/${segmentPath(segment)}`, query = segmentQuery(segment), syncs = lately(`${path}/syncs${query}`, 5);
	const change = (verb, text, title, effect, main) => button(text, "order", {path: `${path}/${verb}${query}`, title, text: effect, verb: text}, {main});
	return [
		h("div.head", title(segment.name || segment.id), segmentChip(segment)),
		section("State", segment.trouble && h("p.wait", segment.trouble), segment.why && h("p.wrong", segment.why),
			facts("dl.wide", ["In Braze", h("code", segment.label || segment.id)], ["Route", between(segment)],
				["Members wanted", number(segment.wanted)], ["Members sent", number(segment.sent)],
				["Waiting", segment.waiting && `${number(segment.waiting)}${segment.done_s ? `, done in ${duration(segment.done_s)}` : ""}`],
				["Dead letters", segment.dead && link("dead", number(segment.dead))], ["Last page", when(segment.last_page)], ["Last whole sync", when(segment.last_complete)]),
			h("div.buttons", segment.held_syncs > 0 && change("release", "Release", `Release ${several(segment.held_syncs, "held sync")}?`, VERBS.release[1], true),
				change("resend", "Send all again", "Send all members again?", `${several(segment.wanted, "member")} are queued as changes, within the quota.`),
				change("retire", "Retire", `Retire ${segment.name || segment.id}?`, "All its members leave the segment in Braze."))),
		section("Syncs", h("h2", "Syncs"), !syncs ? asking(`${path}/syncs${query}`) : !syncs.rows.length ? h("p.soft", "None is remembered.") : table(
			["First page", ">Pages", ">Entered", ">Left", ">Delivered", ">Overtaken", ">No change", ">Waiting", ">Dead", "State"],
			[...syncs.rows].reverse().map(sync => [when(sync.first_page), sync.pages_total ? `${sync.pages} of ${sync.pages_total}` : number(sync.pages),
				...["entered", "left", "delivered", "superseded", "no_change", "waiting", "dead"].map(key => number(sync[key])),
				chip(sync.state, sync.state === "done" ? "out" : "wait")]))),
	];
}

/* ---- dead letters ---- */

function reasonTable(queue) {
	return queue.dead_why?.length ? table(["Reason", ">Letters"], queue.dead_why.map(reason =>
		[h("a", {href: "#dead", "data-reason": reason.why}, reason.why, reason.status ? ` (${reason.status})` : ""), number(reason.count)]))
		: h("p.soft", queue.dead ? `${number(queue.dead)} dead letters.` : "There is none.");
}

const EFFECTS = {Requeue: "Tried again under the rules of today.", Drop: "Deleted for good, and counted as dropped."};
const SINCE = {"": "ever", "1h": "an hour ago", "1d": "a day ago", "7d": "a week ago"};

function filterFields(filters) {
	const field = (name, label) => h("label", label, h("input", {name, value: filters[name] ?? "", autocomplete: "off", spellcheck: "false"}));
	return h("form", {"data-do": "filter"}, h("div.fields", field("type", "Type (* matches anything)"), field("reason", "Reason (a part of it)"),
		field("user", "Person"), field("source", "Source"),
		h("label", "Since", h("select", {name: "since"}, Object.entries(SINCE).map(([value, text]) => h("option", {value, selected: (filters.since ?? "") === value}, text)))),
		h("button", "Show")));
}

const queryOf = filters => new URLSearchParams(Object.entries(filters).filter(([, value]) => value)).toString();

function dead(status, view) {
	const head = title("Dead letters"), queue = status.queue;
	const about = section("Reasons", h("p", `${several(queue.dead, "dead letter")}, kept until requeued, dropped or expired.`),
		queue.dead > 0 && reasonTable(queue));
	if (!mayView())
		return [head, about, tokenNeeded("The list of dead letters")];
	const query = queryOf(view.filters), which = `all dead letters${query && " that match the filter"}`;
	const many = verb => button(`${verb} ${query ? "these" : "all"}`, "order", {path: `/dead/${verb.toLowerCase()}?${query || "all=yes"}`, verb,
		title: `${verb} ${which}?`, text: EFFECTS[verb], again: true});
	return [head, about, section("List", filterFields(view.filters),
		view.why ? wrongly(view.why) : !view.rows ? h("p.soft", "Asking…") : view.rows.length === 0 ? h("p.soft", "None matches.") : [
			table(["Event", "Reason", "Died", "Route", ">Attempts"], view.rows.map(letter => [
				[link(`dead/${letter.id}`, letter.type || "(no type)"), h("small", `letter ${letter.id}`)], [letter.reason, letter.status ? ` (${letter.status})` : ""],
				when(letter.dead), between(letter), number(letter.attempts)])),
			h("div.buttons", view.more && button("Show more", "more"), many("Requeue"), many("Drop")),
		])];
}

function letterView(status, view) {
	const head = title(`Dead letter ${view.id}`);
	if (!mayView())
		return [head, tokenNeeded("A dead letter")];
	const letter = view.letter;
	if (!letter)
		return [head, say(wrongly(view.why) || "Asking…")];
	const event = letter.event === undefined ? "" : written(letter.event);
	const decide = (verb, text, more) => button(text, "order", {path: `/dead/${view.id}/${verb.toLowerCase()}`, title: `${text}?`,
		text: EFFECTS[verb], verb, go: "dead", ...more});
	return [head, section("Why",
		h("p.big", letter.reason, letter.status ? ` (${letter.status})` : ""),
		facts("dl.wide", ["Type", letter.type || "none"], ["Member", letter.member && `${letter.member} ${letter.entered ? "entered" : "left"}`], ["Route", between(letter)],
			["Accepted", when(letter.accepted)], ["Died", when(letter.dead)], ["Attempts", some(letter.attempts)]),
		letter.answer && [h("h3", "The answer"), h("pre", {tabindex: 0}, letter.answer)],
		letter.sent && [h("h3", "What was sent"), h("pre", {tabindex: 0}, written(letter.sent))]),
	section("Event",
		event && [h("h2", {id: "event-title"}, "The event as it came"),
			h("textarea", {id: "event", rows: Math.min(30, event.split("\n").length + 1), spellcheck: "false", "aria-labelledby": "event-title"}, event),
			h("p.soft", h("small", "As edited it takes the letter's place if its destination would get it."))],
		h("div.buttons", decide("Requeue", event ? "Requeue as it came" : "Requeue"),
			event && decide("Requeue", "Requeue as edited", {body: "event"}), decide("Drop", "Drop")))];
}

/* ---- drift ---- */

const lineButton = line => line && [h("code", line), " ", button("Copy", "copy", line)];

function leftOutTable(list) {
	return table(["Property", ">Events", "Since", "To send it"], list.map(one => [
		[h("code", one.property), h("small", one.type)], number(one.events), when(one.since), lineButton(one.settings)]));
}

function drift() {
	const answer = lately("/drift", 30), head = title("Drift: what is new at Braze");
	if (!answer)
		return [head, say(asking("/drift"))];
	const rows = [...answer.rows].sort((a, b) => Boolean(b.settings) - Boolean(a.settings) || ms(b.first) - ms(a.first));
	return [head, h("section.card", rows.length ? [
		h("p.soft", "Unknown properties that may be personal are left out until a line of the settings decides. What was sent without them stays without them."),
		table(["What", "Where", ">Events", "First", "Last", "To send it"], rows.map(row => [row.what,
			[h("code", row.field || row.type), row.field && h("small", row.type), row.known_as && h("small", `known as ${row.known_as}`)],
			number(row.events), when(row.first), when(row.last), lineButton(row.settings)])),
	] : h("p", "Everything that came is in the catalogue."))];
}

/* ---- an event or a person ---- */

const PLACES = {queued: ["waiting", "wait"], archive: ["delivered", "out"], dead: ["dead letter", "wrong"], unreadable: ["unreadable", "wrong"]};
const placeChip = place => chip(...PLACES[place] ?? [place]);

function eventCard(row) {
	const explained = row.explanation, got = row.place === "archive" ? "What Heap got" : "What Heap will get";
	const taken = explained?.event ?? explained?.sent;
	return section(`Event ${row.event_id ?? row.member ?? row.id}`,
		h("div.head", h("h2", row.type || "Body"), placeChip(row.place)),
		facts("dl.wide", ["Id", (row.event_id ?? row.member) && h("code", row.event_id ?? row.member)], ["Route", between(row)],
			["Accepted", when(row.accepted ?? row.received)], [row.place === "dead" ? "Died" : "Delivered", row.settled && when(row.settled)], ["Reason", row.reason],
			["Attempts", some(row.attempts)], ["Next try", row.place === "queued" && row.due ? when(row.due) : null], ["Parked", row.parked],
			["Destination", row.sender && row.sender.state !== "running" && `${row.sender.state}: ${row.sender.why}`], ["Last answer", row.answer],
			["Dead letter", row.place === "dead" && link(`dead/${row.id}`, `open ${row.id}`)]),
		explained && explained.fate !== "send" && h("p.wait", `${explained.fate === "drop" ? "A rule drops it" : "It becomes a dead letter"}: ${explained.reason}`),
		taken && h("details", {open: true}, h("summary", row.destination?.includes("braze") ? got.replace("Heap", "Braze") : got), h("pre", {tabindex: 0}, written(taken))),
		explained?.decisions?.length > 0 && h("details", h("summary", "What became of each property"),
			table(["Property", "Is"], explained.decisions.map(one => [h("code", one.of), one.as ? `${one.is} as ${one.as}` : one.is]))),
		row.unexplained && h("p.soft", row.unexplained),
		row.event && h("details", h("summary", row.redacted ? "As it came, without what Heap may not get" : "As it came"), h("pre", {tabindex: 0}, written(row.event))));
}

function personCards(person) {
	const {memberships, timeline, earlier} = person.summary;
	return [
		section("Segments", h("h2", "Segments"), memberships.length ? table(["Segment", "Sent", "When", "Waiting"],
			memberships.map(one => [[one.name || one.segment, id(one.label)], one.sent, when(one.sent_at), one.waiting ?? ""])) : h("p.soft", "In none.")),
		section("Timeline", h("h2", "Timeline"), earlier ? h("p.soft", `${number(earlier)} earlier ones are not shown.`) : null,
			timeline.length ? table(["What", "Accepted", "Route", "Where"], [...timeline].reverse().map(one => [
				one.segment ? `${one.entered ? "entered" : "left"} ${one.name || one.segment}` : [one.type, one.event_id && id(one.event_id)],
				when(one.accepted), between(one),
				[placeChip(one.place), one.reason && h("small", one.reason), one.place === "dead" && h("small", link(`dead/${one.id}`, "open"))]]))
				: h("p.soft", "Nothing of this person is queued, in the archive or dead.")),
	];
}

function find(status, view) {
	const head = title(view.wanted ? ["Found for ", h("code", view.wanted)] : "Find an event or a person");
	if (!view.wanted)
		return [head, say("Type the id of an event or of a person above. Press / to get there.")];
	if (!mayView())
		return [head, tokenNeeded("Looking for events and people")];
	if (view.why)
		return [head, say(wrongly(view.why))];
	if (!view.events)
		return [head, say(view.progress || "Looking…")];
	const searched = view.events.summary.searched, events = view.events.rows;
	// It is nowhere.
	const nothing = !events.length && view.person && !view.person.summary.timeline.length && !view.person.summary.memberships.length;
	return [head,
		nothing && h("section.card", h("p", view.events.summary.received
			? "An event of this id was received, and is not here any more: it was delivered, or dropped by a rule."
			: "Neither an event nor a person of this id is here."),
		h("p.soft", "Looked at all that waits, dead letters and unreadable bodies",
			searched?.archive_since && [", and at what was delivered since ", when(searched.archive_since)], ".")),
		events.map(eventCard), view.events.summary.more && h("p.soft", "There are more."),
		!nothing && (view.person ? personCards(view.person) : h("div.buttons", button("Look for a person of this id", "person")))];
}

/* ---- the token ---- */

function access(status, view) {
	const says = {"-": "No token is set: counts and states are shown.", view_token: "The view token is set: personal data is shown too.",
		admin_token: "The admin token is set: everything is shown, and can be changed."};
	return [title("Token"), h("section.card", h("p", says[known.caller] ?? known.caller),
		wrongly(view.why),
		h("form", {"data-do": "token"}, h("div.fields", h("label", "View or admin token", h("input", {name: "token", type: "password", autocomplete: "off", required: true})),
			h("div.buttons", h("button.main", "Use it"), known.caller !== "-" && button("Forget it", "forget")))),
		h("p.soft", "It is one of the settings ", h("code", "view_token"), " and ", h("code", "admin_token"), ". It stays in this tab, and is forgotten with it.",
			" Look-ups of people and all changes are written to the daemon's log, with the name of the token."))];
}

/* ---- views and their addresses ---- */

const VIEWS = {"": ["Overview", overview], campaigns: ["Campaigns", campaigns], segments: ["Segments", segments], dead: ["Dead letters", dead],
	drift: ["Drift", drift], access: ["Token", access]};
const WITH_ID = {segments: segmentView, dead: letterView};

function render() {
	const {status, view} = known, main = document.getElementById("main"), stale = document.getElementById("stale");
	const wrong = (status?.attention ?? []).filter(item => item.level === "wrong").length;
	morphChildren(document.getElementById("views"), Object.entries(VIEWS).map(([name, [title]]) =>
		h("a", {href: `#${name}`, "aria-current": view.name === name ? "page" : null}, title)));
	document.title = `${known.failedAt ? "no answer · " : wrong ? `(${wrong}) ` : ""}currentsd`;
	stale.hidden = !known.failedAt;
	main.classList.toggle("old", Boolean(known.failedAt));
	if (known.failedAt)
		stale.textContent = `No answer from currentsd since ${clock(known.failedAt)} (${visible(known.why)}): what is shown is from before. Trying again.`;
	const shown = view.name === "find" ? find : view.id ? WITH_ID[view.name] : VIEWS[view.name][1];
	if (status)
		morphChildren(main, [shown(status, view)].flat(9).filter(node => node instanceof Node));
}

// Ask what the view is about; the answer counts only while it is still the view.
async function ask(view, work) {
	view.why = "";
	try {
		await work();
	} catch (error) {
		view.why = error.message;
	}
	if (view === known.view)
		render();
}

function readLetters(view, after) {
	return ask(view, async () => {
		const answer = await look(view, `/dead?${queryOf({...view.filters, limit: ROWS, after})}`);
		view.rows = after ? view.rows.concat(answer.rows) : answer.rows;
		view.more = answer.summary.more;
		view.last = String(answer.summary.last);
	});
}

// A look-up, which may take long.
function look(view, path) {
	const progress = text => { view.progress = text; render(); };
	return call("GET", path, {token: true, exact: true, progress});
}

function readPerson(view) {
	return ask(view, async () => { view.person = await look(view, `/persons/${encodeURIComponent(view.wanted)}`); });
}

async function readFound(view) {
	await ask(view, async () => { view.events = await look(view, `/events/${encodeURIComponent(view.wanted)}?full=yes`); });
	if (!view.why && !view.events.rows.length)
		await readPerson(view);
}

let filters = {}, wanted = "";

function route(focus) {
	const [path, query] = location.hash.slice(1).split("?"), [name, ...rest] = path.split("/");
	let one = rest.join("/");
	try {
		one = decodeURIComponent(one);
	} catch { /* it was typed so: it will not be found */ }
	const view = known.view = {name: name in VIEWS || name === "find" ? name : "", id: WITH_ID[name] ? one : "", query: new URLSearchParams(query)};
	document.getElementById("main").replaceChildren();
	if (view.name === "dead" && !view.id) {
		view.filters = filters;
		if (mayView())
			readLetters(view);
	} else if (view.name === "dead" && mayView()) {
		ask(view, async () => { view.letter = await look(view, `/dead/${encodeURIComponent(view.id)}`); });
	} else if (view.name === "find") {
		view.wanted = wanted;
		if (wanted && mayView())
			readFound(view);
	}
	render();
	scrollTo(0, 0);
	document.querySelector("nav [aria-current]")?.scrollIntoView({block: "nearest", inline: "nearest"});
	if (focus)
		document.querySelector("#main h1")?.focus();
}

/* ---- actions ---- */

let toastTimer = 0;

function toast(text) {
	const node = document.getElementById("toast");
	clearTimeout(toastTimer);
	node.textContent = visible(text);
	node.hidden = false;
	toastTimer = setTimeout(() => { node.hidden = true; }, TOAST_MS);
}

// Ask in a dialog; resolves to whether the operator agreed.
function agreed(title, text, verb) {
	const dialog = document.getElementById("dialog");
	dialog.replaceChildren(h("h2", {id: "dialog-title"}, title), h("p", text),
		mayChange() ? h("p.soft", h("small", "It is written to the daemon's log, as done with the admin token."))
			: h("p", "This needs the admin token. ", link("access", "Enter the token")),
		h("div.buttons", h("button", {type: "button", value: "no"}, "Cancel"), mayChange() && h("button.main", {type: "button", value: "yes"}, verb)));
	dialog.returnValue = "no";
	dialog.showModal();
	return new Promise(resolve => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), {once: true}));
}

// What was done, from the members of the answer.
function told(answer) {
	const done = answer.summary ?? answer;
	const counts = Object.entries(done).filter(([, value]) => Number.isInteger(value)).map(([key, value]) => `${number(value)} ${key}`);
	if (done.state)
		return `${done.name}: ${done.state.replace("_", " ")}${done.why && done.state !== "running" ? `: ${done.why}` : ""}`;
	return [...(answer.messages ?? []), counts.slice(0, 3).join(", ") || "Done"].join(". ");
}

const actions = {
	skip: () => document.getElementById("main").focus(),
	choose: ([what, value]) => { known[what] = value; },
	person: () => readPerson(known.view),
	more: () => readLetters(known.view, known.view.last),
	forget: () => { sessionStorage.removeItem("token"); known.caller = "-"; },
	copy: async line => {
		try {
			await navigator.clipboard.writeText(line);
			toast(`Copied: ${line}`);
		} catch { // only https and localhost have a clipboard
			toast(`Copy this line: ${line}`);
		}
	},
	order: async given => {
		const view = known.view, body = given.body && document.getElementById(given.body).value;
		if (!await agreed(given.title, given.text, given.verb))
			return;
		try {
			toast(told(await call("POST", given.path, {token: true, body, progress: toast})));
			if (given.go && view === known.view)
				location.hash = given.go;
			if (given.again && view === known.view)
				await readLetters(view);
		} catch (error) {
			toast(`It was not done: ${error.message}`);
		}
		poll();
	},
};

const submitted = {
	search: form => {
		wanted = form.elements.wanted.value.trim();
		if (location.hash === "#find")
			route(true);
		else if (wanted)
			location.hash = "find";
	},
	filter: form => {
		filters = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
		route(false);
	},
	token: async form => {
		const view = known.view;
		sessionStorage.setItem("token", form.elements.token.value.trim());
		form.reset();
		await ask(view, readAccess);
		if (!view.why)
			toast("The token is accepted.");
	},
};

document.addEventListener("click", async event => {
	const target = event.target.closest("[data-do], [data-reason], dialog button, dialog a");
	if (!target)
		return;
	const dialog = target.closest("dialog");
	if (dialog) {
		dialog.close(target.value ?? "no");
	} else if (target.dataset.reason) {
		filters = {reason: target.dataset.reason};
	} else if (target.dataset.do in actions) {
		event.preventDefault();
		await actions[target.dataset.do](target.dataset.with === undefined ? undefined : JSON.parse(target.dataset.with));
		render();
	}
});
document.addEventListener("change", event => {
	if (event.target.dataset.choose) {
		known[event.target.dataset.choose] = event.target.value;
		render();
	}
});
document.addEventListener("submit", event => {
	event.preventDefault();
	submitted[event.target.dataset.do ?? event.target.id]?.(event.target);
});
document.addEventListener("keydown", event => {
	if (event.key === "/" && !event.target.closest("input, textarea, select")) {
		event.preventDefault();
		document.querySelector("#search input").focus();
	}
});
document.addEventListener("visibilitychange", () => document.hidden || poll());
addEventListener("hashchange", () => route(true));
addEventListener("resize", render);

render();
await Promise.all([readAccess().catch(() => {}), poll()]);
route(false);
