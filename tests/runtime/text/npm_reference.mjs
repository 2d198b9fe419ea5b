// Answers for npm_reference.hpp: what @huggingface/tokenizers makes of texts and of lists of ids.
//
// usage: node npm_reference.mjs REQUEST REPLY
//   REQUEST  {"library": path, "tokenizer": path of a tokenizer.json, "texts": [string], "ids": [[id]]}
//   REPLY    {"encoded": [[id] for each text], "decoded": [string for each of ids]}
import fs from "node:fs";
import { pathToFileURL } from "node:url";

const [requestPath, replyPath] = process.argv.slice(2);
const request = JSON.parse(fs.readFileSync(requestPath, "utf8"));
const { Tokenizer } = await import(pathToFileURL(request.library));
const tokenizer = new Tokenizer(JSON.parse(fs.readFileSync(request.tokenizer, "utf8")), {});

const plainly = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
const reply = {
  encoded: request.texts.map((text) => tokenizer.encode(text, { add_special_tokens: false }).ids),
  decoded: request.ids.map((ids) => (ids.length === 0 ? "" : tokenizer.decode(ids, plainly))),
};
fs.writeFileSync(replyPath, JSON.stringify(reply));
