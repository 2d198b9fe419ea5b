// The small tokenizer with all control tokens of Gemma 4's chat format, and a few words.

#pragma once

#include "tests/runtime/text/small_tokenizer.hpp"

namespace larql::text::test {

inline tokenizer chat_tokenizer() {
  auto file = small_tokenizer_file{};
  for (const auto* name :
       {"<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<tool_response|>", "<|\"|>"})
    file.added(name);
  for (const auto* word : {"{",   "}",  "[",    "]",    ":",     ",",   "\"",  "\\",
                           "_",   "-",  ".",    "0",    "1",     "2",   "3",   "4",
                           "5",   "6",  "7",    "8",    "9",     "\":", "\",", "{\"",
                           "\"}", "},", "null", "true", "false", "<",   ">",   "|"})
    file.token(word);
  return file.parse();
}

} // namespace larql::text::test
