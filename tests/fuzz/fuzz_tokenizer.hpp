// A tokenizer with every byte and all control tokens of the chat format, for fuzz targets.

#pragma once

#include "runtime/text/tokenizer.hpp"

#include <fmt/format.h>

namespace larql::fuzz {

inline const text::tokenizer& chat_tokenizer() {
  static const auto tokens = [] {
    auto vocab = std::string{}, added = std::string{};
    auto next = 0;
    const auto add = [&](std::string_view escaped) {
      vocab += fmt::format("{}\"{}\":{}", next > 0 ? "," : "", escaped, next);
      return next++;
    };
    for (const auto* name : {"<bos>", "<unk>", "<|turn>", "<turn|>", "<|think|>", "<|channel>",
                             "<channel|>", "<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>",
                             "<|tool_response>", "<tool_response|>", "<|\\\"|>"}) {
      const auto id = add(name);
      added += fmt::format("{}{{\"id\":{},\"content\":\"{}\",\"special\":true}}",
                           added.empty() ? "" : ",", id, name);
    }
    for (auto byte = 0; byte < 256; ++byte)
      add(fmt::format("<0x{:02X}>", byte));
    for (const auto* text : {"a", "b", "f", "{", "}", "\\\":", "\\\",", "},", "thought", "\\n",
                             "call:f{", "{\\\"", "true", "null", "\u00e9"})
      add(text);
    return *text::tokenizer::parse(
        fmt::format(
            R"({{"added_tokens":[{}],"normalizer":{{"type":"Replace","pattern":{{"String":" "}},)"
            R"("content":"▁"}},"decoder":{{"type":"Sequence","decoders":[{{"type":"Replace",)"
            R"("pattern":{{"String":"▁"}},"content":" "}},{{"type":"ByteFallback"}},)"
            R"({{"type":"Fuse"}}]}},"model":{{"type":"BPE","unk_token":"<unk>",)"
            R"("byte_fallback":true,"vocab":{{{}}},"merges":[]}}}})",
            added, vocab),
        "tokenizer.json");
  }();
  return tokens;
}

} // namespace larql::fuzz
