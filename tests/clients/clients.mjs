// Stock clients of OpenAI, Anthropic and Ollama against one server: streaming, tools there and back, JSON by a schema,
// leaving, errors. Prints a line for each check; exit code 1 if one fails.
//
// usage: node clients.mjs URL TEXT
//   URL   of the server, without a path
//   TEXT  what the model answers to `question` at temperature 0
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { Ollama } from "ollama";
import OpenAI from "openai";

const [url, text] = process.argv.slice(2);
const question = "What is the capital of France?";
const messages = [{ role: "user", content: question }];
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const ollama = new Ollama({ host: url });

const parameters = {
  type: "object",
  properties: { city: { type: "string", enum: ["Rome", "Oslo"] } },
  required: ["city"],
  additionalProperties: false,
};
const openaiTool = { type: "function", function: { name: "weather", description: "Weather now.", parameters, strict: true } };
const schema = {
  type: "object",
  properties: { capital: { type: "string", maxLength: 20 }, big: { type: "boolean" } },
  required: ["capital", "big"],
  additionalProperties: false,
};
// The ends of an answer of Gemma are forbidden: it goes on until somebody stops it.
const endless = { 1: -100, 50: -100, 106: -100 };

/** The value of a sample of /metrics. */
async function metric(name) {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split("\n");
  return Number(lines.find((line) => line.startsWith(`${name} `))?.split(" ")[1]);
}

async function eventually(condition, what) {
  for (let i = 0; i < 300; ++i) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`never: ${what}`);
}

