// Fuzz target: tokenizer.json, generation_config.json and chat_template.jinja from strangers, and
// any text through whatever tokenizer they make.
//
// The first byte chooses what the rest is:
//   0  a tokenizer.json, a zero byte, and a text
//   1  edits of a good tokenizer.json (a count; then offset, bytes to delete, bytes to insert for
//      each), and a text: reaches far more than raw bytes do
//   2  a text for the good tokenizer, also as the two small files

#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"
#include "runtime/text/utf8_stream.hpp"

#include <algorithm>

namespace larql::text {
namespace {

constexpr std::string_view good_file = R"({"added_tokens":[
{"id":0,"content":"<bos>","special":true,"normalized":false,"single_word":false,"lstrip":false},
{"id":1,"content":"<|turn>","special":true},{"id":2,"content":"<turn|>","special":true},
{"id":3,"content":"<|channel>","special":false},{"id":4,"content":"<channel|>","rstrip":true},
{"id":5,"content":"<|think|>","special":true},{"id":20,"content":"b c","normalized":true},
{"id":21,"content":"<x>","lstrip":true,"rstrip":true}],
"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},
"pre_tokenizer":{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious"},
"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
{"type":"ByteFallback"},{"type":"Fuse"}]},
"model":{"type":"BPE","dropout":null,"unk_token":"<unk>","fuse_unk":true,"byte_fallback":false,
"vocab":{"<bos>":0,"<|turn>":1,"<turn|>":2,"<|channel>":3,"<channel|>":4,"<|think|>":5,"<unk>":6,
"a":7,"b":8,"c":9,"▁":10,"ab":11,"abc":12,"\n":13,"aa":14,"<0xC3>":15,"<":16,"\u00e9":17,"aaaa":18,
"<0x41>":19},
"merges":[["a","b"],"a a",["ab","c"],["aa","aa"]],"ignore_merges":false}})";

class reader {
public:
  explicit reader(std::string_view bytes) : bytes_(bytes) {}
  std::uint8_t byte() {
    const auto part = take(1);
    return part.empty() ? 0 : static_cast<std::uint8_t>(part[0]);
  }
  std::string_view take(std::size_t n) {
    const auto part = bytes_.substr(0, n);
    bytes_.remove_prefix(part.size());
    return part;
  }
  std::string_view until(char end) {
    const auto at = std::min(bytes_.find(end), bytes_.size());
    const auto part = take(at);
    (void) take(1);
    return part;
  }
  std::string_view rest() { return take(bytes_.size()); }

private:
  std::string_view bytes_;
};

std::string edited(reader& in) {
  auto out = std::string{good_file};
  for (auto edits = in.byte() % 8; edits > 0; --edits) {
    const auto offset = (in.byte() << 8 | in.byte()) % (out.size() + 1);
    const auto deleted = in.byte();
    const auto inserted = in.take(in.byte() % 32);
    out.replace(offset, deleted, inserted);
  }
  return out;
}

std::size_t count_control(const tokenizer& t, const std::vector<token_id>& tokens) {
  return static_cast<std::size_t>(
      std::count_if(tokens.begin(), tokens.end(), [&](token_id id) { return t.is_control(id); }));
}

void check_decoding(const tokenizer& t, const std::vector<token_id>& tokens) {
  for (const auto special : {special_tokens::keep, special_tokens::skip}) {
    const auto text = t.decode(tokens, special);
    auto stream = utf8_stream{t, special};
    auto streamed = std::string{};
    for (const auto id : tokens)
      streamed += stream.append(id);
    streamed += stream.flush();
    LARQL_CHECK(streamed == text);
    for (auto rest = std::string_view{text}; !rest.empty();) {
      const auto unit = next_utf8(rest);
      LARQL_CHECK(unit.what == utf8_unit::kind::scalar);
      rest.remove_prefix(unit.length);
    }
  }
}

void check_chat(const tokenizer& t, std::string_view text) {
  const auto render = [&](std::string_view content) {
    const auto messages = std::vector<chat_message>{{chat_role::user, std::string{content}},
                                                    {chat_role::model, std::string{content}}};
    return chat_template{}.render(messages, {}, t);
  };
  const auto with = render(text), without = render("");
  LARQL_CHECK(static_cast<bool>(with) == static_cast<bool>(without));
  if (with)
    LARQL_CHECK(count_control(t, *with) == count_control(t, *without));
}

void check(const tokenizer& t, std::string_view text) {
  for (const auto control : {control_text::becomes_tokens, control_text::stays_text}) {
    const auto tokens = t.encode(text, true, control);
    LARQL_CHECK(static_cast<bool>(tokens));
    LARQL_CHECK(!tokens->empty() && tokens->front() == t.bos());
    for (const auto id : *tokens)
      LARQL_CHECK(id < t.size() && t.find(t.piece(id)) == id);
    if (control == control_text::stays_text)
      LARQL_CHECK(count_control(t, *tokens) == (t.is_control(t.bos()) ? 1u : 0u));
    check_decoding(t, *tokens);
  }
  check_chat(t, text);
}

void run(std::string_view bytes) {
  static const auto good = *tokenizer::parse(good_file, "good");
  auto in = reader{bytes};
  const auto kind = in.byte() % 3;
  if (kind == 2) {
    const auto text = in.rest();
    check(good, text);
    (void) parse_generation_config(text, "generation_config.json", good);
    (void) chat_template::detect(text, "chat_template.jinja");
    return;
  }
  const auto file = kind == 0 ? std::string{in.until('\0')} : edited(in);
  if (const auto t = tokenizer::parse(file, "tokenizer.json"))
    check(*t, in.rest());
  else
    LARQL_CHECK(t.error().text.starts_with("tokenizer.json"));
}

} // namespace
} // namespace larql::text

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::text::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
