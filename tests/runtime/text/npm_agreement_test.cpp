// Agreement with the reference tokenizer on Gemma's real vocabulary, and the golden vectors
// for its chat turns. Skipped where npm_reference.hpp finds no packages.

#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"
#include "runtime/text/utf8_stream.hpp"

#include "tests/runtime/text/npm_reference.hpp"
#include "tests/runtime/text/odd_texts.hpp"
#include "tests/runtime/text/small_tokenizer.hpp"

#include <chrono>
#include <iostream>

namespace larql::text {
namespace {

using test::ids;
using test::npm_reference;
using test::odd_texts;
using test::pieces;
using token_list = std::vector<token_id>;

class NpmAgreement : public testing::Test {
protected:
  void SetUp() override {
    auto prepared = npm_reference::prepare();
    if (!prepared)
      GTEST_SKIP() << "NOT COMPARED WITH THE REFERENCE TOKENIZER: " << prepared.error().text;
    reference = *std::move(prepared);
  }

  static tokenizer load(const std::filesystem::path& path) {
    const auto start = std::chrono::steady_clock::now();
    auto loaded = tokenizer::load(path);
    load_time = std::chrono::steady_clock::now() - start;
    EXPECT_TRUE(loaded) << loaded.error().text;
    return *std::move(loaded);
  }
  tokenizer gemma3() const { return load(reference->gemma3_file()); }
  tokenizer gemma4() const { return load(reference->gemma4_file()); }

  void expect_agreement(const std::filesystem::path& tokenizer_json) const;