const checks = {
  // ---- openai -----------------------------------------------------------------------------------

  async "openai: models"() {
    const list = await openai.models.list();
    assert.equal(list.data.length, 1);
    assert.equal((await openai.models.retrieve(list.data[0].id)).id, list.data[0].id);
  },

  async "openai: chat"() {
    const answer = await openai.chat.completions.create({ model: "any", messages, temperature: 0 });
    assert.equal(answer.choices[0].message.content, text);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  },

  async "openai: chat, streamed"() {
    const stream = openai.chat.completions.stream({
      model: "any", messages, temperature: 0, stream_options: { include_usage: true },
    });
    let pieces = "";
    stream.on("content", (delta) => (pieces += delta));
    const answer = await stream.finalChatCompletion();
    assert.equal(pieces, text);
    assert.equal(answer.choices[0].message.content, text);
    assert.ok((await stream.totalUsage()).completion_tokens > 0);
  },

  async "openai: a tool, there and back"() {
    const talk = [{ role: "user", content: "How is the weather in Rome?" }];
    const call = await openai.chat.completions.create({
      model: "any", messages: talk, temperature: 0, tools: [openaiTool], tool_choice: "required", parallel_tool_calls: false,
    });
    assert.equal(call.choices[0].finish_reason, "tool_calls");
    const [tool] = call.choices[0].message.tool_calls;
    assert.equal(tool.function.name, "weather");
    assert.ok(["Rome", "Oslo"].includes(JSON.parse(tool.function.arguments).city));
    talk.push(call.choices[0].message, { role: "tool", tool_call_id: tool.id, content: "sunny" });
    const answer = await openai.chat.completions.create({
      model: "any", messages: talk, temperature: 0, max_tokens: 20, tools: [openaiTool],
    });
    assert.ok(answer.usage.prompt_tokens > call.usage.prompt_tokens);
  },

  async "openai: a tool, streamed"() {
    const stream = openai.chat.completions.stream({
      model: "any", messages, temperature: 0, tools: [openaiTool],
      tool_choice: { type: "function", function: { name: "weather" } },
    });
    const answer = await stream.finalChatCompletion();
    const [tool] = answer.choices[0].message.tool_calls;
    assert.equal(tool.type, "function");
    assert.ok(tool.id.length > 0);
    assert.ok(["Rome", "Oslo"].includes(JSON.parse(tool.function.arguments).city));
  },

  async "openai: JSON by a schema"() {
    const answer = await openai.chat.completions.create({
      model: "any", messages, temperature: 0, response_format: { type: "json_schema", json_schema: { name: "x", schema } },
    });
    const value = JSON.parse(answer.choices[0].message.content);
    assert.equal(typeof value.capital, "string");
    assert.equal(typeof value.big, "boolean");
  },

  async "openai: completions"() {
    const answer = await openai.completions.create({
      model: "any", prompt: "The capital of France is", temperature: 0, max_tokens: 4,
    });
    assert.ok(answer.choices[0].text.startsWith(" Paris"));
  },

  async "openai: responses"() {
    const answer = await openai.responses.create({ model: "any", input: question, temperature: 0 });
    assert.equal(answer.output_text, text);
    assert.equal(answer.status, "completed");
  },

  async "openai: responses, streamed"() {
    const stream = openai.responses.stream({ model: "any", input: question, temperature: 0 });
    let pieces = "";
    for await (const event of stream) if (event.type === "response.output_text.delta") pieces += event.delta;
    assert.equal(pieces, text);
    assert.equal((await stream.finalResponse()).output_text, text);
  },

  async "openai: responses, a tool, streamed"() {
    const { function: tool } = openaiTool;
    const stream = openai.responses.stream({
      model: "any", input: question, temperature: 0, tools: [{ type: "function", ...tool }], tool_choice: "required",
      parallel_tool_calls: false,
    });
    const answer = await stream.finalResponse();
    const call = answer.output.find((item) => item.type === "function_call");
    assert.ok(["Rome", "Oslo"].includes(JSON.parse(call.arguments).city));
    const next = await openai.responses.create({
      model: "any", temperature: 0, max_output_tokens: 20,
      input: [{ role: "user", content: question }, ...answer.output,
              { type: "function_call_output", call_id: call.call_id, output: "sunny" }],
    });
    assert.ok(["completed", "incomplete"].includes(next.status));
  },

  async "openai: errors"() {
    await assert.rejects(openai.chat.completions.create({ model: "any", messages, temperature: -1 }), (e) => {
      assert.ok(e instanceof OpenAI.BadRequestError);
      assert.equal(e.param, "temperature");
      assert.ok(e.requestID.length > 0);
      return true;
    });
    await assert.rejects(openai.responses.create({ model: "any", input: "x", previous_response_id: "resp_1" }),
                         OpenAI.BadRequestError);
    await assert.rejects(openai.embeddings.create({ model: "any", input: "x" }), OpenAI.BadRequestError);
    await assert.rejects(openai.models.retrieve("nothing"), OpenAI.NotFoundError);
    const long = [{ role: "user", content: "and then ".repeat(200_000) }];
    await assert.rejects(openai.chat.completions.create({ model: "any", messages: long }),
                         (e) => e.code === "context_length_exceeded");
  },

  async "openai: leaving ends the answer"() {
    const before = await metric("larql_requests_cancelled_total");
    const stream = await openai.chat.completions.create({
      model: "any", messages, stream: true, temperature: 1, logit_bias: endless,
    });
    let seen = 0;
    for await (const chunk of stream) if (chunk.choices.length > 0 && ++seen === 3) break;
    await eventually(async () => (await metric("larql_requests_cancelled_total")) > before, "cancelled");
    await eventually(async () => (await metric("larql_answers_running")) === 0, "nothing runs");
  },

  // ---- anthropic --------------------------------------------------------------------------------

  async "anthropic: a message"() {
    const answer = await anthropic.messages.create({ model: "any", max_tokens: 100, messages, temperature: 0 });
    assert.equal(answer.content[0].text, text);
    assert.equal(answer.stop_reason, "end_turn");
  },

  async "anthropic: a message, streamed"() {
    const stream = anthropic.messages.stream({ model: "any", max_tokens: 100, messages, temperature: 0 });
    let pieces = "";
    stream.on("text", (delta) => (pieces += delta));
    const answer = await stream.finalMessage();
    assert.equal(pieces, text);
    assert.ok(answer.usage.output_tokens > 0);
  },

  async "anthropic: a tool, streamed, there and back"() {
    const tools = [{ name: "weather", description: "Weather now.", input_schema: parameters, strict: true }];
    const talk = [{ role: "user", content: "How is the weather in Rome?" }];
    const stream = anthropic.messages.stream({
      model: "any", max_tokens: 100, temperature: 0, messages: talk, tools,
      tool_choice: { type: "tool", name: "weather", disable_parallel_tool_use: true },
    });
    const call = await stream.finalMessage();
    assert.equal(call.stop_reason, "tool_use");
    const use = call.content.find((block) => block.type === "tool_use");
    assert.ok(["Rome", "Oslo"].includes(use.input.city));
    talk.push({ role: "assistant", content: call.content },
              { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "sunny" }] });
    const answer = await anthropic.messages.create({ model: "any", max_tokens: 20, temperature: 0, messages: talk, tools });
    assert.equal(answer.role, "assistant");
  },

  async "anthropic: counting tokens, models"() {
    const counted = await anthropic.messages.countTokens({ model: "any", messages });
    const answer = await anthropic.messages.create({ model: "any", max_tokens: 1, messages });
    assert.equal(counted.input_tokens, answer.usage.input_tokens + answer.usage.cache_read_input_tokens);
    assert.ok((await anthropic.models.list()).data[0].display_name.length > 0);
  },

  async "anthropic: errors"() {
    await assert.rejects(anthropic.messages.create({ model: "any", max_tokens: 1, messages: [] }),
                         (e) => e instanceof Anthropic.BadRequestError && e.message.includes("messages"));
    const long = [{ role: "user", content: "and then ".repeat(200_000) }];
    await assert.rejects(anthropic.messages.create({ model: "any", max_tokens: 1, messages: long }),
                         (e) => e.message.includes("prompt is too long"));
  },

  // ---- ollama -----------------------------------------------------------------------------------

  async "ollama: list, show, ps, version"() {
    const { models } = await ollama.list();
    assert.equal(models.length, 1);
    const shown = await ollama.show({ model: models[0].name });
    assert.ok(shown.capabilities.includes("tools"));
    assert.equal((await ollama.ps()).models[0].name, models[0].name);
    assert.match((await ollama.version()).version, /^\d+\.\d+\.\d+$/);
  },

  async "ollama: chat, whole and streamed"() {
    const options = { temperature: 0 };
    assert.equal((await ollama.chat({ model: "any", messages, options })).message.content, text);
    let pieces = "";
    let last;
    for await (last of await ollama.chat({ model: "any", messages, options, stream: true })) pieces += last.message.content;
    assert.equal(pieces, text);
    assert.ok(last.done && last.eval_count > 0);
  },

  async "ollama: generate, format"() {
    const answer = await ollama.generate({ model: "any", prompt: question, options: { temperature: 0 } });
    assert.equal(answer.response, text);
    const json = await ollama.generate({ model: "any", prompt: question, format: schema, options: { temperature: 0 } });
    assert.equal(typeof JSON.parse(json.response).big, "boolean");
  },

  async "ollama: errors"() {
    await assert.rejects(ollama.embed({ model: "any", input: "x" }), /embeddings/);
    await assert.rejects(ollama.chat({ model: "any", messages, options: { temperature: -1 } }), /temperature/);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (e) {
    ++failed;
    console.log(`FAILED ${name}: ${e?.stack ?? e}`);
  }
}
process.exit(failed === 0 ? 0 : 1);
