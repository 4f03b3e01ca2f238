// openai.mjs SETTING: what an application does with the official SDK, over
// HTTP/1.1 and HTTP/2. Every case says what it saw when it fails.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { Agent, fetch } from "undici";

const setting = JSON.parse(process.argv[2]);
const model = setting.model;
const messages = [
	{ role: "system", content: "You are a gate in a river." },
	{ role: "user", content: "Say something about water. Größe, 水, \u{1F30A}." },
];
let passed = 0;
let failed = 0;

function client(protocol) {
	const h2 = protocol === "h2";
	const dispatcher = new Agent(
		h2 ? { allowH2: true, connect: { ca: readFileSync(setting.certificate) } } : {},
	);
	return new OpenAI({ apiKey: "unused", baseURL: setting[protocol], maxRetries: 0, timeout: 60_000,
			    fetch, fetchOptions: { dispatcher } });
}

async function states() {
	return Promise.all(setting.engines.map(async (e) => (await fetch(`${e}/sim/state`)).json()));
}

const running = async () => (await states()).reduce((sum, s) => sum + s.running, 0);

async function until(condition, what) {
	const start = performance.now();
	while (!(await condition())) {
		assert.ok(performance.now() - start < 30_000, `waited 30 s for ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
	return performance.now() - start;
}

function checkUsage(usage) {
	assert.ok(usage.prompt_tokens > 0, "prompt tokens");
	assert.ok(usage.completion_tokens > 0, "completion tokens");
	assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
}

async function rejects(promise, type, status, code) {
	const error = await promise.then(() => null, (e) => e);
	assert.ok(error instanceof type, `${error} is a ${type.name}`);
	assert.equal(error.status, status);
	assert.equal(error.code, code);
	assert.ok(error.message.length > 10, "a message for people");
}

const cases = {
	async "chat"(api) {
		const answer = await api.chat.completions.create({ model, messages, max_tokens: 12 });
		assert.equal(answer.object, "chat.completion");
		assert.equal(answer.choices[0].message.role, "assistant");
		assert.ok(answer.choices[0].message.content.length > 0);
		checkUsage(answer.usage);
		assert.equal(answer.usage.completion_tokens, 12);
	},
	async "chat, streamed"(api) {
		const stream = await api.chat.completions.create({ model, messages, max_tokens: 12, stream: true });
		let text = "";
		let finish = null;
		for await (const chunk of stream) {
			text += chunk.choices[0]?.delta?.content ?? "";
			finish = chunk.choices[0]?.finish_reason ?? finish;
		}
		assert.equal(finish, "length");
		const whole = await api.chat.completions.create({ model, messages, max_tokens: 12 });
		assert.equal(text, whole.choices[0].message.content, "the same text as not streamed");
	},
	async "chat, streamed with usage"(api) {
		const stream = await api.chat.completions.create({ model, messages, max_tokens: 5, stream: true,
								   stream_options: { include_usage: true } });
		let usage = null;
		for await (const chunk of stream)
			usage = chunk.usage ?? usage;
		checkUsage(usage);
	},
	async "chat, the SDK's stream helper"(api) {
		const stream = api.chat.completions.stream({ model, messages, max_tokens: 6 });
		const final = await stream.finalChatCompletion();
		assert.equal(final.choices[0].finish_reason, "length");
		assert.ok(final.choices[0].message.content.length > 0);
	},
	async "completions"(api) {
		const answer = await api.completions.create({ model, prompt: "The gateway sends", max_tokens: 7 });
		assert.equal(answer.object, "text_completion");
		assert.ok(answer.choices[0].text.length > 0);
		checkUsage(answer.usage);
	},
	async "completions, streamed"(api) {
		const stream = await api.completions.create({ model, prompt: "The gateway sends", max_tokens: 7,
							      stream: true });
		let text = "";
		for await (const chunk of stream)
			text += chunk.choices[0]?.text ?? "";
		assert.ok(text.length > 0);
	},
	async "twenty at once"(api) {
		const ask = (i) => api.chat.completions.create({ model, max_tokens: 4,
			messages: [{ role: "user", content: `number ${i} `.repeat(50) }] });
		const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(i)));
		assert.equal(new Set(answers.map((a) => a.id)).size, 20, "twenty different answers");
	},
	async "model list"(api) {
		const ids = [];
		for await (const m of api.models.list())
			ids.push(m.id);
		assert.ok(ids.includes(model), `${ids} has ${model}`);
	},
	async "request id"(api) {
		const { response } = await api.chat.completions
			.create({ model, messages, max_tokens: 1 }, { headers: { "X-Request-Id": "sdk-1" } })
			.withResponse();
		assert.equal(response.headers.get("x-request-id"), "sdk-1");
	},
	async "unknown model"(api) {
		await rejects(api.chat.completions.create({ model: "no-such-model", messages }),
			      OpenAI.NotFoundError, 404, "model_not_found");
	},
	async "unknown model, streamed"(api) {
		await rejects(api.chat.completions.create({ model: "no-such-model", messages, stream: true }),
			      OpenAI.NotFoundError, 404, "model_not_found");
	},
	async "malformed body"(api) {
		await rejects(api.post("/chat/completions", { body: '{"model": "sim", "messages": [',
							      headers: { "content-type": "application/json" } }),
			      OpenAI.BadRequestError, 400, "invalid_json");
	},
	async "unknown path"(api) {
		const error = await api.post("/no/such/path", { body: { model } }).then(() => null, (e) => e);
		assert.ok(error instanceof OpenAI.NotFoundError, `${error} is a NotFoundError`);
	},
	async "abort stops the engine"(api) {
		await until(async () => (await running()) === 0, "idle engines");
		const stream = await api.chat.completions.create({ model, messages, max_tokens: 2000, stream: true });
		for await (const _ of stream)
			break; // leaving the loop aborts, as applications do
		const took = await until(async () => (await running()) === 0, "the engine to stop");
		assert.ok(took < 200, `the engine stopped after ${took.toFixed(0)} ms`);
	},
	async "abort before the answer"(api) {
		const controller = new AbortController();
		const answer = api.chat.completions.create({ model, messages, max_tokens: 2000 },
							   { signal: controller.signal });
		const refused = assert.rejects(answer, OpenAI.APIUserAbortError);
		await until(async () => (await running()) > 0, "the engine to run");
		controller.abort();
		await refused;
		const took = await until(async () => (await running()) === 0, "the engine to stop");
		assert.ok(took < 200, `the engine stopped after ${took.toFixed(0)} ms`);
	},
};

for (const protocol of ["h1", "h2"]) {
	const api = client(protocol);
	for (const [name, run] of Object.entries(cases)) {
		try {
			await run(api);
			passed++;
			console.log(`ok     ${protocol}: ${name}`);
		} catch (error) {
			failed++;
			console.log(`FAILED ${protocol}: ${name}\n       ${error.stack}`);
		}
	}
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