  std::optional<npm_reference> reference;
  static inline std::chrono::duration<double> load_time{};
};

bool spells_control_tokens(const tokenizer& t, std::string_view text) {
  const auto tokens = ids(t, text);
  return std::any_of(tokens.begin(), tokens.end(), [&](token_id id) { return t.is_control(id); });
}

// Random tokens, and with them byte tokens in any order.
std::vector<token_list> random_token_lists(const tokenizer& t) {
  auto random = larql::test::random_source{12};
  auto out = std::vector<token_list>(200);
  for (auto& tokens : out) {
    tokens.resize(1 + random.below(30));
    for (auto& id : tokens)
      id = random.below(3) == 0 ? random.below(static_cast<std::uint32_t>(t.size()))
                                : *t.find("<0x00>") + random.below(256);
  }
  return out;
}

void NpmAgreement::expect_agreement(const std::filesystem::path& tokenizer_json) const {
  const auto t = load(tokenizer_json);
  const auto texts = odd_texts();
  const auto token_lists = random_token_lists(t);
  const auto answer = reference->ask(tokenizer_json, texts, token_lists);
  ASSERT_TRUE(answer) << answer.error().text;
  auto tokens_compared = std::size_t{0};
  for (auto i = std::size_t{0}; i < texts.size(); ++i) {
    const auto ours = ids(t, texts[i]);
    tokens_compared += ours.size();
    ASSERT_EQ(ours, answer->encoded[i])
        << "text: " << texts[i] << "\nours: " << testing::PrintToString(pieces(t, ours))
        << "\nreference: " << testing::PrintToString(pieces(t, answer->encoded[i]));
    if (texts[i].find("▁") == std::string::npos) { // it decodes as a space
      EXPECT_EQ(t.decode(ours), texts[i]);
    }
    if (!spells_control_tokens(t, texts[i])) {
      EXPECT_EQ(ids(t, texts[i], control_text::stays_text), ours) << texts[i];
    }
  }
  for (auto i = std::size_t{0}; i < token_lists.size(); ++i)
    EXPECT_EQ(t.decode(token_lists[i]), answer->decoded[i])
        << testing::PrintToString(token_lists[i]);
  std::cout << "compared: " << texts.size() << " texts of " << tokens_compared << " tokens, "
            << token_lists.size() << " token lists\n";
}

TEST_F(NpmAgreement, EncodesAndDecodesLikeTheReferenceWithGemma3sFile) {
  expect_agreement(reference->gemma3_file());
}

TEST_F(NpmAgreement, EncodesAndDecodesLikeTheReferenceWithGemma4sControlTokens) {
  expect_agreement(reference->gemma4_file());
}

TEST_F(NpmAgreement, LoadsInWellUnderASecond) {
  const auto t = gemma3();
  std::cout << "loaded " << t.size() << " tokens in " << load_time.count() << " s\n";
  EXPECT_LT(load_time.count(), 3.0) << "a generous bound: the machine may be busy";
  auto text = std::string{};
  for (const auto& part : odd_texts())
    text += part + "\n";
  const auto start = std::chrono::steady_clock::now();
  const auto tokens = ids(t, text, control_text::stays_text);
  const auto seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cout << "encoded " << text.size() << " bytes to " << tokens.size() << " tokens in "
            << seconds << " s: " << static_cast<double>(text.size()) / seconds / 1e6 << " MB/s\n";
}

TEST_F(NpmAgreement, IdsAreThoseOfTheFacts) {
  const auto t = gemma4();
  const std::pair<std::string_view, token_id> known[] = {
      {"<pad>", 0},    {"<eos>", 1},     {"<bos>", 2},       {"<unk>", 3},     {"\n", 107},
      {"\n\n\n", 109}, {"</s>", 212},    {"<0x00>", 238},    {"<0xFF>", 493},  {"user", 2364},
      {"model", 4368}, {"system", 9731}, {"thought", 45518}, {"▁", 236743},    {"Hello", 9259},
      {",", 236764},   {".", 236761},    {"▁hello", 29104},  {"<|turn>", 105}, {"<turn|>", 106}};
  for (const auto& [piece, id] : known)
    EXPECT_EQ(t.find(piece), id) << piece;
  EXPECT_EQ(t.size(), 262'144u);
  EXPECT_EQ(parse_generation_config("{}", "none", t)->stop, (token_list{1, 50, 106}));
}

TEST_F(NpmAgreement, PlainTextHasTheTokensOfTheFacts) {
  // HF with its "fix_mistral_regex" splits "▁Café" in another way; the model was trained on this.
  EXPECT_EQ(ids(gemma4(), "Hello world! Café déjà vu — 123 😊"),
            (token_list{9259, 1902, 236888, 62367, 29234, 11042, 2192, 236743, 236770, 236778,
                        236800, 103453}));
}

TEST_F(NpmAgreement, ChatsHaveTheTokensOfTheFacts) {
  const auto t = gemma4();
  const auto rendered = [&](const std::vector<chat_message>& messages, bool thinking,
                            bool generation_prompt) {
    return *chat_template{}.render(messages, {thinking, generation_prompt}, t);
  };
  constexpr auto user = chat_role::user;
  EXPECT_EQ(rendered({{user, "Hello"}}, false, true),
            (token_list{2, 105, 2364, 107, 9259, 106, 107, 105, 4368, 107, 100, 45518, 107, 101}));
  EXPECT_EQ(rendered({{*parse_chat_role("system"), "Be concise."}, {user, "Hi"}}, true, true),
            (token_list{2,   105, 9731, 107, 98,    107, 3912, 63510, 236761, 106,
                        107, 105, 2364, 107, 10979, 106, 107,  105,   4368,   107}));
  EXPECT_EQ(rendered({{user, "Q"}, {chat_role::model, "A"}}, false, false),
            (token_list{2, 105, 2364, 107, 236935, 106, 107, 105, 4368, 107, 236776, 106, 107}));
  EXPECT_EQ(
      rendered({{*parse_chat_role("developer"), "Be concise."}, {user, "Say hello."}}, false, true),
      (token_list{2,     105,   9731,   107, 3912, 63510, 236761, 106, 107, 105,   2364, 107,
                  37889, 29104, 236761, 106, 107,  105,   4368,   107, 100, 45518, 107,  101}));
  EXPECT_EQ(rendered({{user, "The capital of France is"}}, false, true),
            (token_list{2, 105, 2364, 107, 818, 5279, 529, 7001, 563, 106, 107, 105, 4368, 107, 100,
                        45518, 107, 101}));
}

TEST_F(NpmAgreement, ARenderedChatIsTheTextOfTheChatEncoded) {
  const auto t = gemma4();
  auto random = larql::test::random_source{13};
  const auto texts = odd_texts();
  for (auto i = 0; i < 200; ++i) {
    auto messages = std::vector<chat_message>{};
    for (auto n = 1 + random.below(4); n > 0; --n)
      messages.push_back({random.below(2) == 0 ? chat_role::user : chat_role::model,
                          texts[random.below(static_cast<std::uint32_t>(texts.size()))]});
    if (std::any_of(messages.begin(), messages.end(),
                    [&](const chat_message& m) { return spells_control_tokens(t, m.content); }))
      continue;
    const auto options = chat_options{random.below(2) == 0, random.below(2) == 0};
    EXPECT_EQ(*chat_template{}.render(messages, options, t),
              ids(t, *chat_template{}.render_text(messages, options)));
  }
}

TEST_F(NpmAgreement, StreamingARealVocabularyGivesTheDecodedText) {
  const auto t = gemma4();
  for (const auto& text : odd_texts()) {
    const auto tokens = ids(t, text);
    auto stream = utf8_stream{t};
    auto streamed = std::string{};
    for (const auto id : tokens)
      streamed += stream.append(id);
    streamed += stream.flush();
    ASSERT_EQ(streamed, t.decode(tokens));
  }
}

} // namespace
} // namespace larql::text
