// Mirrors runtime/text/utf8.cpp and utf8_stream.cpp.

#include "runtime/text/utf8_stream.hpp"

#include "tests/runtime/text/small_tokenizer.hpp"
#include "tests/support/random_weights.hpp"

namespace larql::text {
namespace {

using test::ids;
using test::small_tokenizer_file;

std::string repaired(std::string_view bytes) {
  auto out = std::string{};
  auto repair = utf8_repair{};
  repair.append(bytes, out);
  repair.flush(out);
  return out;
}

TEST(Utf8, ReadsScalarsOfEveryLength) {
  const auto scalar = [](std::string_view text) { return next_utf8(text).scalar; };
  EXPECT_EQ(scalar("a"), U'a');
  EXPECT_EQ(scalar("é"), U'é');
  EXPECT_EQ(scalar("▁"), U'▁');
  EXPECT_EQ(scalar("😊"), U'😊');
  EXPECT_EQ(scalar("\xf4\x8f\xbf\xbf"), U'\U0010ffff');
  EXPECT_EQ(next_utf8("😊x").length, 4u);
}

TEST(Utf8, BrokenBytesAreReplacedByMaximalSubparts) {
  EXPECT_EQ(repaired("a\x80z"), "a\ufffdz") << "a lone continuation";
  EXPECT_EQ(repaired("\xc0\xaf"), "\ufffd\ufffd") << "overlong";
  EXPECT_EQ(repaired("\xe0\x80\xaf"), "\ufffd\ufffd\ufffd") << "overlong";
  EXPECT_EQ(repaired("\xed\xa0\x80"), "\ufffd\ufffd\ufffd") << "a surrogate";
  EXPECT_EQ(repaired("\xf4\x90\x80\x80"), "\ufffd\ufffd\ufffd\ufffd") << "beyond U+10FFFF";
  EXPECT_EQ(repaired("\xf0\x9f\x98z"), "\ufffdz") << "cut off: one for the whole beginning";
  EXPECT_EQ(repaired("\xe2\x82"), "\ufffd") << "cut off at the end";
  EXPECT_EQ(repaired(std::string_view{"\0", 1}), std::string_view("\0", 1));
}

TEST(Utf8, RepairingInPortionsIsRepairingAtOnce) {
  auto random = larql::test::random_source{4};
  for (auto round = 0; round < 3000; ++round) {
    auto bytes = std::string(random.below(30), '\0');
    constexpr auto usual = std::string_view{"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x8a\xed\xa0\xff"};
    for (auto& b : bytes)
      b = usual[random.below(static_cast<std::uint32_t>(usual.size()))];
    auto out = std::string{};
    auto repair = utf8_repair{};
    for (auto rest = std::string_view{bytes}; !rest.empty();) {
      const auto n = std::min<std::size_t>(rest.size(), 1 + random.below(4));
      repair.append(rest.substr(0, n), out);
      rest.remove_prefix(n);
    }
    repair.flush(out);
    ASSERT_EQ(out, repaired(bytes));
  }
}

TEST(Utf8, QuotedTextIsShortAndHasNoControlCharacters) {
  EXPECT_EQ(in_quotes("a\n\x7f"), "\"a\\x0a\\x7f\"");
  EXPECT_EQ(in_quotes("\xff"), "\"\ufffd\"");
  EXPECT_LT(in_quotes(std::string(1000, '\x01')).size(), 200u);
}

TEST(Utf8Stream, HoldsBackACharacterUntilItsBytesAreComplete) {
  const auto t = small_tokenizer_file{}.parse();
  const auto bytes = ids(t, "😊");
  ASSERT_EQ(bytes.size(), 4u);
  auto stream = utf8_stream{t};
  EXPECT_EQ(stream.append(*t.find("a")), "a");
  for (auto i = 0; i < 3; ++i)
    EXPECT_EQ(stream.append(bytes[i]), "");
  EXPECT_EQ(stream.append(bytes[3]), "😊");
  EXPECT_EQ(stream.flush(), "");
}

TEST(Utf8Stream, AnUnfinishedCharacterShowsWhenItCanNoLongerBeFinished) {
  const auto t = small_tokenizer_file{}.parse();
  const auto bytes = ids(t, "😊");
  auto stream = utf8_stream{t};
  EXPECT_EQ(stream.append(bytes[0]), "");
  EXPECT_EQ(stream.append(*t.find("a")), "\ufffda");
  EXPECT_EQ(stream.append(bytes[0]), "");
  EXPECT_EQ(stream.append(bytes[1]), "");
  EXPECT_EQ(stream.flush(), "\ufffd");
  EXPECT_EQ(stream.append(*t.find("b")), "b") << "a new text";
}

TEST(Utf8Stream, SkippedTokensDoNotBreakACharacter) {
  const auto t = small_tokenizer_file{}.parse();
  const auto bytes = ids(t, "é");
  auto stream = utf8_stream{t, special_tokens::skip};
  auto text = stream.append(bytes[0]);
  text += stream.append(t.bos());
  text += stream.append(bytes[1]);
  EXPECT_EQ(text, "é");
}

TEST(Utf8Stream, AllPortionsTogetherAreTheDecodedText) {
  const auto t = small_tokenizer_file{}.merge("▁", "a").parse();
  auto random = larql::test::random_source{5};
  for (auto round = 0; round < 1000; ++round) {
    auto tokens = std::vector<token_id>(random.below(50));
    for (auto& id : tokens)
      id = random.below(static_cast<std::uint32_t>(t.size() + 3));
    for (const auto special : {special_tokens::keep, special_tokens::skip}) {
      auto stream = utf8_stream{t, special};
      auto text = std::string{};
      for (const auto id : tokens)
        text += stream.append(id);
      text += stream.flush();
      ASSERT_EQ(text, t.decode(tokens, special));
    }
  }
}

} // namespace
} // namespace larql::text
